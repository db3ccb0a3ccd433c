"""The doors."""

import socket

import pytest
from twisted.application.service import Service
from twisted.internet import reactor
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock

from sshecho.service.doors import Door
from sshecho.service.gate import Gate
from sshecho.service.house import House
from sshecho.service.limits import Limits
from sshecho.service.start import StartError


def door(description, loopbackOnly="") -> Door:
    return Door("line", description, Factory(), reactor, loopbackOnly=loopbackOnly)


def listening() -> list[object]:
    return [reader for reader in reactor.getReaders() if IListeningPort.providedBy(reader)]


@pytest.mark.parametrize("description", ["", "8000", "bogus:1", "tcp", "tcp:x", "tcp:1:y=2"])
def test_bad_endpoint(description):
    """What is no endpoint is said in one line, with an example."""
    with pytest.raises(StartError) as caught:
        door(description)
    start = f"sshecho: the line door at {description}: not a Twisted server endpoint such as tcp:"
    assert caught.value.code.startswith(start)
    assert "\n" not in caught.value.code


@pytest.mark.parametrize(
    ("description", "why"),
    [
        ("tcp:99999", "port must be 0-65535"),
        ("tcp:0:interface=203.0.113.1", "Cannot assign requested address"),
        ("unix:/nonexistent/x", "No such file or directory"),
        ("ssl:0:privateKey=/nonexistent.pem", "/nonexistent.pem: No such file or directory"),
    ],
)
def test_cannot_listen(description, why):
    """A door that can't listen says where and why, in one line."""
    with pytest.raises(StartError) as caught:
        door(description).privilegedStartService()
    assert caught.value.code.startswith(f"sshecho: the line door at {description}: ")
    assert why in caught.value.code
    assert "\n" not in caught.value.code


def test_taken_port():
    """A port that is taken is said to be."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match="Address already in use"):
            door(f"tcp:{port}:interface=127.0.0.1").startService()


def test_start_error():
    """A StartError ends the program with status 1, and twistd takes it for an error."""
    error = StartError("why")
    assert isinstance(error, SystemExit)
    assert isinstance(error, Exception)
    assert error.code == str(error) == "sshecho: why"


@pytest.mark.parametrize("interface", ["127.0.0.1", "127.1.2.3", "\\:\\:1"])
def test_loopback(interface):
    """A loopback address is fit for the demonstration login."""
    one = door(f"tcp:0:interface={interface}", loopbackOnly="for loopback only")
    one.startService()
    assert one.running
    assert not one.tls
    one.stopService()


@pytest.mark.parametrize("description", ["tcp:0", "tcp:0:interface=\\:\\:", "unix:{}/socket"])
def test_not_loopback(description, private):
    """Any other address is not, nor is one of which we don't know who can reach it."""
    with pytest.raises(StartError, match="for loopback only"):
        door(description.format(private), loopbackOnly="for loopback only").startService()
    assert listening() == []
    assert list(private.iterdir()) == []


def test_proxies():
    """An endpoint for proxies listens where they are to connect, with their factory around ours."""
    around = []

    def behindProxy(kind, factory):
        around.append((kind, factory))
        return Factory()

    factory = Factory()
    one = Door(
        "line",
        "haproxy:tcp:0:interface=\\:\\:1",
        factory,
        reactor,
        behindProxy=behindProxy,
    )
    one.startService()
    assert (around, str(one)[:6], one.proxied) == ([("line", factory)], "[::1]:", True)
    one.stopService()


def test_proxies_of_nobody():
    """No endpoint is for proxies when nobody says which ones, nor for the demonstration login."""
    with pytest.raises(StartError, match="PROXY header from anyone"):
        door("haproxy:tcp:0:interface=127.0.0.1")
    trusting = {"loopbackOnly": "for loopback only", "behindProxy": lambda _, factory: factory}
    one = Door("line", "haproxy:tcp:0:interface=127.0.0.1", Factory(), reactor, **trusting)
    with pytest.raises(StartError, match="for loopback only"):
        one.startService()
    assert listening() == []


def test_house():
    """All the doors open, then that is announced, and they close together."""
    announced = []
    house = House(
        [door("tcp:0:interface=127.0.0.1"), door("tcp:0:interface=127.0.0.1")],
        Gate(Limits(), Clock()),
        announced.append,
    )
    house.privilegedStartService()
    assert announced == []
    house.startService()
    [doors] = announced
    ports = [one.address.port for one in doors]
    assert len(set(ports)) == 2
    assert str(doors[0]) == f"127.0.0.1:{ports[0]}"
    house.stopService()
    assert listening() == []


class Companion(Service):
    """Notes when it starts and stops."""

    def __init__(self, name, notes):
        self.note = lambda what: notes.append((name, what))

    def startService(self):
        self.note("start")

    def stopService(self):
        self.note("stop")


def test_companions():
    """Companions are there before the doors open, and until all have left."""
    notes, clock = [], Clock()
    gate = Gate(Limits(), clock)
    house = House([], gate, notes.append, [Companion("a", notes), Companion("b", notes)])
    house.startService()
    gate.enter("line", None)
    house.stopService()
    assert notes == [("a", "start"), ("b", "start"), []]
    gate._finish()
    assert notes[3:] == [("b", "stop"), ("a", "stop")]
