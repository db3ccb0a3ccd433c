"""The pool of threads for slow work, in programs of their own, each of which runs a reactor."""

import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from helpers import logged, result
from twisted.internet.defer import CancelledError
from twisted.logger import formatEvent

from sshecho.cred.outage import UncheckedLogin
from sshecho.cred.threads import SOURCE, Pool, Queue

GENEROUS = 30
"""Seconds for a program that takes less than one, and would hang for longer if it hung."""


def run(program: str) -> list[str]:
    """Run a program whose function `main` is called by the reactor, and return what it prints."""
    whole = f"""
import os, threading, time
from twisted.internet import reactor, threads
from twisted.internet.defer import gatherResults, inlineCallbacks
from sshecho.cred.threads import inThread

@inlineCallbacks
def main():
{textwrap.indent(textwrap.dedent(program), "    ")}

def failed(failure):
    print("failed", failure)
    reactor.stop()

reactor.callWhenRunning(lambda: main().addErrback(failed))
reactor.run()
print("ended")
"""
    done = subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, timeout=GENEROUS, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_result():
    """What a function returns is the Deferred's result, and arguments of both kinds arrive."""
    assert run(
        """
        print((yield inThread(lambda *a, **k: (a, k), 1, b"two", three=3)))
        reactor.stop()
        """
    ) == ["((1, b'two'), {'three': 3})", "ended"]


@pytest.mark.parametrize("error", ["ValueError('x')", "SystemExit('x')"])
def test_exceptions(error):
    """What a function raises is the Deferred's failure, and the threads go on."""
    assert run(
        f"""
        def fail():
            raise {error}
        for _ in range(2 * os.cpu_count()):
            try:
                yield inThread(fail)
            except BaseException as error:
                caught = repr(error)
        print(caught)
        print((yield inThread(int, "7")))
        reactor.stop()
        """
    ) == [error, "7", "ended"]


def test_not_the_reactors_thread():
    """Work runs in another thread than the reactor, and its result is handed over there."""
    assert run(
        """
        there = yield inThread(threading.current_thread)
        print(there is not threading.main_thread(), there.daemon, "checkers" in there.name)
        print(threading.current_thread() is threading.main_thread())
        reactor.stop()
        """
    ) == ["True True True", "True", "ended"]


def test_a_pool_of_its_own():
    """While all of our threads are busy, the reactor's are free."""
    assert run(
        """
        free = threading.Event()
        busy = [inThread(free.wait) for _ in range(2 * os.cpu_count())]
        print((yield threads.deferToThread(int, "7")))
        free.set()
        yield gatherResults(busy)
        reactor.stop()
        """
    ) == ["7", "ended"]


def test_as_many_as_cores():
    """As many functions run at once as there are cores, and what is more waits its turn."""
    lines = run(
        """
        cores = os.cpu_count()
        running, free = threading.Semaphore(0), threading.Event()
        def work():
            running.release()
            free.wait()
        waiting = [inThread(work) for _ in range(cores + 3)]
        for _ in range(cores):
            running.acquire()
        print(len([t for t in threading.enumerate() if "checkers" in t.name]))
        print(running.acquire(blocking=False))
        free.set()
        print(len((yield gatherResults(waiting))) - cores)
        reactor.stop()
        """
    )
    assert lines == [str(os.cpu_count()), "False", "3", "ended"]


def test_before_the_reactor_runs():
    """What is asked for before the reactor runs is done once it does."""
    program = """
from twisted.internet import reactor
from sshecho.cred.threads import inThread
inThread(int, "7").addCallback(print).addBoth(lambda _: reactor.stop())
reactor.run()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=GENEROUS, check=False
    )
    assert (done.stdout, done.stderr) == (b"7\n", b"")


def test_import_chooses_no_reactor():
    """To import it does not choose the reactor, which is twistd's to choose."""
    program = """
import sys, sshecho.cred.threads
print("twisted.internet.reactor" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"False\n", b"")


def test_hanging_threads():
    """Threads that hang, however many, don't keep a program from ending."""
    assert run(
        """
        os.cpu_count = lambda: 500  # to wait even a little for each would take too long
        running = threading.Semaphore(0)
        def hang():
            running.release()
            time.sleep(60)
        for _ in range(500):
            inThread(hang)
        for _ in range(500):
            running.acquire()
        reactor.stop()
        yield
        """
    ) == ["ended"]


class Waiting:
    """Threads that begin nothing until they are told to, and a reactor for their answers."""

    def __init__(self):
        self.jobs = []

    def callInThreadWithCallback(self, done, work):
        self.jobs.append((done, work))

    def callFromThread(self, function, *arguments):
        function(*arguments)

    def work(self):
        jobs, self.jobs = self.jobs, []
        for done, work in jobs:
            done(True, work())


@contextmanager
def coming(source):
    """Let what is run until the end of the block be for a source."""
    before = SOURCE.set(source)
    try:
        yield
    finally:
        SOURCE.reset(before)


def test_cancelled_before_its_turn():
    """What nobody waits for any more is not done, and frees its place."""
    threads, ran = Waiting(), []
    queue = Queue(threads, threads, 1, 2)
    first, second, third = (queue.run(ran.append, number) for number in range(3))
    second.addErrback(lambda failure: failure.trap(CancelledError))
    second.cancel()
    fourth = queue.run(ran.append, 3)
    for _ in range(3):
        threads.work()
    assert ran == [0, 2, 3]
    assert all(answer.called for answer in (first, third, fourth))


def test_too_many():
    """When too many wait, the next is denied at once; when they are done, it has its turn."""
    threads = Waiting()
    queue = Queue(threads, threads, 1, 2)
    waiting = [queue.run(int, "1") for _ in range(3)]
    with pytest.raises(UncheckedLogin, match="too many logins"):
        result(queue.run(int, "1"))
    for _ in range(3):
        threads.work()
    assert [result(answer) for answer in waiting] == [1, 1, 1]
    last = queue.run(int, "2")
    threads.work()
    assert result(last) == 2


def test_sources_in_turn():
    """Whose logins are few does not wait for those of another's that are many."""
    threads, ran = Waiting(), []
    queue = Queue(threads, threads, 1, 100)
    with coming("flood"):
        for number in range(50):
            queue.run(ran.append, number)
    with coming("other"):
        queue.run(ran.append, "other")
    for _ in range(3):
        threads.work()
    assert ran == [0, 1, "other"]


def test_who_has_most_makes_room():
    """When too many wait, those give way whose source has the most."""
    threads, ran = Waiting(), []
    queue = Queue(threads, threads, 1, 4)
    with coming("flood"):
        flood = [queue.run(ran.append, number) for number in range(5)]
    with coming("other"):
        queue.run(ran.append, "other")
    with pytest.raises(UncheckedLogin, match="too many logins"):
        result(flood[-1])
    for _ in range(5):
        threads.work()
    assert ran == [0, 1, "other", 2, 3]


class Reluctant(Thread):
    """A thread that the system may not let start."""

    allowed = True

    def start(self):
        if not self.allowed:
            raise RuntimeError("can't start new thread")
        super().start()


def test_no_thread(monkeypatch):
    """Without a thread nobody gets in, which is said once; with one again, they do."""
    monkeypatch.setattr(Pool, "threadFactory", Reluctant)
    pool = Pool(0, 1, "checkers")
    pool.start()
    queue = Queue(Waiting(), pool, 1, 2)
    monkeypatch.setattr(Reluctant, "allowed", False)
    with logged() as seen:
        for _ in range(5):
            with pytest.raises(UncheckedLogin, match="no thread"):
                result(queue.run(int, "1"))
        monkeypatch.setattr(Reluctant, "allowed", True)
        done = Event()
        queue.run(done.set)
        assert done.wait(GENEROUS)
    pool.stop()
    said = [formatEvent(event) for event in seen]
    assert said == [
        "the checkers have no thread: can't start new thread; until it is mended it lets nobody in",
        "the threads of the checkers: it is mended, and lets people in again",
    ]
