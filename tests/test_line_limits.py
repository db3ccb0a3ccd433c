"""What a client may ask of the line door, how long it may be silent, and how all of them leave."""

from dataclasses import replace

import pytest
from helpers import VISIT, logged, told
from linedoor import LIMITS, Door
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.logger import LogLevel
from twisted.protocols.basic import LineOnlyReceiver
from zope.interface import implementer

from sshecho.line import ACCEPTED, DENIED, GOING_DOWN
from sshecho.service.limits import DRAIN
from sshecho.telnet import DO, IAC


class Stays(Protocol):
    """An application that does not end when its input does, nor writes anything."""


def test_a_visit():
    """From accept to close a connection is told of under one name, in order."""
    with logged() as seen:
        door = Door().send(b"user pass\n", b"Hi\n").lose()
    events = told(seen)
    assert [event["event"] for event in events] == VISIT
    assert len({(event["connection"], event["peer"], event["door"]) for event in events}) == 1
    assert (events[3]["received"], events[3]["sent"]) == (3, 3)
    assert door.log == [(b"user", "login"), (b"user", "logout")]


def test_too_slow():
    """Who is too slow to log in is told of."""
    door = Door(limits=replace(LIMITS, loginGrace=0.5))
    with logged() as seen:
        door.clock.advance(0.5)
        door.lose()
    assert [event["limit"] for event in told(seen, "limit.reached")] == ["login-grace"]
    assert told(seen, "connection.close")[0]["why"] == "too slow to log in"


def test_idle():
    """A session without a byte for so long is ended; each byte, in or out, counts."""
    door = Door(limits=replace(LIMITS, idleTimeout=10)).send(b"user pass\n")
    for _ in range(5):
        door.clock.advance(9)
        door.send(b"x")
    with logged() as seen:
        door.clock.advance(9.9)
        assert not door.transport.writeClosed
        door.clock.advance(0.2)
    assert door.transport.writeClosed
    assert [event["limit"] for event in told(seen)] == ["idle-timeout"]


def test_guesses():
    """Behind too many wrong passwords from an address a right one is denied too."""
    door = Door()
    others = [door.another() for _ in range(7)]
    for other in others[:-1]:
        other.send(b"user wrong\n")
        assert other.received == DENIED
    with logged() as seen:
        others[-1].send(b"user pass\n")
    assert others[-1].received == DENIED
    assert told(seen, "login.denied")[0]["why"] == "too many failed logins"
    assert door.log == []


@pytest.mark.parametrize("sent", [b"", b"user", b"user wrong\n"])
def test_going_down_before_the_login(sent):
    """Who is not logged in is told that the server ends."""
    door = Door().send(sent) if sent else Door()
    received = door.received
    door.protocol.leave()
    assert door.received == received + (b"" if received else GOING_DOWN)
    assert door.transport.writeClosed
    door.clock.advance(0.1)
    assert door.transport.disconnecting


def test_going_down_owes_nothing():
    """What has come, and what comes at once, is echoed before the end."""
    door = Door().send(b"user pass\n", b"one")
    door.protocol.leave()
    door.clock.advance(0.03)
    door.send(b"two")
    door.clock.advance(0.03)
    assert not door.transport.writeClosed
    door.clock.advance(0.05)
    assert door.transport.writeClosed
    assert door.received == ACCEPTED + b"onetwo"


def test_going_down_twice():
    """A client that has its goodbye gets no other."""
    door = Door().send(b"user pass\n")
    door.protocol.leave()
    door.endInput()
    door.clock.advance(1)
    assert door.received == ACCEPTED


def test_an_application_that_breaks_at_the_end():
    """An application that breaks as the server ends is logged, and its client gets goodbye."""
    door = Door(application=Stays).send(b"user pass\n")
    door.protocol._session.loseConnection = lambda: 1 / 0
    with logged() as seen:
        door.protocol.leave()
        door.clock.advance(0.05)
    assert [event["log_level"] for event in seen] == [LogLevel.critical]
    assert door.transport.writeClosed


def test_the_gate_closes():
    """Whoever hangs is cut in the end, and everybody is logged out."""
    door = Door(application=Stays).send(b"user pass\n")
    door.protocol._session.pauseProducing()
    closed = []
    door.gate.close().addCallback(closed.append)
    door.clock.advance(DRAIN)
    assert door.transport.aborted
    door.lose()
    assert closed
    assert door.log == [(b"user", "login"), (b"user", "logout")]
    assert door.clock.getDelayedCalls() == []


def test_end_is_told_once():
    """An application is told once that its input ends, however often the connection is."""
    told = []

    @implementer(IHalfCloseableProtocol)
    class Ends(Protocol):
        def readConnectionLost(self):
            told.append(True)

    door = Door(application=Ends).send(b"user pass\n").endInput().endInput()
    door.protocol.leave()
    door.clock.advance(1)
    assert told == [True]


def test_the_client_paces():
    """Who does not read is not read from, whatever the application does."""
    door = Door(application=Stays).send(b"user pass\n")
    door.transport.producer.pauseProducing()
    assert door.transport.producerState == "paused"
    session = door.protocol._session
    session.pauseProducing()
    session.resumeProducing()
    assert door.transport.producerState == "paused"
    door.transport.producer.resumeProducing()
    assert door.transport.producerState == "producing"


def test_the_application_paces():
    """While the application waits the client is not read from, though it reads."""
    door = Door(application=Stays).send(b"user pass\n")
    door.transport.producer.pauseProducing()
    door.protocol._session.pauseProducing()
    door.transport.producer.resumeProducing()
    assert door.transport.producerState == "paused"


def test_going_down_while_the_client_does_not_read():
    """What a client sends while it does not read is waited for, and echoed, once it reads."""
    door = Door().send(b"user pass\n")
    door.transport.producer.pauseProducing()
    door.protocol.leave()
    door.clock.advance(0.5)
    assert not door.transport.writeClosed
    door.transport.producer.resumeProducing()
    door.clock.advance(0.05)
    door.send(b"late")
    for _ in range(3):
        door.clock.advance(0.05)
    assert door.received == ACCEPTED + b"late"
    assert door.transport.writeClosed


def test_nothing_behind_the_end():
    """An application that has closed is handed nothing more, and sends nothing more."""
    lines = []

    class Quits(LineOnlyReceiver):
        delimiter = b"\n"

        def lineReceived(self, line):
            lines.append(line)
            self.sendLine(line)
            if line == b"quit":
                self.transport.loseConnection()
                self.sendLine(b"more")

    door = Door(application=Quits).send(b"user pass\nquit\nmore\nmore\n", b"more\n")
    assert lines == [b"quit"]
    assert door.received == ACCEPTED + b"quit\n"


def test_a_logout_that_breaks():
    """A connection whose logout breaks is counted no more all the same."""
    door = Door().send(b"user pass\n")
    door.protocol._logout = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        door.lose()
    assert not door.gate._visits


def test_subnegotiations_are_counted():
    """Telnet's bytes are none of the session's."""
    with logged() as seen:
        Door().send(bytes([IAC, DO, 1]), b"user pass\r\n", bytes([IAC, DO, 1]) + b"Hi").lose()
    [closed] = told(seen, "session.close")
    assert (closed["received"], closed["sent"]) == (2, 2)
