"""A worker's gate."""

import socket

import pytest
from descriptors import Descriptors
from helpers import result
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol

from sshecho.service.gatekeeper import Arrived
from sshecho.service.limits import DRAIN, Limits
from sshecho.service.penalties import LARGEST
from sshecho.service.refusal import Refusal
from sshecho.workers.connecting import decoded, encoded
from sshecho.workers.reception import Reception


class Link:
    """A link that keeps what is sent."""

    def __init__(self):
        self.sent = []

    def send(self, *message, soon=False):
        self.sent.append(list(message))


class Client(Protocol):
    """A connection as its door builds it."""

    def __init__(self, visit):
        self.visit = visit
        self.leaves = self.cuts = 0

    def connectionMade(self):
        self.visit.begin(self)

    def leave(self):
        self.leaves += 1

    def cut(self, why):
        self.cuts += 1

    evict = dismiss = cut

    def dataSoFar(self):
        return 3, 4


class Door(Factory):
    """Builds clients, for whom the reception lets in."""

    def __init__(self, reception, *, asks=True):
        self.reception = reception
        self.asks = asks
        self.clients = []

    def buildProtocol(self, addr):
        if not self.asks:
            return None
        self.address = addr
        visit = self.reception.enter("line", addr)
        if isinstance(visit, Refusal):
            return visit
        self.clients.append(Client(visit))
        return self.clients[-1]


@pytest.fixture
def reception():
    """A reception with two doors, the second of which turns everybody away."""
    link, reactor, done = Link(), Descriptors(), []
    made = Reception(link, Limits(), reactor, lambda: done.append(1))
    made.link, made.reactor, made.done = link, reactor, done
    made.factories = [Door(made), Door(made, asks=False)]
    return made


def admit(reception, name, door=0, since=0.0):
    """Have a client come in; return its end of the connection."""
    mine, yours = socket.socketpair()
    reception.admit(yours.detach(), name, "192.0.2.7", door, since, int(socket.AF_UNIX), "")
    return mine


def test_admit(reception):
    """A connection that the parent hands over has the name and the time that it was given there."""
    admit(reception, "abc", since=5.0)
    [client] = reception.factories[0].clients
    assert (client.visit.id, client.visit.since) == ("abc", 5.0)
    assert client.visit.source == "192.0.2.7"
    client.visit.entered(b"user", "password")
    client.visit.end(1, 2)
    assert reception.link.sent == [
        ["begun", "abc"],
        ["in", "abc", "'user'", "user"],
        ["left", "abc"],
    ]


def test_turned_away(reception):
    """One that its door does not want, or that was lost on the way, has left."""
    assert admit(reception, "abc", door=1).recv(1) == b""
    reception.admit(None, "def", "", 0, 0.0, int(socket.AF_INET), ["192.0.2.1", 1])
    assert reception.link.sent == [["left", "abc"], ["left", "def"]]


def test_arrived(reception):
    """Who has been let in before, as by a proxy, is let in."""
    visit = object()
    assert reception.enter("line", Arrived(visit)) is visit


def test_orders(reception):
    """The parent's words reach the client that they are for, and no other."""
    admit(reception, "abc")
    admit(reception, "def")
    one, two = reception.factories[0].clients
    reception.leave("abc")
    reception.leave("abc")
    reception.cut("def", "why")
    reception.leave("gone")
    reception.cut("gone", "why")
    assert (one.leaves, one.cuts, two.leaves, two.cuts) == (1, 0, 0, 1)


def test_evict(reception):
    """Room is made by who has not logged in, though the parent may have thought otherwise."""
    admit(reception, "abc")
    admit(reception, "def")
    one, two = reception.factories[0].clients
    one.visit.entered(b"user", "password")
    for name in ("abc", "def", "gone"):
        reception.evict(name, "why")
    assert (one.cuts, two.cuts) == (0, 1)


def test_retire(reception):
    """One that retires is done when the last has left, and not before."""
    admit(reception, "abc")
    reception.retire()
    assert reception.done == []
    reception.factories[0].clients[0].visit.end(0, 0)
    assert reception.done == [1]


def test_close(reception):
    """At the end everybody leaves, and whoever hangs is cut after a while."""
    admit(reception, "abc")
    [client] = reception.factories[0].clients
    reception.close()
    assert client.leaves == 1
    reception.reactor.advance(DRAIN)
    assert client.cuts == 1
    client.visit.end(0, 0)
    assert reception.done == [1]


def test_penalties(reception):
    """A source that the parent says has to wait does, and failed logins are told to the parent."""
    admit(reception, "abc")
    [client] = reception.factories[0].clients
    assert client.visit.mayTry
    client.visit.denied(b"user", "password", "wrong")
    assert reception.link.sent[1:] == [["failed", "abc", 5.0]]
    reception.penalties.owe(client.visit.source, reception.seconds() + LARGEST)
    assert not client.visit.mayTry
    assert reception.link.sent[2][:2] == ["reached", "penalties"]


def test_proxy(reception):
    """Whether a client that a proxy names may come in is for the parent to say."""
    admit(reception, "abc")
    [client] = reception.factories[0].clients
    address = IPv4Address("TCP", "192.0.2.1", 5)
    moving = Deferred.fromCoroutine(client.visit.comesFrom(address))
    assert reception.link.sent[1:] == [["move", "abc", (socket.AF_INET, ("192.0.2.1", 5))]]
    assert not moving.called
    reception.moved("abc", "")
    reception.moved("gone", "")
    assert result(moving) == ""
    assert client.visit.peer == "192.0.2.1:5"
    moving = Deferred.fromCoroutine(client.visit.comesFrom(IPv4Address("TCP", "192.0.2.2", 5)))
    reception.moved("abc", "too many")
    assert result(moving) == "too many"
    assert client.visit.peer == "192.0.2.1:5"


@pytest.mark.parametrize(
    "address",
    [
        IPv4Address("TCP", "192.0.2.1", 5),
        IPv6Address("TCP", "2001:db8::1", 5),
        UNIXAddress(b"/run/\xff"),
        UNIXAddress(None),
    ],
)
def test_addresses(address):
    """An address is the same behind the link."""
    family, client = encoded(address)
    assert decoded(family, client) == address


def test_account(reception):
    """What was counted is given away once, with what each session has carried so far."""
    admit(reception, "abc")
    account = reception.account()
    assert account["data"] == {"abc": [3, 4]}
    assert ("bytes", ["line", "sent"], 4) in account["counted"]["counts"]
    assert ("connections", ["line"], 1) in account["counted"]["counts"]
    again = {name: n for name, _, n in reception.account()["counted"]["counts"]}
    assert again == {"bytes": 0}


def test_dismiss(reception):
    """A client that is to go is told."""
    admit(reception, "abc")
    reception.dismiss("abc", "why")
    reception.dismiss("gone", "why")
    assert reception.factories[0].clients[0].cuts == 1
