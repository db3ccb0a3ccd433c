"""The SSH door, misbehaving."""

import pytest
from faultypair import LONG, FaultyPair, whatHappened
from helpers import logged, told
from sshpair import (
    CLOSE,
    DATA,
    EOF,
    EXTENDED_DATA,
    SUCCESS,
    USERAUTH_REQUEST,
    USERAUTH_SUCCESS,
    WINDOW_ADJUST,
    Channel,
    exitStatus,
)
from twisted.conch.ssh.common import NS, getNS
from twisted.internet.protocol import Protocol

from sshecho.service.limits import LINGER, Limits
from sshecho.testing.faults.garbage import GARBAGE

STAGES = ["version", "kex", "auth", "session"]
VERSION = b"SSH-2.0-sshecho_"


def comeTo(stage, *faults, **more):
    """Return a pair whose client has come to a stage, and how much it had heard before."""
    pair = FaultyPair(*faults, **more)
    before = 0
    if stage in ("auth", "session"):
        pair.requestUserAuth()
        before = len(pair.heard)
        pair.password()
    if stage == "session":
        assert pair.take() == [(USERAUTH_SUCCESS, b"")]
        channel = Channel(pair)
        before = len(pair.heard)
        channel.request(b"exec", NS(b"hello"))
    return pair, before


def heardAt(stage, pair, before):
    """Return what the client has heard at a stage, where it should be the first thing said."""
    if stage == "kex":  # behind our version and KEXINIT
        assert pair.heard.startswith(VERSION)
        before = pair.heard.index(b"\r\n") + 2
        size = int.from_bytes(pair.heard[before : before + 4], "big")
        before += 4 + size
    return pair.heard[before:]


@pytest.mark.parametrize("stage", STAGES)
def test_hang(stage):
    """From its stage on nothing is answered, however long it takes, until the client leaves."""
    limits = Limits(idleTimeout=10, keepalive=5, loginGrace=7)
    with logged() as events:
        pair, before = comeTo(stage, f"hang={stage}", limits=limits)
        assert heardAt(stage, pair, before) == b""
        pair.send(USERAUTH_REQUEST, NS(b"x")).wait(LONG).wait(LONG)
        assert heardAt(stage, pair, before) == b""
        assert pair.isOpen
        pair.lose()
    assert pair.isForgotten()
    [fault] = told(events, "fault")
    assert fault["fault"] == f"hang={stage}"
    [close] = told(events, "connection.close")
    assert close["why"] == "the client has gone"


def test_hang_for_every_session():
    """A connection that hangs is silent in the sessions that it had before, too."""
    pair = FaultyPair().login()
    shell = Channel(pair).request(b"shell")
    pair.take()
    assert shell.data(b"x").takeData() == b"x"
    pair.begin("hang=session")
    Channel(pair, mine=8).request(b"shell")
    pair.take()
    assert shell.data(b"y").take() == []
    pair.lose()
    assert pair.isForgotten()


def test_hang_listens():
    """A client that hangs is read from, to hear it leave, whatever it has not taken yet."""
    pair = FaultyPair("hang=session").login()
    channel = Channel(pair)
    pair.server.pauseProducing()
    assert not pair.serverTCP.reading
    channel.request(b"shell")
    assert pair.serverTCP.reading


@pytest.mark.parametrize("fault", ["hang=kex", "drop-at=auth"])
def test_stages_that_are_over(fault):
    """Neither new keys nor a login behind the one that let in is a stage."""
    pair = FaultyPair().login()
    pair.begin(fault)
    pair.server.rekey()
    pair.flush()
    assert pair.client.exchanges == 2
    pair.password()
    assert pair.isOpen
    assert exitStatus() in Channel(pair).request(b"exec", NS(b"hi")).take()


def test_hang_with_old_keys():
    """No change of keys begins in a connection that hangs, so none can be too slow."""
    pair = FaultyPair("hang=session", limits=Limits(rekeyLimit=2048)).login()
    shell = Channel(pair)
    shell.request(b"env", NS(b"A") + NS(b"v" * 4096)).request(b"shell")
    pair.take()
    pair.server.rekey()
    pair.wait(LONG)
    assert pair.isOpen


@pytest.mark.parametrize("stage", STAGES)
def test_hang_and_the_servers_end(stage):
    """A connection that hangs does not keep the server from ending."""
    pair, _ = comeTo(stage, f"hang={stage}")
    pair.server.leave()
    for _ in range(100):
        pair.wait(0.05)
    assert pair.serverTCP.finished or pair.serverTCP.disconnecting


@pytest.mark.parametrize("stage", STAGES)
def test_cut_while_hanging(stage):
    """A connection that hangs can be cut, as it is when the next test begins."""
    pair, before = comeTo(stage, f"hang={stage}")
    pair.server.cut("the next test begins")
    pair.flush()
    assert heardAt(stage, pair, before) == b""
    assert pair.isForgotten()


@pytest.mark.parametrize("stage", STAGES)
def test_drop(stage):
    """At its stage the connection is closed without a word: there is a FIN, and no reset."""
    with logged() as events:
        pair, before = comeTo(stage, f"drop-at={stage}")
        assert heardAt(stage, pair, before) == b""
        assert pair.cutOff
        pair.lose()
    assert pair.isForgotten()
    assert [event["fault"] for event in told(events, "fault")] == [f"drop-at={stage}"]
    [close] = told(events, "connection.close")
    assert close["why"] == f"the fault drop-at={stage}"


def test_drop_and_a_client_that_stays():
    """A client that does not close its own side after a drop is left alone after a while."""
    pair, _ = comeTo("auth", "drop-at=auth")
    pair.wait(LINGER)
    assert pair.serverTCP.aborted
    assert pair.isForgotten()


@pytest.mark.parametrize("stage", STAGES)
def test_garbage(stage):
    """In place of an answer there is garbage, byte for byte, and nothing more after it."""
    pair, before = comeTo(stage, f"garbage={stage}")
    assert heardAt(stage, pair, before) == GARBAGE
    pair.wait(LONG)
    assert heardAt(stage, pair, before) == GARBAGE
    assert not pair.serverTCP.finished
    pair.lose()
    assert pair.isForgotten()


def test_garbage_in_a_session():
    """Unless a stage is said, there is garbage in place of a session."""
    pair, before = comeTo("session", "garbage")
    assert pair.heard[before:] == GARBAGE


def sessionData(packets, number=DATA):
    """Return the data in packets of one kind."""
    at = 4 if number == DATA else 8
    return b"".join(getNS(payload[at:])[0] for kind, payload in packets if kind == number)


@pytest.mark.parametrize(
    "writes",
    [
        [4096],
        [4097],
        [1, 4095],
        [4095, 1],
        [4095, 2],
        [4000, 4000],
        [1000] * 5,
        [64] * 64,
        [30000],
        [4000, 32768],
    ],
)
@pytest.mark.parametrize("maxPacket", [1 << 15, 256])
def test_drop_after(writes, maxPacket):
    """The connection is cut right behind the last byte that is allowed, and not before."""
    with logged() as events:
        pair = FaultyPair("drop-after=4096").login()
        shell = Channel(pair, maxPacket=maxPacket).request(b"shell")
        assert shell.take() == [(SUCCESS, b"")]
        sent, packets = b"", []
        for number, size in enumerate(writes):
            assert pair.isOpen
            assert sessionData(packets) == sent
            data = (bytes([number % 256]) * size) if len(writes) > 1 else bytes(range(256)) * 128
            data = data[:size]
            sent += data
            shell.data(data)
            packets += pair.take()
        assert pair.cutOff
        assert {number for number, _ in packets} <= {DATA, WINDOW_ADJUST}
        assert sessionData(packets) == sent[:4096]
        shell.data(b"more").send(EOF)
        assert pair.take() == []
        pair.lose()
    assert pair.isForgotten()
    assert [event["fault"] for event in told(events, "fault")] == ["drop-after=4096"]
    [close] = told(events, "connection.close")
    assert (close["sent"], close["why"]) == (4096, "the fault drop-after=4096")
    [session] = told(events, "session.close")
    assert (session["sent"], session["exit_status"]) == (4096, None)


def test_not_yet_dropped():
    """One byte less than that, and the session ends as usual."""
    pair = FaultyPair("drop-after=4096").login()
    shell = Channel(pair).request(b"shell")
    pair.take()
    assert shell.data(b"x" * 4095).takeData() == b"x" * 4095
    assert shell.send(EOF).take() == [exitStatus(), (EOF, b""), (CLOSE, b"")]
    assert pair.isOpen


class Complainer(Protocol):
    """Says each thing twice: to standard output, and to standard error."""

    def dataReceived(self, data):
        self.transport.write(data)
        self.transport.writeError(data)
        self.transport.loseConnection()


@pytest.mark.parametrize(("limit", "out", "errors"), [(4, 4, 0), (9, 6, 3), (12, 6, 6)])
def test_drop_after_errors(limit, out, errors):
    """Standard error counts too."""
    pair = FaultyPair(f"drop-after={limit}", application=Complainer).login()
    shell = Channel(pair).request(b"shell")
    pair.take()
    shell.data(b"abcdef")
    packets = pair.take()
    assert sessionData(packets) == b"abcdef"[:out]
    assert sessionData(packets, EXTENDED_DATA) == b"abcdef"[:errors]
    assert {number for number, _ in packets} <= {DATA, EXTENDED_DATA}
    assert pair.cutOff


def test_drop_after_several_sessions():
    """What all sessions of a connection send counts together; other connections count anew."""
    pair = FaultyPair("drop-after=10").login()
    one, two = Channel(pair), Channel(pair, mine=8)
    one.request(b"shell")
    two.request(b"shell")
    pair.take()
    assert one.data(b"abcdef").takeData() == b"abcdef"
    other = pair.another().login()
    shell = Channel(other).request(b"shell")
    other.take()
    assert shell.data(b"abcdef").takeData() == b"abcdef"
    assert two.data(b"abcdef").takeData() == b"abcd"
    assert pair.cutOff
    assert other.isOpen


def test_drop_after_waits_for_the_window():
    """Only what the client's window lets out counts."""
    pair = FaultyPair("drop-after=10").login()
    shell = Channel(pair, window=6).request(b"shell")
    pair.take()
    assert shell.data(b"abcdefghijkl").takeData() == b"abcdef"
    assert pair.isOpen
    assert shell.grant(6).takeData() == b"ghij"
    assert pair.cutOff


def test_drop_after_a_close():
    """What an application says in a session that is closed does not count."""
    applications = []

    class Kept(Protocol):
        def connectionMade(self):
            applications.append(self)

    pair = FaultyPair("drop-after=10", application=Kept).login()
    gone, shell = Channel(pair), Channel(pair, mine=8)
    gone.request(b"shell")
    shell.request(b"shell")
    gone.send(CLOSE)
    pair.take()
    applications[0].transport.write(b"abcdefghijkl")
    applications[0].transport.writeError(b"abcdefghijkl")
    applications[1].transport.write(b"abcdef")
    pair.flush()
    assert shell.takeData() == b"abcdef"
    assert pair.isOpen


class Heedless(Protocol):
    """Echoes though it is told to wait."""

    def dataReceived(self, data):
        self.transport.write(data)


def test_drop_while_keys_change():
    """What waits for new keys goes out under them before the cut, and nothing behind it."""
    pair = FaultyPair("drop-after=10", application=Heedless).login()
    shell = Channel(pair).request(b"shell")
    pair.take()
    pair.client.answers = False
    pair.server.rekey()
    pair.flush()
    shell.data(b"abcdef").data(b"ghijkl").data(b"mnopqr").send(EOF)
    assert pair.take() == []
    assert pair.isOpen
    pair.client.answers = True
    pair.client.ssh_KEXINIT(pair.client.unanswered)
    pair.flush()
    packets = pair.take()
    assert [number for number, _ in packets] == [DATA, DATA]
    assert sessionData(packets) == b"abcdefghij"
    assert pair.cutOff
    pair.lose()
    assert pair.isForgotten()


def test_slow():
    """Each thing is done so much later than it came, the greeting too; nothing is lost."""
    pair = FaultyPair("slow=2")
    assert pair.heard == b""
    pair.wait(1.9)
    assert pair.heard == b""
    pair.wait(0.1)
    assert pair.heard.startswith(VERSION)
    for _ in range(10):
        pair.wait(2)
    assert pair.client.secure
    pair.take()
    pair.inForce.clear()
    shell = Channel(pair.login())
    shell.request(b"shell")
    pair.take()
    pair.begin("slow=2")
    shell.data(b"a").data(b"b")
    pair.wait(1)
    shell.data(b"c").send(EOF)
    assert shell.take() == []
    pair.wait(1)
    assert shell.takeData() == b"ab"
    pair.wait(0.9)
    assert shell.take() == []
    pair.wait(0.1)
    assert shell.take() == [(DATA, NS(b"c")), exitStatus(), (EOF, b""), (CLOSE, b"")]


def test_slow_is_added_up():
    """Slow twice is twice as slow."""
    pair = FaultyPair("slow=1", "slow=2")
    pair.wait(2.9)
    assert pair.heard == b""
    pair.wait(0.1)
    assert pair.heard


def test_slow_ends_in_order():
    """What comes when nothing is slow any more overtakes nothing."""
    pair = FaultyPair().login()
    shell = Channel(pair).request(b"shell")
    pair.take()
    order = pair.begin("slow=2")
    shell.data(b"a")
    pair.inForce.end(order)
    shell.data(b"b")
    assert shell.take() == []
    pair.wait(2)
    pair.wait(0)
    assert shell.takeData() == b"ab"
    assert shell.data(b"c").takeData() == b"c"


@pytest.mark.parametrize("waits", [0, 2])
def test_slow_and_gone(waits):
    """What still waits when the client leaves is not done, before the greeting or after it."""
    pair = FaultyPair("slow=2")
    pair.wait(waits)
    events = whatHappened(pair.lose, "connection.close", "protocol.error")
    assert [event["why"] for event in events] == ["the client has gone"]
    assert pair.isForgotten()


def test_slow_and_cut():
    """A slow connection can be cut while its greeting is still to come."""
    pair = FaultyPair("slow=2")
    pair.server.cut("the next test begins")
    pair.flush()
    assert pair.isForgotten()


def test_slow_and_dismissed():
    """A connection that is told to go is not greeted afterwards."""
    pair = FaultyPair("slow=2")
    pair.server.dismiss("an operator ends it")
    pair.wait(2)
    assert VERSION not in pair.heard


def test_slow_and_much():
    """Of a client that sends and sends no more is read than may wait, until that is handled."""
    pair = FaultyPair("slow=2")
    wire = pair.server.transport
    assert wire.reading
    pair.server.dataReceived(b"x" * ((1 << 16) + 1))
    assert not wire.reading
    pair.wait(2)
    assert wire.reading


def test_slow_and_silent():
    """Where all is slow, too, a client that does nothing has no more than its time to log in."""
    pair = FaultyPair("slow=1")
    for _ in range(5):
        pair.wait(1)
    assert pair.server.isEncrypted("both")
    pair.wait(116)  # 121 seconds since it began
    assert not pair.server.closing
    pair.wait(5)
    assert pair.server.closing
    assert pair.server.visit.why == "too slow to log in"
