"""Behind proxies: nothing begins before the header, and then it is as if no proxy were there."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import logged, told
from linedoor import Door, Transport
from sshpair import Pair
from test_proxyheader import ADDRESSES_4, LINE_4, binary
from twisted.conch.ssh.keys import Key
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.logger import LogLevel
from twisted.protocols.policies import WrappingFactory

from sshecho.line import ACCEPTED, DENIED, LineLogin
from sshecho.service.limits import Limits
from sshecho.service.proxy import ProxyFactory
from sshecho.service.visit import Visit

PROXY = IPv4Address("TCP", "198.51.100.7", 3333)
TRUSTED = [ip_network("198.51.100.0/24"), ip_network("2001:db8::/32")]
CLIENT = "192.0.2.9:4321"
V2 = binary(0x21, 0x11, ADDRESSES_4)
OTHER = LINE_4.replace(b"192.0.2.9", b"192.0.2.8")
PENALIZED = b"Too many failed logins, goodbye.\r\n"
FEW = Limits(maxStartups=2, maxConnections=10)


class Proxied(Door):
    """A line door behind a proxy, with one connection."""

    peer = PROXY

    def _connect(self):
        factory = ProxyFactory(self.gate, self.clock, TRUSTED, "line", self.factory)
        first = factory.buildProtocol(self.peer)
        self.transport = Transport()
        self.transport.protocol = first
        first.makeConnection(self.transport)

    @property
    def protocol(self):
        return self.transport.protocol


@pytest.fixture
def asked(monkeypatch):
    """Have each client wait to be let in, until the test answers; the list of questions."""
    questions = []

    async def comesFrom(visit, address):
        questions.append(Deferred())
        return await questions[-1] or await visit._gate.move(visit, address)

    monkeypatch.setattr(Visit, "comesFrom", comesFrom)
    return questions


def names(events):
    return [event["event"] for event in told(events)]


def nothingIsLeft(door):
    """Whether a door has no connections, and no timers but for what the gate sums up."""
    gate = door.gate
    sums = [one.timer for one in gate._told.values()]
    timers = [call for call in door.clock.getDelayedCalls() if call not in sums]
    return not (gate._visits or gate._held or gate._waiting or gate._startups or timers)


@pytest.mark.parametrize("header", [LINE_4, V2])
def test_every_split(header):
    """However the header and what follows it are cut in two, the client gets its echo."""
    data = header + b"user pass\nHi"
    door = Proxied()
    for at in range(1, len(data)):
        another = door.another()
        with logged() as seen:
            another.send(data[:at], data[at:]).endInput()
        assert another.received == ACCEPTED + b"Hi"
        assert another.transport.disconnecting
        assert {event["peer"] for event in told(seen)} == {CLIENT}
        another.lose()
    door.lose()
    assert nothingIsLeft(door)


@pytest.mark.parametrize("header", [LINE_4, V2])
def test_byte_by_byte(header):
    """Nothing is said or told before the last byte of the header, and then who has come."""
    door = Proxied()
    for byte in header[:-1]:
        with logged() as seen:
            door.send(bytes([byte]))
        assert not told(seen)
    with logged() as seen:
        door.send(header[-1:])
    [event] = told(seen)
    assert (event["event"], event["peer"]) == ("connection.open", CLIENT)
    assert door.received == b""


def test_out_of_the_way():
    """Once the client is in, its protocol is the transport's own."""
    door = Proxied().send(LINE_4)
    assert isinstance(door.protocol, LineLogin)
    assert door.protocol.transport is door.transport
    assert door.transport.producer is door.protocol
    assert door.transport.producerState == "producing"


@pytest.fixture
def ssh():
    """An SSH door behind a proxy: a transport of a new connection, and the clock."""
    pair = Pair([Key(ed25519.Ed25519PrivateKey.generate())])
    factory = ProxyFactory(pair.gate, pair.clock, TRUSTED, "ssh", pair.factory)
    transport = Transport()
    transport.protocol = factory.buildProtocol(PROXY)
    transport.protocol.makeConnection(transport)
    return transport, pair.clock


def test_ssh_version_waits(ssh):
    """The SSH door says nothing before the header, with which the client's version may come."""
    transport, _ = ssh
    transport.protocol.dataReceived(V2[:-1])
    assert transport.value() == b""
    transport.protocol.dataReceived(V2[-1:] + b"SSH-2.0-x\r\n")
    assert transport.value().startswith(b"SSH-2.0-sshecho")
    protocol = transport.protocol
    assert protocol.otherVersionString == b"SSH-2.0-x"
    assert protocol.getPeer().address == IPv4Address("TCP", "192.0.2.9", 4321)
    assert protocol.getHost().address == IPv4Address("TCP", "203.0.113.1", 22)


def test_ssh_grace_is_one(ssh):
    """What the header takes of the time to log in is gone at the SSH door too."""
    transport, clock = ssh
    clock.advance(100)
    transport.protocol.dataReceived(V2)
    clock.advance(19)
    assert not transport.writeClosed
    clock.advance(1)
    assert transport.writeClosed
    assert b"too slow" in transport.value()


def test_application_sees_the_client():
    """What an application asks of its transport is of the client, and what it connected to."""
    seen = []

    class Asking(Protocol):
        def connectionMade(self):
            transport = self.transport
            seen.extend([transport.session.peer, transport.getPeer(), transport.getHost()])

    Proxied(application=Asking).send(LINE_4 + b"user pass\n")
    assert seen == [
        CLIENT,
        IPv4Address("TCP", "192.0.2.9", 4321),
        IPv4Address("TCP", "203.0.113.1", 22),
    ]


def test_unix_client():
    """A client at a socket of the proxy's machine has its path for an address, escaped."""
    door = Proxied()
    path = b"/run/\x1b[2J"
    with logged() as seen:
        door.send(binary(0x21, 0x31, path.ljust(108, b"\0") + bytes(108)) + b"user pass\n")
        assert told(seen)[0]["peer"] == "unix:/run/\\x1b[2J"
    assert door.received == ACCEPTED


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"user pass\n", "no PROXY header"),
        (b"PROXY TCP4 a b c d\r\n", "a bad PROXY header"),
        (b"PROXY UNKNOWN ".ljust(200), "a PROXY header that is too long"),
        (binary(0x21, 0x11, b"", size=0xFFFF), "a PROXY header that is too long"),
    ],
)
def test_bad_header(sent, why):
    """What is no header closes the connection, and is told of the proxy."""
    door = Proxied()
    with logged() as seen:
        door.send(sent, b"user pass\n").lose()
    assert names(seen) == ["connection.open", "protocol.error", "connection.close"]
    assert {event["peer"] for event in told(seen)} == {"198.51.100.7:3333"}
    assert [event["why"] for event in told(seen)[1:]] == [why] * 2
    assert door.transport.aborted
    assert door.received == b""
    assert nothingIsLeft(door)


def test_too_slow():
    """A header that takes longer than a login may is not waited for."""
    door = Proxied(limits=Limits(loginGrace=7))
    with logged() as seen:
        door.send(LINE_4[:-1])
        door.clock.advance(6)
        assert not door.transport.aborted
        door.clock.advance(1)
        door.lose()
    assert door.transport.aborted
    assert names(seen) == ["connection.open", "limit.reached", "connection.close"]
    assert told(seen, "limit.reached")[0]["limit"] == "login-grace"
    assert nothingIsLeft(door)


@pytest.mark.parametrize("left", [0.5, 100])
def test_grace_is_one(left):
    """What the header takes of the time to log in is gone."""
    door = Proxied()
    door.clock.advance(120 - left)
    door.send(LINE_4)
    door.clock.advance(left - 0.1)
    assert not door.transport.aborted
    door.clock.advance(0.2)
    assert door.transport.aborted


@pytest.mark.parametrize(
    "address",
    [
        IPv4Address("TCP", "192.0.2.1", 1),
        IPv6Address("TCP", "2001:db9::1", 1),
        IPv6Address("TCP", "::ffff:192.0.2.1", 1),
        UNIXAddress(b"/x"),
        None,
    ],
)
def test_not_trusted(address):
    """Whoever is not of the networks is closed at once, unread; that is told, but not each time."""
    door = Proxied()
    factory = ProxyFactory(door.gate, door.clock, TRUSTED, "line", door.factory)
    with logged() as seen:
        assert [factory.buildProtocol(address) for _ in range(3)] == [None] * 3
    [event] = told(seen)
    assert (event["event"], event["limit"]) == ("limit.reached", "trusted-proxy")
    assert len(door.gate._visits) == 1


@pytest.mark.parametrize("host", ["2001:db8:1::7", "2001:db8::7%eth0", "::ffff:198.51.100.7"])
def test_trusted(host):
    """A proxy may have an address of version 6, or one of version 4 in it."""
    door = Proxied()
    factory = ProxyFactory(door.gate, door.clock, TRUSTED, "line", door.factory)
    assert factory.buildProtocol(IPv6Address("TCP", host, 1)) is not None


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", binary(0x20, 0), binary(0x21, 0)])
def test_the_proxy_itself(header):
    """A connection of the proxy's own stands for it, and nothing is held against it."""
    door = Proxied()
    for _ in range(20):
        with logged() as seen:
            another = door.another().send(header + b"user wrong\n")
        assert another.received == DENIED
        assert told(seen)[0]["peer"] == "198.51.100.7:3333"
        assert {event["log_level"] for event in seen} == {LogLevel.info}
        another.lose()
    assert door.send(header + b"user pass\n").received == ACCEPTED


def test_penalties():
    """Guesses are held against the client that the header names, and not against the others."""
    door = Proxied()
    for _ in range(6):
        guess = door.another().send(LINE_4 + b"user wrong\n")
        assert guess.received == DENIED
        guess.lose()
    with logged() as seen:
        refused = door.another().send(LINE_4 + b"user pass\n")
    assert refused.received == PENALIZED
    assert refused.transport.disconnecting
    [event] = told(seen)
    assert (event["limit"], event["source"]) == ("penalties", "192.0.2.9")
    refused.lose()
    assert door.another().send(OTHER + b"user pass\n").received == ACCEPTED
    assert len(door.gate._visits) == 2


def test_one_client_has_not_all():
    """A client has nine tenths of all connections at most, and another still gets in."""
    door = Proxied(limits=replace(FEW, maxStartups=100))
    doors = [door.another() for _ in range(9)]
    assert [each.send(LINE_4 + b"user pass\n").received for each in doors] == [ACCEPTED] * 9
    assert door.send(LINE_4 + b"user pass\n").received == b"Too many connections, goodbye.\r\n"
    door.lose()
    assert door.another().send(OTHER + b"user pass\n").received == ACCEPTED


def test_all_are_counted():
    """Connections that wait for a header count like any other."""
    door = Proxied(limits=replace(FEW, maxStartups=100))
    doors = [door.another() for _ in range(9)]
    assert not any(each.closed for each in doors)
    with logged() as seen:
        assert door.another().received == b"Too many connections, goodbye.\r\n"
    [event] = told(seen)
    assert (event["limit"], event["source"]) == ("max-connections", "198.51.100.7")


def test_evicted():
    """When too many wait, the one that has waited longest makes room, and nobody had come."""
    door = Proxied(limits=FEW)
    second = door.another()
    with logged() as seen:
        third = door.another()
        door.send(LINE_4 + b"user pass\n").lose()
    assert door.transport.aborted
    assert (door.received, names(seen)) == (b"", ["limit.reached"])
    assert told(seen)[0]["source"] == "198.51.100.7"
    for each in (second, third):
        assert each.send(LINE_4 + b"user pass\n").received == ACCEPTED
        each.lose()
    assert nothingIsLeft(door)


def test_a_client_floods_itself():
    """A client that floods makes room itself, and not those whose headers are still to come."""
    door = Proxied(limits=replace(FEW, maxStartups=4, maxConnections=100))
    other = door.another().send(OTHER)
    flood = [door.another().send(LINE_4) for _ in range(20)]
    assert not door.transport.aborted
    assert not other.transport.aborted
    assert [each.transport.aborted for each in flood] == [True] * 18 + [False] * 2


@pytest.mark.parametrize("sent", [b"", b"PROXY", V2[:-1]])
def test_lost(sent):
    """A connection that breaks off before its header is over is forgotten."""
    door = Proxied()
    with logged() as seen:
        if sent:
            door.send(sent)
        door.lose()
    assert names(seen) == []
    assert nothingIsLeft(door)


def test_closed_without_a_byte():
    """A check that only connects and closes is nothing to tell of."""
    with logged() as seen:
        door = Proxied().endInput().lose()
    assert (door.transport.aborted, names(seen)) == (True, [])
    assert nothingIsLeft(door)


def test_half_closed_in_the_header():
    """A header that breaks off is told of."""
    with logged() as seen:
        door = Proxied().send(V2[:-1]).endInput().lose()
    assert told(seen, "protocol.error")[0]["why"] == "a PROXY header that breaks off"
    assert door.transport.aborted


def test_the_end():
    """When the server ends, who waits for a header is owed nothing."""
    door = Proxied()
    closed = []
    door.gate.close().addCallback(closed.append)
    assert door.transport.aborted
    door.lose()
    assert closed
    assert door.clock.getDelayedCalls() == []


def test_answered_later(asked):
    """While it is asked whether a client may come in nothing is read; what came is not lost."""
    door = Proxied()
    with logged() as seen:
        door.send(LINE_4 + b"user ", b"pass\n", b"Hi").endInput()
        assert names(seen) == []
        assert door.transport.producerState == "paused"
        asked[0].callback("")
    assert door.transport.producerState == "producing"
    assert door.received == ACCEPTED + b"Hi"
    assert told(seen)[0]["peer"] == CLIENT
    door.endInput()
    assert door.transport.disconnecting


def test_read_on(asked):
    """Whoever is let in is read from at once."""
    door = Proxied().send(LINE_4)
    asked[0].callback("")
    assert door.transport.producerState == "producing"


def test_refused_later(asked):
    """A client that may not come in is told why, and was never here."""
    door = Proxied()
    with logged() as seen:
        door.send(LINE_4 + b"user pass\n")
        asked[0].callback("too many failed logins")
    assert door.received == PENALIZED
    assert door.transport.disconnecting
    door.lose()
    assert names(seen) == []
    assert nothingIsLeft(door)


def test_lost_while_asked(asked):
    """A client that leaves before the answer leaves nothing behind, and no error."""
    with logged() as seen:
        door = Proxied().send(LINE_4 + b"user pass\n").lose()
        asked[0].callback("")
    assert seen == []
    assert nothingIsLeft(door)


def test_cut_while_asked(asked):
    """A connection that was cut before the answer stays so."""
    door = Proxied(limits=FEW).send(LINE_4 + b"user pass\n")
    others = [door.another() for _ in range(2)]
    assert door.transport.aborted
    with logged() as seen:
        asked[0].callback("")
    assert names(seen) == []
    assert (door.received, door.gate._startups) == (b"", 2)
    for each in (door, *others):
        each.lose()
    assert nothingIsLeft(door)


def test_too_slow_while_asked(asked):
    """An answer that takes longer than a login may is not waited for."""
    door = Proxied().send(LINE_4)
    door.clock.advance(120)
    assert door.transport.aborted


def test_asking_breaks(asked):
    """When it can't be said whether a client may come in, it may not, and that is logged."""
    door = Proxied().send(LINE_4)
    with logged() as seen:
        asked[0].errback(OSError("no answer"))
    assert [event["log_level"] for event in seen] == [LogLevel.critical]
    assert door.transport.aborted
    door.lose()
    assert nothingIsLeft(door)


def test_door_breaks(monkeypatch):
    """A door that breaks as it is to take a client over has it closed, and counted no more."""
    door = Proxied()
    monkeypatch.setattr(door.factory, "buildProtocol", lambda _: 1 / 0)
    with logged() as seen:
        door.send(LINE_4).lose()
    assert [event["log_level"] for event in seen] == [LogLevel.critical]
    assert door.transport.aborted
    assert nothingIsLeft(door)


def test_what_stands_between(asked):
    """What wraps the door, as TLS does, is built behind the header, with the client's visit."""
    door = Proxied()
    wrapping = WrappingFactory(door.factory)
    factory = ProxyFactory(door.gate, door.clock, TRUSTED, "line", wrapping)
    door.transport.protocol = factory.buildProtocol(PROXY)
    door.protocol.makeConnection(door.transport)
    door.send(LINE_4 + b"user pass\nHi")
    assert not wrapping.protocols
    asked[0].callback("")
    assert list(wrapping.protocols) == [door.protocol]
    assert door.received == ACCEPTED + b"Hi"


def test_factory_starts_and_stops():
    """The door's factory knows of the ports that it is used at."""
    door = Proxied()
    factory = ProxyFactory(door.gate, door.clock, TRUSTED, "line", door.factory)
    factory.doStart()
    assert door.factory.numPorts == 1
    factory.doStop()
    assert door.factory.numPorts == 0
