"""The application that answers as was dictated, on a transport that only keeps what it is told."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from sshecho.session import Pty, Session
from sshecho.testing.answer import Answer, sayAnswer, sayRule
from sshecho.testing.inside.calls import CallError
from sshecho.testing.inside.dictation import Dictated
from sshecho.testing.inside.rules import Rules

PIECE = 1 << 16


class Transport:
    """A session's transport, which lets its producer wait once it has so many bytes."""

    def __init__(self, session, room=1 << 30):
        self.session = session
        self.room = room
        self.output = b""
        self.errors = b""
        self.end = None
        self.paused = False
        self.producer = None

    def registerProducer(self, producer, streaming):
        assert self.producer is None
        assert streaming
        self.producer = IPushProducer(producer)

    def unregisterProducer(self):
        self.producer = None

    def write(self, data):
        assert self.end is None
        self.output += data
        self._count(data)

    def writeError(self, data):
        self.errors += data
        self._count(data)

    def _count(self, data):
        self.room -= len(data)
        if self.room <= 0 and self.producer is not None:
            self.producer.pauseProducing()

    def takes(self, size):
        """Make room for so many bytes more."""
        self.room = size
        self.producer.resumeProducing()

    def pauseProducing(self):
        self.paused = True

    def resumeProducing(self):
        self.paused = False

    def exit(self, status):
        self.end = self.end or status

    def endBySignal(self, name):
        self.end = name

    def loseConnection(self):
        self.end = "closed"


class Stage:
    """Rules, and what runs by them.

    Attributes:
        called: what callables were called with, and the Deferreds of their answers.
    """

    def __init__(self):
        self.clock = Clock()
        self.called = []
        self.rules = Rules(self.clock, self._dictate)

    def _dictate(self, number, session):
        self.called.append((number, session, Deferred()))
        return self.called[-1][2]

    def respond(self, command, *answers):
        self.rules.add(sayRule(command, list(answers)))

    def call(self, command, number):
        self.rules.add(sayRule(command, number))

    def run(self, command=None, terminal=False, **more):
        """Return the application of a session, and its transport."""
        session = Session(b"user", "ssh", "peer", command=command)
        session.pty = Pty(b"xterm", 80, 24) if terminal else None
        transport = Transport(session, **more)
        application = Dictated(self.rules)
        application.makeConnection(transport)
        return application, transport


@pytest.fixture
def stage():
    """An empty stage."""
    return Stage()


def test_echo(stage):
    """What nobody has dictated is echoed: a command, and a stream at its reader's pace."""
    _, transport = stage.run(b"hello")
    assert (transport.output, transport.end) == (b"hello\n", "closed")
    application, transport = stage.run()
    application.dataReceived(b"hello\n")
    assert transport.output == b"hello\n"
    transport.producer.pauseProducing()
    assert transport.paused
    transport.producer.resumeProducing()
    assert not transport.paused
    application.readConnectionLost()
    assert (transport.producer, transport.end) == (None, "closed")


def test_answer(stage):
    """A command gets its output, its errors and its status, in its time."""
    stage.respond("uptime", Answer("up", "err", 3, after=2.0))
    _, transport = stage.run(b"uptime")
    stage.clock.advance(1.9)
    assert (transport.output, transport.end) == (b"", None)
    stage.clock.advance(0.2)
    assert (transport.output, transport.errors, transport.end) == (b"up", b"err", 3)


def test_signal(stage):
    """It ends by a signal if that was dictated."""
    stage.respond("kill", Answer("out", signal="KILL", exit_status=3))
    assert stage.run(b"kill")[1].end == b"KILL"


def test_at_eof(stage):
    """It waits for the end of the input, and only then for its time; what comes is not echoed."""
    stage.respond("sort", Answer("sorted", at_eof=True, after=1.0))
    application, transport = stage.run(b"sort")
    application.dataReceived(b"input")
    stage.clock.advance(5)
    assert transport.end is None
    application.readConnectionLost()
    application.readConnectionLost()
    assert transport.end is None
    stage.clock.advance(1)
    assert (transport.output, transport.end) == (b"sorted", 0)


def test_at_the_readers_pace(stage):
    """What the client does not read waits, all but a piece, and errors wait behind it."""
    data = bytes(range(256)) * 1024
    stage.respond("much", Answer(data, b"err"))
    _, transport = stage.run(b"much", room=1)
    for pieces in range(1, 4):
        assert len(transport.output) == pieces * PIECE
        assert transport.paused
        transport.takes(1)
    assert (transport.output, transport.errors, transport.end) == (data, b"", None)
    transport.takes(1)
    assert (transport.output, transport.errors, transport.end) == (data, b"err", 0)


def test_end_before_the_answer(stage):
    """When the session is over, nothing more is answered, whatever was waited for."""
    stage.respond("late", Answer("late", after=1))
    stage.respond("eof", Answer("late", at_eof=True))
    stage.respond("much", bytes(PIECE * 2))
    stage.call("call", 1)
    for command, room in ((b"late", 9), (b"eof", 9), (b"much", 1), (b"call", 9)):
        application, transport = stage.run(command, room=room)
        before = transport.output
        application.connectionLost(Failure(ConnectionDone()))
        stage.clock.advance(2)
        assert (transport.output, transport.errors, transport.end) == (before, b"", None)
    assert stage.called[0][2].called  # it was cancelled
    assert stage.clock.getDelayedCalls() == []


def test_callable(stage):
    """A callable is asked with the session, and answers, or has the command echoed."""
    stage.call("call", 7)
    _, transport = stage.run(b"call")
    [(number, session, answer)] = stage.called
    assert (number, session) == (7, transport.session)
    answer.callback(sayAnswer(Answer("out", exit_status=2)))
    assert (transport.output, transport.end) == (b"out", 2)
    _, transport = stage.run(b"call")
    stage.called[1][2].callback(None)
    assert (transport.output, transport.end) == (b"call\n", "closed")


def test_callable_that_fails(stage):
    """A callable that fails ends the command, and says why."""
    stage.call("call", 7)
    _, transport = stage.run(b"call")
    stage.called[0][2].errback(CallError("it broke"))
    assert (transport.output, transport.errors, transport.end) == (b"", b"it broke\n", 255)


def test_sequence(stage):
    """Answers come one after another, and the last one stays."""
    stage.respond("next", "a", "b")
    assert [stage.run(b"next")[1].output for _ in range(3)] == [b"a", b"b", b"b"]


def test_youngest(stage):
    """The youngest rule that fits counts; and none, once they are cleared."""
    stage.respond("x", "old")
    stage.respond("x", "new")
    stage.respond("y", "other")
    assert stage.run(b"x")[1].output == b"new"
    stage.rules.clear()
    assert stage.run(b"x")[1].output == b"x\n"


def test_lines_at_a_terminal(stage):
    """At a terminal each line is a command; the next one waits, whatever the client reads."""
    stage.respond("date", Answer("monday\n", "and more\n", after=1))
    application, transport = stage.run(terminal=True)
    application.dataReceived(b"other\n")
    application.dataReceived(b"date\n")
    assert transport.paused
    transport.producer.pauseProducing()
    transport.producer.resumeProducing()
    assert transport.paused
    assert transport.output == b"other\n"
    stage.clock.advance(1)
    assert not transport.paused
    assert (transport.output, transport.errors) == (b"other\nmonday\n", b"and more\n")
    assert transport.end is None


def test_line_whose_answer_is_not_read(stage):
    """While the client does not read the answer to a line, no other line is read."""
    stage.respond("much", bytes(PIECE + 1))
    application, transport = stage.run(terminal=True, room=1)
    application.dataReceived(b"much\n")
    assert (len(transport.output), transport.paused) == (PIECE, True)
    transport.takes(1)
    assert (len(transport.output), transport.paused) == (PIECE + 1, True)
    transport.takes(1)
    assert not transport.paused


def test_line_for_a_callable(stage):
    """A line's callable may have it echoed."""
    stage.call("call", 1)
    application, transport = stage.run(terminal=True)
    application.dataReceived(b"call\n")
    assert transport.paused
    stage.called[0][2].callback(None)
    assert (transport.output, transport.paused) == (b"call\n", False)


def test_stream_without_a_terminal(stage):
    """Without a terminal what looks like a command is echoed."""
    stage.respond("date", "monday")
    application, transport = stage.run()
    application.dataReceived(b"date\n")
    assert transport.output == b"date\n"
