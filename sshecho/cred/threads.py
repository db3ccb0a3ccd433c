"""Threads for slow work: hashing passwords, reading files, verifying signatures."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from threading import Thread
from time import monotonic
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from sshecho.cred.outage import Outage, UncheckedLogin
from sshecho.fairqueue import FairQueue

_PATIENCE = 0.2
"""Seconds to wait for the threads' work when the program ends."""

_WAITING = 50
"""How many functions may wait for each core: with bcrypt's usual cost for some ten seconds."""

P = ParamSpec("P")
T = TypeVar("T")


SOURCE: ContextVar[str] = ContextVar("source", default="")
"""Whom a login that is being checked comes from: so that nobody's logins hold up another's."""

_BUSY = "too many logins are being checked"


@dataclass(eq=False)
class _Job:
    """Something to do in a thread, and where its result goes."""

    work: Callable[[], object]
    answer: Deferred[Any]


class InThread(Protocol):
    """Runs a function elsewhere: `inThread`, or what stands in for it."""

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Return a Deferred of what the function returns, or raises."""


class _Daemon(Thread):
    """A thread that keeps no program from ending, though a server may never answer it."""

    def __init__(self, **options: object) -> None:
        super().__init__(daemon=True, **options)  # type: ignore[arg-type]


class Pool(ThreadPool):
    """A pool of threads that may hang."""

    threadFactory: type[Thread] = _Daemon

    def __init__(self, least: int, most: int, name: str) -> None:
        super().__init__(least, most, name)
        self._outage = Outage(f"the threads of the {name}")

    def callInThreadWithCallback(
        self,
        onResult: Callable[[bool, T], object] | None,
        func: Callable[P, T],
        *args: P.args,
        **kw: P.kwargs,
    ) -> None:
        """Call a function in a thread, and then, there, another with whether it went well.

        When the system has no thread for it, the result is an UncheckedLogin, and that is said.
        """
        try:
            super().callInThreadWithCallback(onResult, func, *args, **kw)
        except RuntimeError as error:
            self.threads.pop()  # which has not started
            self._outage.began(f"the {self.name} have no thread: {error}")
            if onResult is not None:
                denial = Failure(UncheckedLogin("no thread can be started"))
                onResult(False, cast(T, denial))
        else:
            self._outage.ended()

    def stop(self) -> None:
        """Stop, and wait for the threads to end, but for all of them together not long."""
        threads, self.threads = self.threads, []  # which Twisted would wait for without end
        super().stop()
        deadline = monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))


class Queue:
    """Functions that wait for a thread: those of a source in their order, the sources in turn.

    Args:
        reactor: where the answers are given.
        pool: the threads.
        threads: how many functions run at once.
        most: how many may wait. One more of a source that has the most is denied at once; of
            another it takes the place of the last of that one's.
    """

    def __init__(
        self, reactor: IReactorFromThreads, pool: ThreadPool, threads: int, most: int
    ) -> None:
        self._reactor = reactor
        self._pool = pool
        self._free = threads
        self._most = most
        self._waiting: FairQueue[_Job] = FairQueue()

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Run a function in a thread, unless its Deferred is cancelled before its turn.

        Returns:
            A Deferred of what the function returns, or raises; it fails with UncheckedLogin when
            too many wait.
        """
        source = SOURCE.get()

        def leave(_: object) -> None:
            with suppress(ValueError):  # it runs
                self._waiting.remove(source, job)

        answer: Deferred[T] = Deferred(leave)
        job = _Job(lambda: function(*args, **kwargs), answer)
        if len(self._waiting) >= self._most and not self._makeRoom(source):
            return fail(UncheckedLogin(_BUSY))
        self._waiting.put(source, job)
        self._runNext()
        return answer

    def _makeRoom(self, source: str) -> bool:
        """Deny the last of the source that has the most waiting, if that is another."""
        greedy = self._waiting.longest()
        if self._waiting.waiting(greedy) <= self._waiting.waiting(source) + 1:
            return False
        self._waiting.takeLast(greedy).answer.errback(UncheckedLogin(_BUSY))
        return True

    def _runNext(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            self._start(self._waiting.take())

    def _start(self, job: _Job) -> None:
        def done(_: bool, result: object) -> None:
            self._reactor.callFromThread(deliver, result)

        def deliver(result: object) -> None:
            self._free += 1
            self._runNext()
            if not job.answer.called:  # cancelled meanwhile
                job.answer.callback(result)

        self._pool.callInThreadWithCallback(done, job.work)


_sharing = 1  # processes that share the machine's cores


def shareCores(processes: int) -> None:
    """Hash in fewer threads: so many processes like this one do so, too.

    Must be called before the first login.
    """
    global _sharing
    _sharing = processes


@cache
def _checkers() -> Queue:
    # Only here: a reactor is chosen before the first login, but after this is imported.
    from twisted.internet import reactor

    # Hashing fills a core, so more threads than cores only take turns.
    cores = max(1, (os.cpu_count() or 1) // _sharing)
    pool = Pool(0, cores, "checkers")
    core = IReactorCore(reactor)
    core.callWhenRunning(pool.start)
    core.addSystemEventTrigger("during", "shutdown", pool.stop)
    return Queue(IReactorFromThreads(reactor), pool, cores, cores * _WAITING)


def inThread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
    """Run a function in a pool of our own, as large as the machine has cores.

    The reactor's pool stays free for what else needs it, such as looking up host names, and
    many logins at once can't take all the machine from the sessions.

    Returns:
        A Deferred of what the function returns, or raises, as `Queue.run` does.
    """
    return _checkers().run(function, *args, **kwargs)
