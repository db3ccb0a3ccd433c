"""The parent's workers."""

import errno
import gc
import json
import os
import signal
import socket

import pytest
from descriptors import Descriptors
from helpers import logged, result, told
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure

from sshecho.service.gate import Gate
from sshecho.service.limits import LINGER, Limits
from sshecho.service.start import StartError
from sshecho.workers.crew import PAUSE, SHORT_LIFE, Crew
from sshecho.workers.handing import Handing
from sshecho.workers.starting import LINK
from sshecho.workers.worker import CHECK, OBEDIENCE, PATIENCE


class Worker:
    """A worker's process, as the test plays it."""

    def __init__(self, reactor, process):
        self.reactor = reactor
        self.process = process
        self.end = socket.socket(fileno=process.descriptors[LINK])
        self.end.settimeout(5)
        self.unread = b""
        self.said = []
        self.sockets = []
        self.answered = 0

    def say(self, *message):
        self.end.sendall(json.dumps(message).encode() + b"\n")
        self.reactor.turn()

    def read(self):
        """Take what the parent has said."""
        self.end.setblocking(False)
        try:
            while True:
                data, numbers, _, _ = socket.recv_fds(self.end, 1 << 16, 10)
                if not data:
                    break
                self.sockets += numbers
                *lines, self.unread = (self.unread + data).split(b"\n")
                self.said += map(json.loads, lines)
        except BlockingIOError:
            pass
        return self.said

    def heard(self, word):
        return [message[1:] for message in self.read() if message[0] == word]

    def answer(self):
        """Answer what was asked since this was called last."""
        for number, _ in self.heard("ask")[self.answered :]:
            self.answered += 1
            self.say("answer", number, True)

    def die(self, reason=None):
        self.end.close()
        self.process.protocol.processEnded(Failure(reason or ProcessTerminated(signal=9)))
        self.reactor.turn()


class Door:
    """A door that rests or does not."""

    rests = False

    def rest(self, *, rests):
        self.rests = rests


class Parent:
    """A parent of two workers."""

    def __init__(self):
        self.reactor = Descriptors()
        self.gate = Gate(Limits(), self.reactor, penalizeLoopback=True)
        self.records = []
        self.crew = Crew(
            2,
            self.reactor,
            self.gate,
            {"secret": "hunter2"},
            self.records.append,
            inherits=True,
        )
        self.door = self.crew.doors = Door()
        self.crew.doors = [self.door]
        self.crew.startService()
        self.taken = 0

    def workers(self):
        """Return the processes that were started since this was asked last."""
        found = [Worker(self.reactor, each) for each in self.reactor.processes[self.taken :]]
        self.taken = len(self.reactor.processes)
        return found

    def enter(self, port=1, host="192.0.2.1"):
        """Let a client in; return its visit and its end of the connection."""
        visit = self.gate.enter("line", IPv4Address("TCP", host, port))
        mine, yours = socket.socketpair()
        self.crew.hand(visit, 0, yours, [host, port])
        return visit, mine


@pytest.fixture
def parent():
    return Parent()


@pytest.fixture
def crew(parent):
    """A parent's workers, ready."""
    workers = parent.workers()
    for worker in workers:
        worker.say("ready")
    return workers


def test_start(parent):
    """Connections wait until a worker is ready; it's open when all are."""
    assert parent.door.rests
    first, second = parent.workers()
    [[start]] = first.heard("start")
    assert (start["secret"], start["owing"]) == ("hunter2", [])
    first.say("ready")
    assert not parent.door.rests
    assert not parent.crew.opened.called
    second.say("ready")
    result(parent.crew.opened)


def test_no_secrets_in_the_command(parent):
    """What a worker has to know isn't on its command line."""
    for worker in parent.workers():
        assert "hunter2" not in " ".join(worker.process.arguments)


def test_cannot_start(parent):
    """If a first worker can't start, the server does not open, and why is known."""
    first, _ = parent.workers()
    first.say("broken", "--banner x: gone")
    first.die(ProcessDone(0))
    with pytest.raises(StartError, match="worker 1 can't start: --banner x: gone"):
        result(parent.crew.opened)


def test_fewest(parent, crew):
    """A connection goes to whoever has the fewest, and of those to who had the fewest."""
    visits = [parent.enter(port)[0] for port in range(1, 6)]
    assert [len(worker.heard("enter")) for worker in crew] == [3, 2]
    crew[0].say("left", visits[0].id)
    crew[0].say("left", visits[2].id)
    for port in range(6, 8):
        parent.enter(port)
    assert [len(worker.heard("enter")) for worker in crew] == [4, 3]
    assert parent.gate._held["192.0.2.1"] == 5


def test_login(parent, crew):
    """What a worker says of a connection counts at the gate."""
    visit, _ = parent.enter()
    [[name, source, door, since, family, client]] = crew[0].heard("enter")
    assert (name, source, door, since) == (visit.id, "192.0.2.1", 0, visit.since)
    assert (family, client) == (socket.AF_UNIX, ["192.0.2.1", 1])
    assert parent.gate._startups == 1
    crew[0].say("in", visit.id, "'user'", "user")
    assert parent.gate._startups == 0
    crew[0].say("left", visit.id)
    assert not parent.gate._held


def test_penalties(parent, crew):
    """Failed logins at one worker are told to all, and to those who come later."""
    visit, _ = parent.enter()
    crew[0].say("failed", visit.id, 40.0)
    for worker in crew:
        [[source, until]] = worker.heard("owes")
        assert (source, until) == ("192.0.2.1", 40.0)
    parent.crew.replace()
    fresh = parent.workers()
    assert fresh[0].heard("start")[0][0]["owing"] == [["192.0.2.1", 40.0]]


def test_audit(parent, crew):
    """What a worker tells the audit log arrives there."""
    crew[1].say("audit", {"event": "login.ok"})
    assert parent.records == [{"event": "login.ok"}]


def test_death(parent, crew):
    """When a worker dies its visits end, each login with a logout, and a new one is started."""
    one, _ = parent.enter(1)
    crew[0].say("begun", one.id)
    crew[0].say("in", one.id, "'user'", "user")
    two, _ = parent.enter(2)
    three, _ = parent.enter(3)
    crew[0].say("begun", three.id)
    parent.enter(4)
    parent.enter(5)  # of which nothing was told yet
    with logged() as events:
        crew[0].die()
    assert [event["event"] for event in told(events)] == [
        "logout",
        "connection.close",
        "connection.close",
        "worker.end",
    ]
    assert {event["why"] for event in told(events, "connection.close")} == {"worker 1 has died"}
    assert two in parent.gate._visits
    assert len(parent.gate._visits) == 2
    assert parent.workers() == []
    parent.reactor.advance(PAUSE)
    [third] = parent.workers()
    assert third.process.arguments[-1] == "3"
    third.say("ready")
    assert not parent.door.rests


def test_old_worker_dies(parent, crew):
    """One that has lived long is replaced at once."""
    parent.reactor.advance(SHORT_LIFE)
    crew[0].die()
    parent.reactor.advance(0)
    assert len(parent.workers()) == 1


def test_all_die(parent, crew):
    """While no worker is there connections wait."""
    for worker in crew:
        worker.die()
    assert parent.door.rests
    visit, mine = parent.enter()
    assert mine.recv(1) == b""
    assert visit not in parent.gate._visits
    parent.reactor.advance(PAUSE)
    fresh = parent.workers()
    fresh[0].say("ready")
    assert not parent.door.rests


def test_replace(parent, crew):
    """Fresh workers take the doors when all of them are ready; the old stay with their clients."""
    old, _ = parent.enter(1)
    parent.crew.replace()
    third, fourth = parent.workers()
    third.say("ready")
    parent.enter(2)
    assert third.heard("enter") == []
    fourth.say("ready")
    assert [worker.heard("retire") for worker in crew] == [[[]], [[]]]
    parent.enter(3)
    assert len(third.heard("enter")) == 1
    crew[1].die(ProcessDone(0))
    parent.reactor.advance(PAUSE)
    assert parent.workers() == []
    assert old in parent.gate._visits
    crew[0].say("left", old.id)
    assert old not in parent.gate._visits


def test_replace_again(parent, crew):
    """Who asks again while fresh workers start gets fresher ones afterwards."""
    parent.crew.replace()
    parent.crew.replace()
    fresh = parent.workers()
    assert len(fresh) == 2
    for worker in fresh:
        worker.say("ready")
    assert len(parent.workers()) == 2


def test_replace_fails(parent, crew):
    """When a fresh worker can't start the others go, and the old ones stay."""
    parent.crew.replace()
    third, fourth = parent.workers()
    third.say("ready")
    with logged() as events:
        fourth.say("broken", "--banner x: gone")
        fourth.die(ProcessDone(0))
    assert any("--banner x: gone" in str(event.get("because")) for event in events)
    assert third.process.signals == [signal.SIGKILL]
    third.die()
    parent.enter()
    assert len(crew[0].heard("enter")) == 1
    assert crew[0].heard("retire") == []
    parent.reactor.advance(PAUSE)
    assert parent.workers() == []


def test_worker_wishes_to_end(parent, crew):
    """A worker that wants to end gets no more connections, and another takes its place."""
    crew[0].say("leaving")
    assert crew[0].heard("retire") == [[]]
    parent.enter(1)
    parent.enter(2)
    assert crew[0].heard("enter") == []
    parent.reactor.advance(0)
    assert len(parent.workers()) == 1


def test_hang(parent, crew):
    """A worker that doesn't cut whom it is told to is killed; one that does is not."""
    one, _ = parent.enter(1)
    two, _ = parent.enter(2)
    three, _ = parent.enter(3)
    one.guest.cut("why")
    two.guest.cut("why")
    assert crew[0].heard("cut") == [[one.id, "why"]]
    crew[1].say("left", two.id)
    parent.reactor.advance(OBEDIENCE)
    crew[0].process.protocol.cut(three.id, "why")  # which has its own time
    parent.reactor.advance(OBEDIENCE)
    assert [worker.process.signals for worker in crew] == [[signal.SIGKILL], []]


def test_evict(parent, crew):
    """To make room for another, a worker is asked, since it may know of a login by now."""
    visit, _ = parent.enter()
    visit.guest.evict("why")
    assert crew[0].heard("evict") == [[visit.id, "why"]]
    parent.reactor.advance(OBEDIENCE)
    assert crew[0].process.signals == []


def test_close(parent, crew):
    """At the end clients leave, then the workers, and who of those stays is killed."""
    visit, _ = parent.enter()
    closing = parent.gate.close()
    assert crew[0].heard("leave") == [[visit.id]]
    crew[0].say("left", visit.id)
    result(closing)
    parent.crew.close()
    gone = parent.crew.stopService()
    assert crew[0].heard("retire") == [[]]
    crew[0].die(ProcessDone(0))
    assert not gone.called
    parent.reactor.advance(OBEDIENCE)
    assert crew[1].process.signals == [signal.SIGKILL]
    crew[1].die()
    result(gone)
    parent.reactor.advance(PAUSE)
    assert parent.workers() == []


def test_reload(parent, crew):
    """All have read their files again when each has said so; one that dies has not."""
    reloading = Deferred.fromCoroutine(parent.crew.reload())
    crew[0].say("answer", crew[0].heard("ask")[0][0], True)
    assert not reloading.called
    crew[1].say("answer", crew[1].heard("ask")[0][0], True)
    assert result(reloading)
    reloading = Deferred.fromCoroutine(parent.crew.reload())
    crew[0].say("answer", crew[0].heard("ask")[1][0], True)
    crew[1].die()
    assert not result(reloading)


def test_proxy(parent, crew):
    """A proxy's connection is counted for the client that its worker has read of."""
    visit = parent.gate.enter("line", IPv4Address("TCP", "192.0.2.9", 1), proxy=True)
    mine, yours = socket.socketpair()
    parent.crew.hand(visit, 0, yours, ["192.0.2.9", 1])
    assert not visit.begun
    crew[0].say("move", visit.id, [socket.AF_INET, ["192.0.2.1", 5]])
    assert crew[0].heard("moved") == [[visit.id, ""]]
    assert (visit.source, visit.peer) == ("192.0.2.1", "192.0.2.1:5")
    assert mine.fileno() != -1


def test_words(parent, crew):
    """What a worker under twistd says is logged, line by line, and can't steer a terminal."""
    with logged() as events:
        crew[0].process.protocol.childDataReceived(2, b"one\ntwo\x1b[0m\nthr")
        crew[0].process.protocol.childDataReceived(2, b"ee\n")
    assert [event["line"] for event in events] == ["one", "two\\x1b[0m", "three"]


def test_descriptors_are_closed(parent, crew):
    """A worker that has gone leaves no descriptor behind."""
    gc.collect()  # what other tests have left
    before = len(os.listdir("/proc/self/fd"))
    crew[0].die()
    assert len(os.listdir("/proc/self/fd")) == before - 2


def test_replaced_while_starting(parent):
    """Who asks for fresh workers before the first are ready has the server open with those."""
    parent.workers()
    parent.crew.replace()
    fresh = parent.workers()
    for worker in fresh:
        worker.say("ready")
    result(parent.crew.opened)
    assert not parent.door.rests


def test_stopped_while_starting(parent):
    """A worker that is not ready when the server ends is not waited for."""
    first, second = parent.workers()
    first.say("ready")
    parent.crew.close()
    gone = parent.crew.stopService()
    assert (first.heard("retire"), first.process.signals) == ([[]], [])
    assert second.process.signals == [signal.SIGKILL]
    first.die(ProcessDone(0))
    second.die()
    result(gone)


def test_account(parent, crew):
    """What workers have counted is counted here; one that hangs is not waited for."""
    visit, _ = parent.enter()
    refreshing = Deferred.fromCoroutine(parent.crew.refresh())
    counted = {"counts": [["logins", ["line", "password", "ok"], 2]], "times": []}
    answer = {"counted": counted, "data": {visit.id: [3, 4]}}
    crew[0].say("answer", crew[0].heard("ask")[0][0], answer)
    parent.reactor.advance(OBEDIENCE)
    result(refreshing)
    assert list(parent.gate.measures.counts("logins")) == [(("line", "password", "ok"), 2)]
    assert visit.guest.dataSoFar() == (3, 4)
    crew[1].say("answer", crew[1].heard("ask")[0][0], {"counted": counted, "data": {}})
    assert list(parent.gate.measures.counts("logins")) == [(("line", "password", "ok"), 4)]
    crew[0].die()
    assert list(parent.gate.measures.counts("worker_deaths")) == [((), 1)]


def test_dismiss(parent, crew):
    """Who is to go is told by its worker, and known to end; else the worker has to."""
    visit, _ = parent.enter()
    visit.guest.dismiss("ended by an operator")
    assert crew[0].heard("dismiss") == [[visit.id, "ended by an operator"]]
    assert visit.why == "ended by an operator"
    parent.reactor.advance(LINGER + OBEDIENCE)
    assert crew[0].heard("cut") == [[visit.id, "ended by an operator"]]
    parent.reactor.pump([OBEDIENCE] * 2)
    assert crew[0].process.signals == [signal.SIGKILL]


def test_who_hangs(parent, crew):
    """A worker that does not answer gets no connections while another can have them."""
    with logged() as events:
        for _ in range(3):
            parent.reactor.advance(CHECK)
            crew[1].answer()
    assert [str(event["worker"]) for event in events] == ["worker 1"]
    for port in range(3):
        parent.enter(port)
    assert [len(worker.heard("enter")) for worker in crew] == [0, 3]
    assert parent.crew.isReady
    crew[1].die()
    assert not parent.crew.isReady
    parent.enter(3)
    assert len(crew[0].heard("enter")) == 1  # better than nobody
    crew[0].say("answer", crew[0].heard("ask")[0][0], True)
    assert parent.crew.isReady


def test_who_hangs_on(parent, crew):
    """A worker that does not answer for a minute is killed."""
    looks = int(PATIENCE / CHECK)
    parent.reactor.pump([CHECK] * (looks + 1))
    assert crew[0].process.signals == []
    parent.reactor.advance(CHECK)
    assert crew[0].process.signals == [signal.SIGKILL]


def test_suspended(parent, crew):
    """A machine that slept does not find its workers hanging: they slept, too."""
    parent.reactor.advance(CHECK)
    parent.reactor.advance(100 * PATIENCE)
    parent.reactor.advance(0)
    assert [worker.process.signals for worker in crew] == [[], []]
    for worker in crew:
        worker.say("answer", worker.heard("ask")[0][0], True)
    assert parent.crew.isReady


def test_no_process(parent, crew, monkeypatch):
    """When a process can't be started that is tried again, and the server can still end."""

    def fail(*_, **__):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(parent.reactor, "spawnProcess", fail)
    crew[0].die()
    with logged() as events:
        parent.reactor.advance(PAUSE)
        parent.reactor.advance(0)
    assert "temporarily unavailable" in told(events, "worker.end")[0]["why"]
    parent.gate.penalties.failed("192.0.2.1", 0, 5)  # of which those that are there are told
    monkeypatch.undo()
    parent.reactor.advance(PAUSE)
    [third] = parent.workers()
    third.say("ready")
    parent.crew.close()
    gone = parent.crew.stopService()
    crew[1].die(ProcessDone(0))
    third.die(ProcessDone(0))
    result(gone)


def test_never_ready(parent, crew):
    """A fresh worker that does not get ready is given up after a while, and the old ones stay."""
    parent.crew.replace()
    third, fourth = parent.workers()
    third.say("ready")
    for _ in range(int(PATIENCE / CHECK) + 1):
        parent.reactor.advance(CHECK)
        for worker in (*crew, third):
            worker.answer()
    assert fourth.process.signals == [signal.SIGKILL]
    with logged() as events:
        fourth.die()
    assert any("does not get ready" in str(event.get("because")) for event in events)
    assert crew[0].heard("retire") == []
    assert list(parent.gate.measures.counts("worker_deaths")) == [((), 1)]


def test_all_die_while_fresh_ones_start(parent, crew):
    """When the old workers die before fresh ones are ready others are started, too."""
    parent.crew.replace()
    assert len(parent.workers()) == 2
    for worker in crew:
        worker.die()
    parent.reactor.advance(PAUSE)
    assert len(parent.workers()) == 2


def test_the_end_begins(parent, crew):
    """From when the end begins no worker is started, whatever happens."""
    parent.crew.close()
    parent.crew.replace()
    crew[0].die()
    crew[1].say("leaving")
    parent.reactor.advance(PAUSE)
    assert parent.workers() == []


def test_abstract_names(parent, crew):
    """A client at a UNIX socket whose name is not in a file system is handed over like others."""
    handing = Handing(0, lambda _: parent.gate.enter("line", None), parent.crew.hand, tls=False)
    protocol = handing.buildProtocol(None)
    mine, yours = socket.socketpair()
    handing.transport(yours, protocol, b"\0name", None, 0, parent.reactor)
    assert crew[0].heard("enter")[0][-1] == "\0name"
    assert mine.fileno() != -1


def test_all_have_gone_before(parent, crew):
    """When no worker is left before the last connection has gone, the end comes all the same."""
    parent.crew.close()
    for worker in crew:
        worker.die()
    result(parent.crew.stopService())
