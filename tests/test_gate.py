"""The gate: limits and penalties, each source address for itself."""

from dataclasses import replace

import pytest
from helpers import logged, told
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from sshecho.service.gate import PAUSE, Gate, Refusal
from sshecho.service.limits import DRAIN, Limits
from sshecho.service.penalties import GUESS, LARGEST, MOST, OFFER, THRESHOLD, Penalties
from sshecho.service.visit import MOST_REFUSALS, sourceOf

FEW = Limits(maxStartups=3, maxConnections=10)


class Guest:
    """A connection that closes when it is told to, unless it hangs."""

    def __init__(self, gate, host="192.0.2.1", port=1, hangs=False):
        self.visit = gate.enter("ssh", IPv4Address("TCP", host, port))
        self.hangs = hangs
        self.cuts = []
        if not self.refused:
            self.visit.begin(self)

    @property
    def refused(self):
        return isinstance(self.visit, Refusal)

    def login(self):
        if not self.refused:
            self.visit.entered(b"user", "password")
        return self

    def leave(self):
        if not self.hangs:
            self.end()

    def cut(self, why):
        self.cuts.append(why)
        self.end()

    evict = dismiss = cut

    def dataSoFar(self):
        return 0, 0

    def end(self):
        self.visit.end(0, 0)


@pytest.fixture
def clock():
    return Clock()


def test_startups(clock):
    """A newcomer takes the place of the oldest without a login, of the address with most."""
    gate = Gate(FEW, clock)
    first, second = Guest(gate, "192.0.2.1"), Guest(gate, "192.0.2.1")
    other = Guest(gate, "192.0.2.2")
    third = Guest(gate, "192.0.2.3")
    assert first.cuts
    assert not third.refused
    assert second.cuts == other.cuts == []


def test_a_flood_drowns_itself(clock):
    """However many come from one address, whoever came from another stays."""
    gate = Gate(FEW, clock)
    other = Guest(gate, "192.0.2.2")
    flood = [Guest(gate, "192.0.2.1", port) for port in range(100)]
    assert not other.cuts
    assert [bool(guest.cuts) for guest in flood] == [True] * 98 + [False] * 2


def test_who_is_in_is_no_startup(clock):
    """Who has logged in is not cut for newcomers, and leaves room for them."""
    gate = Gate(FEW, clock)
    users = [Guest(gate).login() for _ in range(5)]
    newcomers = [Guest(gate) for _ in range(3)]
    assert not any(guest.cuts or guest.refused for guest in users + newcomers)


def test_connections(clock):
    """One address has nine tenths of all connections at most, and another still gets in."""
    gate = Gate(FEW, clock)
    users = [Guest(gate).login() for _ in range(10)]
    assert [guest.refused for guest in users] == [False] * 9 + [True]
    other = Guest(gate, "192.0.2.2").login()
    assert not other.refused
    assert Guest(gate, "192.0.2.3").refused
    users[0].end()
    assert not Guest(gate, "192.0.2.3").refused


def test_one_connection(clock):
    """A limit of one lets one in."""
    gate = Gate(replace(FEW, maxConnections=1), clock)
    only = Guest(gate)
    assert [only.refused, Guest(gate).refused] == [False, True]
    only.end()
    assert not Guest(gate).refused


def test_limits_are_told_once(clock):
    """A limit is told of when it is reached, and then summed up, for as long as it goes on."""
    gate = Gate(FEW, clock)
    with logged() as seen:
        for _ in range(103):
            Guest(gate)
        assert [event["times"] for event in told(seen, "limit.reached")] == [1]
        clock.advance(PAUSE)
        clock.advance(PAUSE)
    events = told(seen, "limit.reached")
    assert [event["times"] for event in events] == [1, 99]
    assert {event["limit"] for event in events} == {"max-startups"}
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("host", "more", "slowed"),
    [
        ("192.0.2.1", {}, True),
        ("127.0.0.1", {}, False),
        ("127.3.2.1", {}, False),
        ("127.0.0.1", {"penalizeLoopback": True}, True),
        ("", {}, False),
        ("", {"penalizeLoopback": True}, True),
    ],
)
def test_penalties(clock, host, more, slowed):
    """Six wrong passwords from an address close the doors to it; loopback is exempt by default."""
    gate = Gate(Limits(), clock, **more)
    guest = Guest(gate, host)
    for tries in range(6):
        assert guest.visit.mayTry, tries
        guest.visit.denied(b"user", "password", "wrong")
    assert guest.visit.mayTry is not slowed
    assert Guest(gate, host).refused is slowed
    assert not Guest(gate, "192.0.2.9").refused
    clock.advance(GUESS)
    assert not Guest(gate, host).refused


def test_offers_count_at_the_end(clock):
    """Keys that are not listed count when their connection ends without a login."""
    gate = Gate(Limits(), clock)
    for _ in range(int((THRESHOLD - GUESS) / OFFER / 5)):
        guest = Guest(gate)
        for _ in range(5):
            guest.visit.denied(b"user", "publickey", "not listed")
        guest.end()
    guest = Guest(gate)
    assert guest.visit.mayTry
    guest.visit.denied(b"user", "publickey", "not listed")
    assert guest.visit.mayTry
    guest.end()
    assert Guest(gate).refused


def test_offers_before_a_login(clock):
    """An agent may offer as many keys as it likes, again and again, if a login follows."""
    gate = Gate(Limits(), clock)
    for _ in range(100):
        guest = Guest(gate)
        for _ in range(5):
            guest.visit.denied(b"user", "publickey", "not listed")
        guest.login().end()
    assert not Guest(gate).refused


def test_what_was_not_checked(clock):
    """A login that could not be checked says nothing of its address."""
    gate = Gate(Limits(), clock)
    guest = Guest(gate)
    for _ in range(100):
        guest.visit.denied(b"user", "password", "the database can't be asked", checked=False)
    assert guest.visit.mayTry


def test_clock_that_is_set_back():
    """A clock that is set back makes nobody wait for what is long over."""
    penalties = Penalties()
    for _ in range(6):
        penalties.failed("a", 10_000.0, GUESS)
    assert penalties.wait("a", 10_000.0) > 0
    assert penalties.wait("a", 2_800.0) == 0
    penalties.failed("a", 2_800.0, GUESS)
    assert penalties.wait("a", 2_800.0) == 0


def test_penalties_are_bounded():
    """An address waits ten minutes at most, and no more addresses are kept than there is room."""
    penalties = Penalties()
    for _ in range(1000):
        penalties.failed("a", 0.0, GUESS)
    assert penalties.wait("a", 0.0) <= LARGEST
    assert penalties.wait("a", LARGEST) == 0
    for number in range(MOST):
        penalties.failed(str(number), 0.0, GUESS)
    assert penalties.wait("a", 0.0) == 0
    assert len(penalties._until) == MOST


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (IPv4Address("TCP", "192.0.2.1", 1), "192.0.2.1"),
        (IPv6Address("TCP", "2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (IPv6Address("TCP", "2001:db8:1:2:ffff::1", 1), "2001:db8:1:2::/64"),
        (IPv6Address("TCP", "fe80::1%eth0", 1), "fe80::/64"),
        (IPv6Address("TCP", "::ffff:192.0.2.1", 1), "192.0.2.1"),
        (IPv6Address("TCP", "::1", 1), "::1"),
        (UNIXAddress(b"/x"), ""),
        (None, ""),
    ],
)
def test_source(address, source):
    """What is counted for is an IPv4 address, or an IPv6 network of 64 bits."""
    assert sourceOf(address) == source


def test_close(clock):
    """At the end nobody gets in, everybody leaves, and whoever hangs is cut after a while."""
    gate = Gate(Limits(), clock)
    guests = [Guest(gate), Guest(gate, hangs=True)]
    closed = []
    gate.close().addCallback(closed.append)
    assert Guest(gate).refused
    clock.advance(DRAIN - 0.1)
    assert not closed
    clock.advance(0.1)
    assert closed
    assert [len(guest.cuts) for guest in guests] == [0, 1]
    assert clock.getDelayedCalls() == []


def test_close_of_nobody(clock):
    """When nobody is there the end comes at once, and limits that were told of leave no timer."""
    gate = Gate(FEW, clock)
    for guest in [Guest(gate) for _ in range(9)][-3:]:
        guest.end()
    closed = []
    gate.close().addCallback(closed.append)
    assert closed
    assert clock.getDelayedCalls() == []


def test_everything_is_told_before_the_end(clock):
    """The last connection's end is told before the server's."""
    gate = Gate(Limits(), clock)
    Guest(gate)
    with logged() as seen:
        gate.close().addCallback(lambda _: seen.append("end"))
    assert seen[-1] == "end"
    assert told(seen[:-1], "connection.close")


def test_refusals_are_bounded(clock):
    """Refused requests of a connection are told one by one up to a number, and then counted."""
    guest = Guest(Gate(Limits(), clock))
    with logged() as seen:
        for _ in range(MOST_REFUSALS + 5):
            guest.visit.refused("x11\x1b")
        guest.end()
    events = told(seen, "request.refused")
    assert len(events) == MOST_REFUSALS
    assert events[0]["request"] == "x11\\x1b"
    assert told(seen, "connection.close")[0]["refused"] == MOST_REFUSALS + 5


def test_refusal():
    """Who is sent away is told why, in a line, and the connection is closed."""
    transport = StringTransport()
    Refusal("too many connections").makeConnection(transport)
    assert transport.value() == b"Too many connections, goodbye.\r\n"
    assert transport.disconnecting
