"""The line door, misbehaving."""

import pytest
from faultypair import LONG
from helpers import logged, told
from linedoor import LIMITS, Door
from twisted.internet.protocol import Protocol

from sshecho.line import ACCEPTED, DENIED, MAX_WAITING
from sshecho.service.limits import LINGER, Limits
from sshecho.telnet import IAC
from sshecho.testing.faults import parseFault
from sshecho.testing.faults.garbage import GARBAGE
from sshecho.testing.faulty import misbehave
from sshecho.testing.faulty.inforce import InForce, Order

STAGES = ["version", "auth", "session"]
BEFORE = {"version": b"", "auth": b"", "session": ACCEPTED}
"""What a client has been told when it comes to a stage."""


class FaultyDoor(Door):
    """A line door with faults in force, and one connection."""

    def __init__(self, *faults, **more):
        self.inForce = InForce(byUserName=True)
        for fault in faults:
            self.begin(fault)
        super().__init__(**more)

    def begin(self, fault, user=None, connections=None):
        order = Order(parseFault(fault), user, connections)
        self.inForce.begin(order)
        return order

    def _connect(self):
        misbehave([self.factory], self.inForce)
        super()._connect()

    def wait(self, seconds):
        self.clock.advance(seconds)
        return self

    @property
    def cutOff(self):
        """Whether our side is closed, and not both at once."""
        return self.transport.writeClosed and not self.transport.aborted

    @property
    def isForgotten(self):
        return not self.gate.visits and not self.clock.getDelayedCalls()


@pytest.mark.parametrize("stage", STAGES)
def test_hang(stage):
    """From its stage on nothing is answered, however long it takes, until the client leaves."""
    limits = Limits(idleTimeout=10, loginGrace=7)
    with logged() as events:
        door = FaultyDoor(f"hang={stage}", limits=limits).send(b"user pass\r\nHi\r\n", b"more\r\n")
        door.wait(LONG).send(b"x" * MAX_WAITING).wait(LONG)
        assert door.received == BEFORE[stage]
        assert door.transport.producerState == "producing"
        assert not door.closed
        assert not door.transport.aborted
        door.lose()
    assert door.isForgotten
    assert [event["fault"] for event in told(events, "fault")] == [f"hang={stage}"]
    [close] = told(events, "connection.close")
    assert close["why"] == "the client has gone"
    assert len(told(events, "login.ok")) == len(told(events, "logout")) == (stage == "session")


@pytest.mark.parametrize("faults", [[], ["slow=1"]])
@pytest.mark.parametrize("stage", STAGES)
def test_hang_until_the_end_of_input(stage, faults):
    """A client that closes its side leaves: more of it will never be heard."""
    door = FaultyDoor(f"hang={stage}", *faults).send(b"user pass\r\nHi\r\n").endInput()
    door.wait(1).wait(0).wait(0)
    assert door.received == BEFORE[stage]
    assert door.transport.disconnecting
    assert not door.transport.aborted
    assert door.lose().isForgotten


@pytest.mark.parametrize("stage", STAGES)
def test_hang_and_the_servers_end(stage):
    """A connection that hangs does not keep the server from ending, without a word."""
    door = FaultyDoor(f"hang={stage}").send(b"user pass\r\nHi\r\n")
    door.protocol.leave()
    for _ in range(5):
        door.wait(0.05)
    assert door.transport.disconnecting
    assert door.received == BEFORE[stage]


def test_hang_behind_much_that_came_early():
    """A client is read from again, to hear it leave, though more had come than is kept."""
    door = FaultyDoor("hang=session", "slow=1")
    door.send(b"user pass\r\n" + b"x" * MAX_WAITING)
    door.transport.pauseProducing()
    door.wait(1)
    assert door.received == ACCEPTED
    assert door.transport.producerState == "producing"


@pytest.mark.parametrize("stage", STAGES)
def test_drop(stage):
    """At its stage the connection is closed without a word: our side first, so no reset."""
    with logged() as events:
        door = FaultyDoor(f"drop-at={stage}").send(b"user pass\r\nHi\r\n")
        assert door.received == BEFORE[stage]
        assert door.cutOff
        door.endInput().lose()
    assert door.isForgotten
    [close] = told(events, "connection.close")
    assert close["why"] == f"the fault drop-at={stage}"


def test_drop_and_a_client_that_stays():
    """A client that does not close its own side after a drop is left alone after a while."""
    door = FaultyDoor("drop-at=version").wait(LINGER).wait(LINGER)
    assert door.transport.aborted


@pytest.mark.parametrize("stage", STAGES)
def test_garbage(stage):
    """In place of an answer there is garbage, and nothing more after it."""
    door = FaultyDoor(f"garbage={stage}").send(b"user pass\r\nHi\r\n").wait(LONG)
    assert door.received == BEFORE[stage] + GARBAGE
    assert not door.closed


@pytest.mark.parametrize("fault", ["hang=kex", "drop-at=kex", "garbage=kex"])
def test_no_key_exchange(fault):
    """There is no key exchange here, so nothing goes wrong in it."""
    assert FaultyDoor(fault).send(b"user pass\r\nHi\r\n").received == ACCEPTED + b"Hi\r\n"


@pytest.mark.parametrize(
    "fault", ["new-host-key", "big-banner", "exit=3", "signal=KILL", "stall-window"]
)
def test_nothing_of_that_here(fault):
    """What this door has none of can't go wrong here, and nobody says that it did."""
    with logged() as events:
        door = FaultyDoor(fault).send(b"user pass\r\nHi\r\n").endInput()
    assert door.received == ACCEPTED + b"Hi\r\n"
    assert door.closed
    assert told(events, "fault") == []
    door.inForce.clear()


@pytest.mark.parametrize(
    "writes",
    [[4096], [4097], [1, 4095], [4095, 2], [1000] * 5, [64] * 64, [100_000]],
    ids=["exact", "more", "exact at last", "across", "five", "many", "much"],
)
def test_drop_after(writes):
    """The connection is cut right behind the last byte that is allowed, and not before."""
    with logged() as events:
        door = FaultyDoor("drop-after=4096").send(b"user pass\n")
        sent = b""
        for number, size in enumerate(writes):
            assert not door.closed
            assert door.received == ACCEPTED + sent
            sent += bytes([number % 256]) * size
            door.send(bytes([number % 256]) * size)
        assert door.received == ACCEPTED + sent[:4096]
        assert door.cutOff
        assert door.send(b"more").received == ACCEPTED + sent[:4096]
        door.endInput().lose()
    assert door.isForgotten
    assert [event["fault"] for event in told(events, "fault")] == ["drop-after=4096"]
    [close] = told(events, "connection.close")
    assert (close["sent"], close["why"]) == (4096, "the fault drop-after=4096")


def test_not_yet_dropped():
    """One byte less than that, and all goes on; other connections count anew."""
    door = FaultyDoor("drop-after=4096").send(b"user pass\n", b"x" * 4095)
    other = door.another().send(b"user pass\n", b"x" * 4095)
    assert len(door.received) == len(other.received) == len(ACCEPTED) + 4095
    assert not door.closed
    assert not other.closed


class Complainer(Protocol):
    """Writes as much as it is sent to standard output and to standard error."""

    def dataReceived(self, data):
        self.transport.write(data)
        self.transport.writeError(data.upper())


def test_drop_after_errors():
    """Errors go where output goes, and count as that."""
    door = FaultyDoor("drop-after=5", application=Complainer).send(b"user pass\n", b"abc")
    assert door.received == ACCEPTED + b"abcAB"
    assert door.cutOff


def test_drop_after_over_telnet():
    """The session's bytes count, not those that Telnet makes of them."""
    door = FaultyDoor("drop-after=2").send(bytes([IAC, 241]) + b"user pass\n", b"\xff\xff" * 3)
    assert door.received == ACCEPTED + b"\xff\xff\xff\xff"
    assert door.cutOff


def test_slow():
    """Each thing is done so much later than it came, in order, the end of input too."""
    door = FaultyDoor("slow=2").send(b"user pass\r\n").wait(1).send(b"a", b"b").endInput()
    assert door.received == b""
    assert door.wait(1).received == ACCEPTED
    assert door.wait(0.9).received == ACCEPTED
    assert not door.closed
    for _ in range(3):
        door.wait(0.1)
    assert door.received == ACCEPTED + b"ab"
    assert door.closed


def test_slow_and_gone():
    """What still waits when the client leaves is done then: it came."""
    with logged() as events:
        door = FaultyDoor("slow=2").send(b"user pass\r\n").lose()
    assert door.isForgotten
    assert len(told(events, "login.ok")) == len(told(events, "logout")) == 1


def test_slow_ends_in_order():
    """What comes when nothing is slow any more overtakes nothing."""
    door = FaultyDoor().send(b"user pass\n")
    door.begin("slow=2")
    door.send(b"a")
    door.inForce.clear()
    door.send(b"b")
    assert door.received == ACCEPTED
    assert door.wait(2).wait(0).send(b"c").received == ACCEPTED + b"abc"


def test_deny():
    """The first logins are denied, right or wrong, by whatever connection they come."""
    with logged() as events:
        door = FaultyDoor("deny=2")
        for line in (b"user pass", b"user wrong"):
            assert door.another().send(line + b"\n").received == DENIED
        assert door.send(b"user pass\n").received == ACCEPTED
    denied = told(events, "login.denied")
    assert [(event["user"], event["why"]) for event in denied] == [("user", "the fault deny=2")] * 2


@pytest.mark.parametrize("line", [b"hunter2", b"hunter2+exit=x"])
def test_deny_repeats_no_password(line):
    """A word that stands alone may be a password, and is not repeated, whatever denies it."""
    with logged() as events:
        assert FaultyDoor("deny=1").send(line + b"\n").received == DENIED
    [denied] = told(events, "login.denied")
    assert denied["user"] is None
    assert "hunter2" not in str(events)


def test_by_user_name():
    """Faults in the name are shown to whoever chose them, and the name is plain in what is told."""
    with logged() as events:
        door = FaultyDoor().send(b"user+drop-after=3 pass\n", b"abcdef")
        assert door.received == ACCEPTED + b"abc"
        assert door.another().send(b"user pass\n", b"abcdef").received == ACCEPTED + b"abcdef"
    assert [event["user"] for event in told(events, "login.ok")] == ["user", "user"]


def test_deny_by_user_name():
    """Each connection has one login here, so who asks to be denied always is."""
    door = FaultyDoor()
    for _ in range(2):
        assert door.another().send(b"user+deny=1 pass\n").received == DENIED


def test_name_with_a_plus():
    """A name with a plus that no fault follows is somebody's name."""
    with logged() as events:
        FaultyDoor().send(b"a+b pass\n")
    assert [event["user"] for event in told(events, "login.denied")] == ["a+b"]


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        (b"exit=x", "the fault exit=x: exit=STATUS: it is a whole number"),
        (b"hang=version", "the fault hang=version: it comes before the user's name is known"),
    ],
)
def test_wrong_choice(chosen, why):
    """Whoever chooses a fault that there is not is denied; why is in the log."""
    with logged() as events:
        assert FaultyDoor().send(b"user+" + chosen + b" pass\n").received == DENIED
    [denied] = told(events, "login.denied")
    assert denied["user"] == "user"
    assert denied["why"].startswith(why)


def test_for_a_user():
    """A fault for a user is seen by nobody else, and so many connections are theirs."""
    door = FaultyDoor()
    door.begin("drop-after=1", b"user", 1)
    assert door.another().send(b"c \r\r\n", b"abc").received == ACCEPTED + b"abc"
    assert door.another().send(b"user pass\n", b"abc").received == ACCEPTED + b"a"
    assert door.another().send(b"user pass\n", b"abc").received == ACCEPTED + b"abc"


@pytest.mark.parametrize("stage", STAGES)
def test_cut_while_hanging(stage):
    """A connection that hangs can be cut, as it is when the next test begins."""
    door = FaultyDoor(f"hang={stage}").send(b"user pass\n")
    door.protocol.cut("the next test begins")
    assert door.transport.aborted
    assert door.lose().isForgotten


def test_as_usual():
    """Without faults the door is as it should be."""
    door = FaultyDoor(limits=LIMITS).send(b"user pass\r\nHi\r\n").endInput()
    assert door.received == ACCEPTED + b"Hi\r\n"
    assert door.lose().isForgotten


def test_slow_and_silent():
    """Where all is slow, too, a client that says nothing has no more than its time to log in."""
    door = FaultyDoor("slow=1")
    door.wait(120)
    assert not door.transport.aborted
    door.wait(1)
    assert door.transport.aborted
