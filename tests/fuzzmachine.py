"""What the fuzz tests share: how much of them runs, and what holds whatever a client does.

SSHECHO_FUZZ_EXAMPLES=N runs N times as many cases, and tells how many; above 1, other ones each
time.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import weakref
from collections import Counter

from fuzzing.footprint import footprint
from fuzzing.house import LIMITS, House
from fuzzing.visitor import OTHER, Visitor
from fuzzing.watch import Watch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.conch.ssh.common import NS

from sshecho.service.limits import DRAIN, LINGER
from sshecho.service.penalties import LARGEST

PROTOCOL_ERROR, KEY_EXCHANGE_FAILED, MAC_ERROR, NO_SERVICE, VERSION = 2, 3, 5, 7, 8
CONNECTION_LOST, BY_APPLICATION, NO_MORE_METHODS = 10, 11, 14
ASKED = os.environ.get("SSHECHO_FUZZ_EXAMPLES")
FACTOR = int(ASKED or 1)
ran: Counter[str] = Counter()
if ASKED:
    atexit.register(
        lambda: print("fuzzed:", ", ".join(f"{count:,} {what}" for what, count in ran.items()))
    )


def bounded(examples, steps=30):
    """Return how much of a test runs: the same each time, unless more than usual is asked for."""
    return settings(
        max_examples=examples * FACTOR,
        stateful_step_count=steps,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


class Long(bytes):
    """Bytes that are many, and shown short."""

    def __repr__(self):
        return f"{bytes(self[:1])!r} * {len(self)}"


numbers = st.integers(0, 255)
sizes = st.sampled_from([0, 1, 2, 255, 256, 1 << 15, 1 << 16, 1 << 31, (1 << 32) - 1])
sizes |= st.integers(0, (1 << 32) - 1)
odd = st.sampled_from([b"", b"\0", b"a\0b", b"\xff\xfe", b"\r\n", b"%s{}", b"\xed\xa0\x80"])
huge = st.sampled_from([Long(b"x" * 30_000), Long(b"\xff" * (1 << 16)), Long(bytes(100_000))])
texts = odd | st.binary(max_size=40) | huge
lies = st.integers(0, 99).map(lambda n: n.to_bytes(4, "big")) | st.sampled_from([b"\xff" * 4, b""])
lying = st.builds(lambda head, body: head + body, lies, st.binary(max_size=20))
payloads = st.binary(max_size=60) | lying | texts.map(NS) | huge


class Machine(RuleBasedStateMachine):
    """Clients of one house, one after another, and what holds for each of them.

    A client whose connection the server closes goes on for a step, and leaves then.

    Attributes:
        most: bytes that a connection may keep.
        factor, allowance: bytes that may go out for each that comes, and for none.
        timeOuts: for what reasons the server may leave when time goes by.
        listed, limits, slow, tick: the house's keys, its limits, whether its checkers are slow,
            and how fast time goes by.
    """

    most = 200_000
    factor = 8
    allowance = 2048
    timeOuts = frozenset([BY_APPLICATION])
    listed = ()
    limits = LIMITS
    slow = False
    tick = 0.0

    def __init__(self):
        super().__init__()
        gc.freeze()  # so that what is new can be collected quickly
        self.watch = Watch()
        self.watch.__enter__()
        self.house = self.furnish()
        self.visitor = None
        self.count("cases")

    def count(self, what):
        ran[f"{type(self).__name__} {what}"] += 1

    def furnish(self):
        """Return a new house."""
        house = House(self.listed, self.limits, self.tick)
        house.passwords.slow = house.keys.slow = self.slow
        return house

    @initialize(tick=st.sampled_from([0.0, 0.0003, 0.0006]))
    def windUp(self, tick):
        self.tick = tick
        self.house = self.furnish()

    def arrive(self):
        """Return a new connection."""
        raise NotImplementedError

    def read(self):
        """See to it that what has come is what may come."""

    @property
    def live(self):
        """The connection; another one if the last is over."""
        if self.visitor is None:
            self.count("connections")
            self.lingered = False
            self.visitor = self.arrive()
        return self.visitor

    def waitUntilWelcome(self):
        """Let the penalties of failed logins pass."""
        self.house.clock.advance(LARGEST)

    # What goes on around whatever the client says.

    @rule(seconds=st.sampled_from([0, 1, 1, LINGER, 60, 120, 3600]))
    def wait(self, seconds):
        """Time goes by: who has been told goodbye is cut."""
        visitor = self.live
        early = visitor.wire.closing
        self.house.clock.advance(seconds)
        visitor.settle()
        self.read()
        if visitor.wire.closing and not early:
            assert visitor.code in (None, *self.timeOuts)
        assert not early or seconds < LINGER or visitor.wire.lost

    @rule(full=st.booleans())
    def pace(self, full):
        """The client stops reading, or reads again."""
        (self.live.wire.fill if full else self.live.wire.drain)()
        self.live.settle()
        self.read()

    def lastWords(self):
        """Return what the client says in the moment when the connection ends."""
        return b""

    @rule(turns=st.integers(0, 2))
    def drop(self, turns):
        """The connection breaks, perhaps while what has come is handled."""
        self.live.wire.deliver(self.lastWords())
        for _ in range(turns):
            self.live.wire.turn()
        self.leave()

    @rule(steps=st.lists(st.sampled_from([0, 0.05, 0.2, 1]), max_size=4))
    def serverEnds(self, steps):
        """The server ends: whoever is there is gone in time."""
        self.live.settle()
        self.live.wire.deliver(self.lastWords())
        self.house.gate.close()
        for seconds in (*steps, DRAIN):
            self.house.clock.advance(seconds)
            self.live.settle()
            self.read()
        assert self.live.wire.lost
        self.leave()
        assert not self.house.clock.getDelayedCalls()
        self.house = self.furnish()

    def leave(self):
        """Break the connection; nothing may be left of it."""
        visitor, self.visitor = self.visitor, None
        if visitor is not None:
            server = weakref.ref(visitor.server)
            visitor.leave()
            del visitor
            gc.collect()
            assert server() is None, gc.get_referrers(server())
            self.watch.checkPairs()

    # What holds.

    @invariant()
    def nothingBreaks(self):
        """Nothing unforeseen is logged, and what goes out and is kept is bounded."""
        self.count("steps")
        self.watch.check()
        if self.visitor is not None:
            self.staysSmall(self.visitor)
            closing, lost = self.visitor.wire.closing, self.visitor.wire.lost
            if lost or (closing and self.lingered):
                self.leave()
            self.lingered = closing

    def staysSmall(self, visitor):
        wire, house = visitor.wire, self.house
        assert wire.sent <= self.allowance + self.factor * wire.received
        shared = house, house.gate, house.ssh, house.line, house.clock
        assert footprint(visitor.server, (*shared, wire)) <= self.most

    def teardown(self):
        try:
            if sys.exc_info()[0] is None:
                self.leave()
                self.welcomesOthers()
                self.watch.check()
        finally:
            self.watch.__exit__(None, None, None)
            self.house = None
            gc.collect()
            gc.unfreeze()

    def welcomesOthers(self):
        """See to it that a good client is served as ever."""
        self.house.passwords.hurry()
        self.house.keys.hurry()
        self.waitUntilWelcome()
        welcome(self.house)


def welcome(house):
    """See to it that a good client is served in a house."""
    other = Visitor(house, OTHER).login()
    other.open(1, 1 << 20, 1 << 15).send(98, bytes(4), NS(b"shell"), b"\1")
    other.take()
    other.send(94, bytes(4), NS(b"still there?"))
    assert other.take() == [(94, b"\0\0\0\1" + NS(b"still there?"))]
    other.leave()
