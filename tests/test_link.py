"""The link between the parent and a worker."""

import socket

import pytest
from descriptors import Descriptors
from helpers import logged

from sshecho.workers.link import SOON, Link


class End:
    """One end of a link, and what has come out there."""

    def __init__(self, reactor, end):
        self.messages = []
        self.sockets = []
        self.lost = 0
        self.link = Link(reactor, end, self.received, self.hear)

    def received(self, message, carried):
        if message[0] == "bad":
            raise ValueError("bad message")
        self.messages.append(message)
        if carried is not None:
            self.sockets.append(socket.socket(fileno=carried))

    def hear(self):
        self.lost += 1


@pytest.fixture
def reactor():
    """What watches both ends."""
    return Descriptors()


@pytest.fixture
def ends(reactor):
    """Both ends of a link."""
    return [End(reactor, each) for each in socket.socketpair()]


def test_messages(reactor, ends):
    """What goes in at one end comes out at the other, whole and in order."""
    one, other = ends
    for number in range(100):
        one.link.send("number", number, {"text": "a\nb\u00e9"})
    other.link.send("back")
    reactor.turn()
    assert other.messages == [["number", number, {"text": "a\nb\u00e9"}] for number in range(100)]
    assert one.messages == [["back"]]


def test_soon(reactor, ends):
    """A message that may wait does, and goes before what comes behind it."""
    one, other = ends
    one.link.send("first", soon=True)
    one.link.send("second", soon=True)
    reactor.turn()
    assert other.messages == []
    reactor.advance(SOON)
    reactor.turn()
    assert other.messages == [["first"], ["second"]]
    one.link.send("third", soon=True)
    one.link.send("fourth")
    reactor.turn()
    assert other.messages[2:] == [["third"], ["fourth"]]


def test_sockets(reactor, ends):
    """A socket comes out with its message, open, and is closed where it went in."""
    one, other = ends
    for number in range(20):
        mine, yours = socket.socketpair()
        one.link.sendSocket(yours, number)
        assert yours.fileno() == -1
        mine.sendall(str(number).encode())
        one.link.send("between")
        one.sockets.append(mine)
    reactor.turn()
    assert [message for message in other.messages if message != ["between"]] == [
        ["enter", number] for number in range(20)
    ]
    assert [each.recv(9) for each in other.sockets] == [str(n).encode() for n in range(20)]
    assert not any(each.get_inheritable() for each in other.sockets)


def test_slow_reader(reactor, ends):
    """What the other end does not take waits, and nothing of it is lost."""
    one, other = ends
    reactor.removeReader(other.link)
    large = "x" * 10_000
    for number in range(200):
        one.link.send("large", number, large)
    mine, yours = socket.socketpair()
    one.link.sendSocket(yours, "last")
    reactor.turn()
    assert yours.fileno() != -1
    reactor.addReader(other.link)
    reactor.turn()
    assert [message[1] for message in other.messages] == [*range(200), "last"]
    other.sockets[0].sendall(b"Hi")
    assert mine.recv(2) == b"Hi"
    assert reactor.writers == []


def test_end(reactor, ends):
    """That the other end is closed is told once; what is sent then is dropped."""
    one, other = ends
    one.link.send("last words", soon=True)
    closed = []
    one.link.close(lambda: closed.append(1))
    reactor.turn()
    assert closed == [1]
    assert other.messages == [["last words"]]
    assert (one.lost, other.lost) == (0, 1)
    other.link.send("too late")
    mine, yours = socket.socketpair()
    other.link.sendSocket(yours, "too late")
    assert mine.recv(1) == b""
    other.link.close(lambda: closed.append(2))
    assert closed == [1, 2]
    assert other.link.fileno() == -1


def test_close_waits(reactor, ends):
    """A link closes when all that was sent has gone out."""
    one, other = ends
    reactor.removeReader(other.link)
    for number in range(200):
        one.link.send("large", number, "x" * 10_000)
    closed = []
    one.link.close(lambda: closed.append(1))
    reactor.turn()
    assert closed == []
    reactor.addReader(other.link)
    reactor.turn()
    assert closed == [1]
    assert len(other.messages) == 200


def test_broken_handler(reactor, ends):
    """A message that can't be handled is logged, and the next is."""
    one, other = ends
    with logged() as events:
        one.link.send("bad")
        one.link.send("good")
        reactor.turn()
    assert other.messages == [["good"]]
    assert any("could not be handled" in str(event.get("log_format")) for event in events)
