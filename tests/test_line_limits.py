"""What a client may ask of the line door, how long it may be silent, and how all of them leave."""

from dataclasses import replace

import pytest
from helpers import logged, told
from linedoor import LIMITS, Door
from twisted.internet.protocol import Protocol
from twisted.logger import LogLevel

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
    assert [event["event"] for event in events] == [
        "connection.open",
        "login.ok",
        "session.open",
        "session.close",
        "logout",
        "connection.close",
    ]
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


def test_subnegotiations_are_counted():
    """Telnet's bytes are none of the session's."""
    with logged() as seen:
        Door().send(bytes([IAC, DO, 1]), b"user pass\r\n", bytes([IAC, DO, 1]) + b"Hi").lose()
    [closed] = told(seen, "session.close")
    assert (closed["received"], closed["sent"]) == (2, 2)
