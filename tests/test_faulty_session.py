"""Sessions of a server that misbehaves: how they end, and their windows."""

import struct

import pytest
from faultypair import FaultyPair
from helpers import logged, told
from sshpair import CLOSE, DATA, EOF, REQUEST, SUCCESS, WINDOW_ADJUST, Channel, exitStatus
from twisted.conch.ssh.common import NS
from twisted.internet.protocol import Protocol

from sshecho.echo import Echo


def exitSignal(name):
    """Return the packet that tells of a signal."""
    return REQUEST, NS(b"exit-signal") + b"\0" + NS(name) + b"\0" + NS(b"") + NS(b"")


class Exiting(Protocol):
    """Exits as it is told to: with a status, by a signal, or by an accident."""

    def dataReceived(self, data):
        if data == b"signal":
            self.transport.endBySignal(b"HUP")
        elif data == b"break":
            raise RuntimeError
        else:
            self.transport.exit(int(data))


def byEOF(channel):
    channel.request(b"shell").send(EOF)


def byCommand(channel):
    channel.request(b"exec", NS(b"hi"))


def byControlD(channel):
    channel.pty().request(b"shell").data(b"\x04")


def byInspection(channel):
    channel.request(b"subsystem", NS(b"inspect"))


def bySignal(channel):
    channel.request(b"shell").request(b"signal", NS(b"TERM"), reply=False)


def byApplication(word):
    def end(channel):
        channel.request(b"shell").data(word)

    return end


ENDS = {
    "EOF": (byEOF, Echo),
    "exec": (byCommand, Echo),
    "^D": (byControlD, Echo),
    "inspect": (byInspection, Echo),
    "signal": (bySignal, Echo),
    "status": (byApplication(b"7"), Exiting),
    "by a signal": (byApplication(b"signal"), Exiting),
    "accident": (byApplication(b"break"), Exiting),
}
FAULTS = {
    "exit=0": exitStatus(0),
    "exit=3": exitStatus(3),
    "exit=4294967295": exitStatus(0xFFFFFFFF),
    "signal=KILL": exitSignal(b"KILL"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("chosen", [False, True], ids=["server", "user"])
def test_end(fault, end, chosen):
    """However a session ends, the client is told what the fault says, once, and that is audited."""
    do, application = ENDS[end]
    pair = FaultyPair(*([] if chosen else [fault]), application=application).requestUserAuth()
    pair.password(b"user+" + fault.encode() if chosen else b"user")
    pair.take()
    channel = Channel(pair)
    with logged() as events:
        do(channel)
        packets = channel.take()
        channel.send(CLOSE)
    assert packets[-3:] == [FAULTS[fault], (EOF, b""), (CLOSE, b"")]
    assert [number for number, _ in packets].count(REQUEST) == 1
    assert [event["fault"] for event in told(events, "fault")] == [fault]
    [close] = told(events, "session.close")
    status = int(fault.partition("=")[2]) if fault.startswith("exit") else None
    assert close["exit_status"] == status
    assert pair.isOpen


def test_last_ending_counts():
    """Of several faults that say how sessions end the last counts: the user's own, if any."""
    pair = FaultyPair("exit=1", "exit=2").requestUserAuth()
    pair.password(b"user+signal=INT+exit=3")
    pair.take()
    for ending in (exitStatus(3), exitStatus(3)):
        channel = Channel(pair).request(b"exec", NS(b"hi"))
        assert channel.take()[-3] == ending
        channel.send(CLOSE)
    other = FaultyPair("exit=1", "exit=2").login()
    assert Channel(other).request(b"exec", NS(b"hi")).take()[-3] == exitStatus(2)


def test_begins_and_ends_in_a_session():
    """A fault that begins or ends while a session runs decides about its end."""
    pair = FaultyPair().login()
    one, two = Channel(pair), Channel(pair, mine=8)
    for channel in (one, two):
        channel.request(b"shell")
        assert channel.take() == [(SUCCESS, b"")]
    order = pair.begin("exit=3")
    assert one.send(EOF).take()[-3] == exitStatus(3)
    pair.inForce.end(order)
    assert two.send(EOF).take()[-3] == exitStatus(0)


def test_for_a_user():
    """A fault for a user is seen in their sessions, and in nobody else's."""
    for user, status in ((b"user", 3), (b"somebody", 0)):
        pair = FaultyPair()
        pair.begin("exit=3", user)
        pair.login()
        assert Channel(pair).request(b"exec", NS(b"hi")).take()[-3] == exitStatus(status)


def test_for_one_connection():
    """A fault for one connection is seen in the next, and neither before nor after."""
    before = FaultyPair().login()
    before.begin("exit=3", connections=1)
    statuses = [
        Channel(pair).request(b"exec", NS(b"hi")).take()[-3]
        for pair in (before, before.another().login(), before.another().login())
    ]
    assert statuses == [exitStatus(0), exitStatus(3), exitStatus(0)]


def test_for_one_connection_of_a_user():
    """One for a user's next connection waits until that user comes."""
    pair = FaultyPair()
    pair.begin("exit=3", b"user", 1)
    pair.another().requestUserAuth().password(b"other")
    for status in (3, 0):
        channel = Channel(pair.another().login()).request(b"exec", NS(b"hi"))
        assert channel.take()[-3] == exitStatus(status)


def test_several_at_once():
    """Several faults are seen together: slow, a wrong status, and a cut behind both."""
    pair = FaultyPair("exit=3", "drop-after=10").login()
    one, two = Channel(pair), Channel(pair, mine=8)
    pair.begin("slow=1")
    one.request(b"exec", NS(b"hello"))
    pair.wait(0.5)
    two.request(b"exec", NS(b"hello"))
    assert pair.take() == []
    pair.wait(0.5)
    assert one.take()[:3] == [(SUCCESS, b""), (DATA, NS(b"hello\n")), exitStatus(3)]
    pair.wait(0.5)
    assert two.take() == [(SUCCESS, b""), (DATA, NS(b"hell"))]
    assert pair.cutOff


WINDOW = 1 << 17


def test_stalled_window():
    """The first window is taken and echoed, and no more is ever granted."""
    pair = FaultyPair("stall-window").login()
    shell = Channel(pair).request(b"shell")
    pair.take()
    assert shell.window == WINDOW
    echoed = b""
    for _ in range(4):
        packets = shell.data(b"x" * (WINDOW // 4)).take()
        assert {number for number, _ in packets} == {DATA}
        echoed += b"".join(payload[4:] for _, payload in packets)
    assert echoed == b"x" * WINDOW
    assert shell.send(EOF).take() == [exitStatus(), (EOF, b""), (CLOSE, b"")]


def test_stalled_until_the_fault_ends():
    """A client that has used its window up gets all of it when the fault ends, and goes on."""
    pair = FaultyPair().login()
    order = pair.begin("stall-window")
    shell, idle = Channel(pair), Channel(pair, mine=8)
    shell.request(b"shell")
    idle.request(b"shell")
    for _ in range(4):
        shell.data(b"x" * (WINDOW // 4))
    pair.take()
    pair.inForce.end(order)
    pair.flush()
    assert shell.take() == [(WINDOW_ADJUST, struct.pack(">L", WINDOW))]
    assert shell.data(b"y" * 100).takeData() == b"y" * 100


def test_stalled_by_two():
    """The window stays as it is until the last fault that stalls it has ended."""
    pair = FaultyPair().login()
    one, two = pair.begin("stall-window"), pair.begin("stall-window")
    shell = Channel(pair).request(b"shell")
    for _ in range(4):
        shell.data(b"x" * (WINDOW // 4))
    pair.take()
    pair.inForce.end(one)
    assert pair.flush().take() == []
    pair.inForce.end(two)
    assert [number for number, _ in pair.flush().take()] == [WINDOW_ADJUST]


def test_stalled_while_the_application_waits():
    """The end of the fault grants nothing to a session whose application does not want more."""
    applications = []

    class Waiting(Echo):
        def connectionMade(self):
            super().connectionMade()
            applications.append(self)
            self.transport.pauseProducing()

    pair = FaultyPair("stall-window", application=Waiting).login()
    shell = Channel(pair).request(b"shell")
    for _ in range(4):
        shell.data(b"x" * (WINDOW // 4))
    pair.take()
    pair.inForce.clear()
    assert pair.flush().take() == []
    applications[0].transport.resumeProducing()
    assert WINDOW_ADJUST in [number for number, _ in pair.flush().take()]


def test_no_stall():
    """Without the fault, the window is granted anew once half of it is used up."""
    pair = FaultyPair().login()
    shell = Channel(pair).request(b"shell")
    for _ in range(2):
        shell.data(b"x" * (WINDOW // 4))
    assert (WINDOW_ADJUST, struct.pack(">L", WINDOW // 2)) in shell.take()


@pytest.mark.parametrize("stage", ["before the login", "after it", "gone"])
def test_ends_for_every_connection(stage):
    """A fault may end whatever has become of the connections that showed it."""
    pair = FaultyPair("stall-window")
    if stage != "before the login":
        pair.login()
        Channel(pair)
    if stage == "gone":
        pair.lose()
    pair.inForce.clear()
    assert list(pair.inForce.of(pair.server)) == []
