"""The session channel, seen by a client."""

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sshpair import (
    CLOSE,
    DATA,
    DISCONNECT,
    EOF,
    EXTENDED_DATA,
    FAILURE,
    GLOBAL_REQUEST,
    LYING,
    OPEN,
    OPEN_FAILURE,
    REQUEST,
    REQUEST_FAILURE,
    SUCCESS,
    WINDOW_ADJUST,
    Channel,
    Pair,
    exitStatus,
)
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.cred.credentials import IUsernamePassword
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from sshecho.cred.identity import Identity, Terms
from sshecho.echo import Echo
from sshecho.ssh.session import MAX_ENV, MAX_ENV_BYTES, MAX_TERM

HOST_KEY = Key(ed25519.Ed25519PrivateKey.generate())
END = [exitStatus(), (EOF, b""), (CLOSE, b"")]


@pytest.fixture
def pair() -> Pair:
    return Pair([HOST_KEY]).login()


@pytest.fixture
def shell(pair) -> Channel:
    channel = Channel(pair).request(b"shell")
    assert channel.take() == [(SUCCESS, b"")]
    return channel


def test_shell(shell):
    """A shell without a PTY gets its bytes and nothing else; at EOF it ends with status 0."""
    assert shell.data(b"\0\xff\r\nHi").takeData() == b"\0\xff\r\nHi"
    assert shell.send(EOF).take() == END
    assert shell.send(CLOSE).take() == []


def test_exec(pair):
    """A command is said, after the answer to its request, and ends with status 0."""
    channel = Channel(pair).request(b"exec", NS(b"hello world"))
    assert channel.take() == [(SUCCESS, b""), (DATA, NS(b"hello world\n")), *END]


def test_exec_discards_its_input(pair):
    """What is sent to a command is not echoed, and is no error."""
    channel = Channel(pair).request(b"exec", NS(b"x"), reply=False)
    channel.data(b"input").send(EOF)
    assert channel.take() == [(DATA, NS(b"x\n")), *END]


def test_input_before_the_shell(pair):
    """What comes before the request for a shell, its EOF too, is echoed after it."""
    channel = Channel(pair).data(b"early").send(EOF)
    assert channel.take() == []
    channel.request(b"shell")
    assert channel.take() == [(SUCCESS, b""), (DATA, NS(b"early")), *END]


def test_pty(pair):
    """A shell with a PTY greets, prompts and echoes lines; ^D ends it with status 0."""
    channel = Channel(pair).pty().request(b"shell")
    assert [number for number, _ in channel.take()][:2] == [SUCCESS, SUCCESS]
    assert b"\r\nHi\r\n" in channel.data(b"Hi\r").takeData()
    assert channel.data(b"\x04").take()[-3:] == END


def test_pty_and_exec(pair):
    """A command with a PTY ends its line as a terminal does."""
    channel = Channel(pair).pty()
    channel.take()
    channel.request(b"exec", NS(b"hi"))
    assert channel.take() == [(SUCCESS, b""), (DATA, NS(b"hi\r\n")), *END]


def test_window_change(pair):
    """A window of another size is followed; without a PTY there is none to follow."""
    sizes = []

    class Asking(Protocol):
        def dataReceived(self, data):
            sizes.append((self.transport.session.pty.columns, self.transport.session.pty.rows))

    pair = Pair([HOST_KEY], application=Asking).login()
    channel = Channel(pair)
    size = struct.pack(">4L", 100, 50, 0, 0)
    channel.request(b"window-change", size)
    assert channel.take() == [(FAILURE, b"")]
    channel.pty(columns=0, rows=0).request(b"shell")
    channel.data(b"\r").request(b"window-change", size, reply=False).data(b"\r")
    assert sizes == [(80, 24), (100, 50)]


def test_long_terminal(pair):
    """A terminal's name that is too long to be one is refused."""
    assert Channel(pair).pty(b"x" * (MAX_TERM + 1)).take() == [(FAILURE, b"")]
    assert Channel(pair, mine=8).pty(b"x" * MAX_TERM).take() == [(SUCCESS, b"")]


@pytest.mark.parametrize("name", [b"TERM", b"HUP", b"KILL"])
def test_lethal_signals(pair, name):
    """A signal that ends programs ends the session, which says so; what it owed comes first."""
    channel = Channel(pair, window=3).request(b"shell")
    channel.take()
    channel.data(b"echo").request(b"signal", NS(name), reply=False)
    assert channel.data(b"behind").take() == [(DATA, NS(b"ech"))]
    end = REQUEST, NS(b"exit-signal") + b"\0" + NS(name) + b"\0" + NS(b"") + NS(b"")
    assert channel.grant(100).take() == [(DATA, NS(b"o")), end, (EOF, b""), (CLOSE, b"")]


def test_lethal_signal_with_an_answer(shell):
    """Nothing is said behind the close, not even that the signal was taken."""
    assert shell.request(b"signal", NS(b"TERM")).take()[-1] == (CLOSE, b"")


def test_lethal_signal_at_a_terminal(pair):
    """A terminal is left as it was found, its cursor on a new line."""
    channel = Channel(pair).pty().request(b"shell")
    channel.data(b"typed").take()
    packets = channel.request(b"signal", NS(b"HUP"), reply=False).take()
    shown = b"".join(getNS(payload)[0] for number, payload in packets if number == DATA)
    assert shown.endswith(b"\x1b[?2004l\r\n")
    assert packets[-1] == (CLOSE, b"")


@pytest.mark.parametrize("name", [b"INT", b"USR1", b"SIGTERM", b"", b"\xff"])
def test_harmless_signals(shell, name):
    """A signal that means nothing to a shell without a PTY is refused, and the session goes on."""
    assert shell.request(b"signal", NS(name)).take() == [(FAILURE, b"")]
    assert shell.data(b"Hi").takeData() == b"Hi"


@pytest.mark.parametrize("name", [b"INT", b"TERM"])
def test_early_signals(pair, name):
    """Before there is a program there is nothing to send a signal to."""
    channel = Channel(pair).request(b"signal", NS(name))
    assert channel.take() == [(FAILURE, b"")]
    channel.pty().request(b"signal", NS(name))
    assert channel.take() == [(SUCCESS, b""), (FAILURE, b"")]


@pytest.mark.parametrize(
    ("request_", "payload"), [(b"signal", NS(b"INT")), (b"break", struct.pack(">L", 500))]
)
def test_interrupt(pair, request_, payload):
    """With a PTY an interrupt or a break gives the line up, as ^C does."""
    channel = Channel(pair).pty().request(b"shell")
    channel.data(b"lost").take()
    channel.request(request_, payload)
    packets = channel.take()
    assert (SUCCESS, b"") in packets
    assert any(b"^C" in payload for number, payload in packets if number == DATA)
    assert b"\r\nkept\r\n" in channel.data(b"kept\r").takeData()


def test_break_without_a_terminal(shell):
    """A break where there is no terminal is refused."""
    assert shell.request(b"break", struct.pack(">L", 500)).take() == [(FAILURE, b"")]


class Failing(Protocol):
    """Says what it has to say on standard error, and fails."""

    def connectionMade(self):
        self.transport.write(b"out")
        self.transport.writeError(b"error\n")
        self.transport.exit(3)
        self.transport.exit(4)


def test_errors_and_exit_status():
    """An application has a standard error, and the first exit status that it gives counts."""
    channel = Channel(Pair([HOST_KEY], application=Failing).login(), window=5)
    channel.request(b"exec", NS(b"x"))
    error = struct.pack(">L", 1)
    assert channel.take() == [
        (SUCCESS, b""),
        (DATA, NS(b"out")),
        (EXTENDED_DATA, error + NS(b"er")),
    ]
    end = [exitStatus(3), *END[1:]]
    assert channel.grant(100).take() == [(EXTENDED_DATA, error + NS(b"ror\n")), *end]


def test_errors_on_a_terminal():
    """On a terminal errors stand between the lines of the output."""
    channel = Channel(Pair([HOST_KEY], application=Failing).login()).pty()
    channel.take()
    channel.request(b"exec", NS(b"x"))
    packets = channel.take()
    assert b"".join(getNS(p)[0] for n, p in packets if n == DATA) == b"outerror\r\n"
    assert packets[-3:] == [exitStatus(3), *END[1:]]


@pytest.mark.parametrize("first", [b"shell", b"exec"])
@pytest.mark.parametrize("second", [b"shell", b"exec", b"pty-req", b"env"])
def test_one_program(pair, first, second):
    """A session runs one program; what comes behind the request for it is refused."""
    payloads = {b"shell": b"", b"exec": NS(b"x"), b"env": NS(b"A") + NS(b"B")}
    payloads[b"pty-req"] = NS(b"xterm") + struct.pack(">4L", 80, 24, 0, 0) + NS(b"")
    channel = Channel(pair, window=0).request(first, payloads[first])
    channel.take()
    assert channel.request(second, payloads[second]).take() == [(FAILURE, b"")]


@pytest.mark.parametrize(
    "name", [b"subsystem", b"x11-req", b"auth-agent-req@openssh.com", b"\xff", b"", b"x" * 9999]
)
def test_refused(pair, name):
    """A request for what is not served is refused, and the session goes on."""
    channel = Channel(pair).request(name, NS(b"sftp"))
    assert channel.take() == [(FAILURE, b"")]
    channel.request(b"shell").take()
    assert channel.data(b"Hi").takeData() == b"Hi"


@pytest.mark.parametrize("kind", [b"direct-tcpip", b"x11", b"direct-streamlocal@openssh.com"])
def test_forwarding(pair, kind):
    """A channel of another kind is refused as prohibited, and the connection goes on."""
    pair.send(OPEN, NS(kind), struct.pack(">3L", 5, 1000, 1000))
    [(number, payload)] = pair.take()
    assert (number, payload[:8]) == (OPEN_FAILURE, struct.pack(">2L", 5, 1))
    assert b"nothing is forwarded" in getNS(payload[8:])[0]
    assert Channel(pair).request(b"exec", NS(b"x")).take()[0] == (SUCCESS, b"")


@pytest.mark.parametrize("kind", [b"", b"\xff", b"sessions"])
def test_unknown_kinds_of_channels(pair, kind):
    """A channel of a kind that nobody knows is refused as such, and the connection goes on."""
    pair.send(OPEN, NS(kind), struct.pack(">3L", 5, 1000, 1000))
    [(number, payload)] = pair.take()
    assert (number, payload[:8]) == (OPEN_FAILURE, struct.pack(">2L", 5, 3))
    assert Channel(pair).request(b"exec", NS(b"x")).take()[0] == (SUCCESS, b"")


def test_global_requests(pair):
    """A global request, such as a keepalive or one for forwarding, is answered with a no."""
    for name in (b"keepalive@openssh.com", b"tcpip-forward"):
        pair.send(GLOBAL_REQUEST, NS(name), b"\1")
        assert pair.take() == [(REQUEST_FAILURE, b"")]


@pytest.mark.parametrize("maxPacket", [0, 1, 255])
def test_tiny_packets(pair, maxPacket):
    """A channel whose packets would be mostly padding, or none, is refused."""
    pair.send(OPEN, NS(b"session"), struct.pack(">3L", 5, 1000, maxPacket))
    [(number, payload)] = pair.take()
    assert (number, payload[:8]) == (OPEN_FAILURE, struct.pack(">2L", 5, 4))


def test_too_many_sessions(pair):
    """The eleventh session on a connection is refused, until one of the others has closed."""
    channels = [Channel(pair, mine=number) for number in range(10)]
    pair.send(OPEN, NS(b"session"), struct.pack(">3L", 10, 1000, 1000))
    [(number, payload)] = pair.take()
    assert (number, payload[:8]) == (OPEN_FAILURE, struct.pack(">2L", 10, 4))
    channels[0].send(CLOSE)
    pair.take()
    Channel(pair, mine=10)


def test_refused_without_an_answer(pair):
    """A request that can't be read and wants no answer gets none, and leaves no trace."""
    channel = Channel(pair).request(b"\xff", reply=False).request(b"pty-req", b"x", reply=False)
    assert channel.take() == []
    assert channel.request(b"pty-req", b"x").take() == [(FAILURE, b"")]


SIZE = struct.pack(">4L", 80, 24, 0, 0)


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        (b"shell", b"\0"),
        (b"exec", LYING + b"x"),
        (b"exec", NS(b"x") + b"\0"),
        (b"subsystem", LYING + b"inspect@sshecho"),
        (b"env", NS(b"A") + LYING + b"B"),
        (b"env", NS(b"A") + NS(b"B") + NS(b"C")),
        (b"signal", LYING + b"TERM"),
        (b"pty-req", NS(b"xterm") + SIZE + LYING + b"\0"),
        (b"pty-req", NS(b"xterm") + SIZE + NS(b"\0") + b"\0"),
        (b"window-change", SIZE[:-1]),
        (b"window-change", SIZE + b"\0"),
    ],
)
def test_requests_of_a_wrong_length(pair, name, payload):
    """A request whose values are cut short, or followed by something, is refused."""
    channel = Channel(pair)
    if name == b"window-change":
        channel.pty().take()
    if name == b"signal":
        channel.request(b"shell").take()
    assert channel.request(name, payload).take() == [(FAILURE, b"")]


@pytest.mark.parametrize(
    ("number", "payload"),
    [
        (REQUEST, NS(b"shell")),
        (REQUEST, LYING + b"shell\1"),
        (DATA, LYING + b"x"),
        (DATA, NS(b"x") + b"x"),
        (EXTENDED_DATA, struct.pack(">L", 1) + LYING + b"x"),
        (EXTENDED_DATA, struct.pack(">L", 1) + NS(b"x") + b"x"),
        (WINDOW_ADJUST, bytes(3)),
        (WINDOW_ADJUST, bytes(5)),
        (WINDOW_ADJUST, b"\xff" * 4),
        (EOF, b"\0"),
        (CLOSE, b"\0"),
    ],
)
def test_messages_of_a_wrong_length(pair, number, payload):
    """What a channel is sent is as long as it says, and no window is larger than one can be."""
    channel = Channel(pair)
    pair.send(number, struct.pack(">L", channel.theirs), payload)
    [(number, payload)] = pair.take()
    assert (number, payload[:4]) == (DISCONNECT, struct.pack(">L", 2))


def test_more_than_was_granted(shell):
    """Who sends more than the window takes is closed, and what follows is not passed on."""
    served = shell.pair.server.service.channels[0]
    passed = []
    served._application.dataReceived = passed.append
    served.localWindowLeft = 2
    assert shell.data(b"abc").data(b"x").take() == [(CLOSE, b"")]
    assert passed == []
    assert shell.send(EXTENDED_DATA, struct.pack(">L", 1), NS(b"xyz")).take() == []
    assert shell.send(CLOSE).take() == []
    assert not shell.pair.server.service.channels


def test_errors_behind_the_end(shell):
    """What a session says to standard error when it is closed is neither sent nor counted."""
    connection = shell.pair.server.service
    served = connection.channels[0]
    shell.send(EOF).take()
    connection.sendExtendedData(served, 1, b"late")
    shell.pair.pump.flush()
    assert shell.take() == []
    assert shell.pair.server.traffic.sent == 0


def test_window_full_from_the_beginning(pair):
    """A terminal whose window does not even take the greeting is not read from."""
    channel = Channel(pair, window=0).pty().request(b"shell")
    channel.take()
    assert channel.data(b"x" * 30_000).data(b"y\r" * 10_000).take() == []
    served = pair.server.service.channels[0]
    assert served.paused
    assert len(served.buf) < 1000
    assert channel.grant(1 << 20).take()


class Fragile(Protocol):
    """An application that breaks when it is spoken to."""

    def dataReceived(self, data):
        raise ZeroDivisionError


def test_a_broken_application_ends_its_session(pair):
    """An application that breaks ends its own session with status 1, and the connection lives."""
    pair = Pair([HOST_KEY], application=Fragile).login()
    channel = Channel(pair).request(b"shell")
    channel.take()
    assert channel.data(b"x").take() == [exitStatus(1), *END[1:]]
    Channel(pair, mine=8).request(b"shell")


def test_an_application_that_cannot_be_made(pair):
    """A session whose application can't be made is refused, and the connection lives."""

    def breaks():
        raise ZeroDivisionError

    pair = Pair([HOST_KEY], application=breaks).login()
    assert Channel(pair).request(b"shell").take() == [(FAILURE, b"")]
    Channel(pair, mine=8)


def test_environment():
    """The application can ask for user, door, peer, command, terminal and environment."""
    seen = []

    class Asking(Protocol):
        def connectionMade(self):
            seen.append(self.transport.session)

    channel = Channel(Pair([HOST_KEY], application=Asking).login())
    channel.request(b"env", NS(b"LANG") + NS(b"C")).pty(b"vt100", 132, 43)
    channel.request(b"exec", NS(b"run"))
    assert [number for number, _ in channel.take()][:3] == [SUCCESS] * 3
    [session] = seen
    assert (session.user, session.door, session.command) == (b"user", "ssh", b"run")
    assert (session.pty.term, session.pty.columns, session.pty.rows) == (b"vt100", 132, 43)
    assert session.env == {b"LANG": b"C"}
    assert session.peer


def test_environment_is_bounded(pair):
    """Of variables a session keeps only so many, and only so many bytes."""
    channel = Channel(pair)
    for number in range(MAX_ENV + 1):
        channel.request(b"env", NS(b"%d" % number) + NS(b"x"))
    assert [number for number, _ in channel.take()] == [SUCCESS] * MAX_ENV + [FAILURE]
    channel = Channel(pair, mine=8).request(b"env", NS(b"A") + NS(b"x" * MAX_ENV_BYTES))
    assert channel.take() == [(FAILURE, b"")]


class Named:
    """A checker that lets anyone in, on terms."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, **terms):
        self._terms = Terms(**terms)

    def requestAvatarId(self, credentials):
        return Identity(credentials.username, self._terms)


def loggedIn(application=Echo, **terms) -> Pair:
    """Return a pair that is logged in on terms."""
    return Pair([HOST_KEY], {IUsernamePassword: [Named(**terms)]}, application).login()


def test_forced_command():
    """Whoever has to run one command runs it, whatever they ask for, which it can read."""
    seen = []

    class Asking(Echo):
        def connectionMade(self):
            seen.append((self.transport.session.command, dict(self.transport.session.env)))
            super().connectionMade()

    pair = loggedIn(Asking, command=b"the only one")
    for request, data in [(b"exec", NS(b"another")), (b"shell", b"")]:
        channel = Channel(pair).request(b"env", NS(b"SSH_ORIGINAL_COMMAND") + NS(b"a lie"))
        assert channel.take() == [(FAILURE, b"")]
        channel.request(request, data)
        assert channel.take() == [(SUCCESS, b""), (DATA, NS(b"the only one\n")), *END]
    channel = Channel(pair).request(b"subsystem", NS(b"sftp"))
    assert channel.take() == [(FAILURE, b"")]
    assert seen == [
        (b"the only one", {b"SSH_ORIGINAL_COMMAND": b"another"}),
        (b"the only one", {}),
    ]


def test_no_terminal():
    """Whoever may not have a terminal is refused one, and has the session without it."""
    channel = Channel(loggedIn(pty=False)).pty()
    assert channel.take() == [(FAILURE, b"")]
    assert channel.request(b"shell").data(b"Hi\r").take() == [(SUCCESS, b""), (DATA, NS(b"Hi\r"))]


def test_given_environment():
    """Variables that come with a login are there in every session, and stay as they are."""
    seen = []

    class Asking(Protocol):
        def connectionMade(self):
            seen.append(self.transport.session.env)

    pair = loggedIn(Asking, environment={b"A": b"1"})
    for mine in (7, 8):
        channel = Channel(pair, mine=mine).request(b"env", NS(b"A") + NS(b"2"))
        channel.request(b"env", NS(b"B") + NS(b"%d" % mine)).request(b"shell")
        assert [number for number, _ in channel.take()] == [FAILURE, SUCCESS, SUCCESS]
    assert seen == [{b"A": b"1", b"B": b"7"}, {b"A": b"1", b"B": b"8"}]


@given(st.lists(st.binary(min_size=1, max_size=5000), max_size=12), st.integers(256, 3000))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_pieces(pieces, maxPacket):
    """Bytes in pieces of every size come back, in order, in packets no larger than allowed."""
    channel = Channel(Pair([HOST_KEY]).login(), maxPacket=maxPacket).request(b"shell")
    channel.take()
    for piece in pieces:
        channel.data(piece)
    channel.send(EOF)
    packets = channel.take()
    data = [getNS(payload)[0] for number, payload in packets if number == DATA]
    assert b"".join(data) == b"".join(pieces)
    assert all(len(piece) <= maxPacket for piece in data)
    assert packets[-3:] == END


def test_who_does_not_read_is_not_read_from(pair):
    """A client whose window is full may send one window more; all comes once it reads."""
    channel = Channel(pair, window=1000).request(b"shell")
    channel.take()
    sent = bytes(range(256)) * 100
    total = 0
    granted = channel.window
    while granted >= len(sent):
        channel.data(sent)
        granted -= len(sent)
        total += len(sent)
        packets = channel.take()
        granted += sum(
            struct.unpack(">L", payload)[0]
            for number, payload in packets
            if number == WINDOW_ADJUST
        )
        assert total <= 2 * channel.window + len(sent)
        echoed = [getNS(payload)[0] for number, payload in packets if number == DATA]
        assert sum(map(len, echoed)) <= 1000
    channel.send(EOF)
    assert channel.take() == []
    received = 1000
    while received < total:
        step = min(10_000, total - received)
        packets = channel.grant(step).take()
        received += sum(len(getNS(payload)[0]) for number, payload in packets if number == DATA)
    assert packets[-3:] == END
    assert received == total


def test_one_byte_at_a_time(pair):
    """A client that takes a byte at a time is not granted a window for each of them."""
    channel = Channel(pair, window=10).request(b"shell")
    channel.take()
    channel.data(b"x" * 30_000).data(b"x" * 30_000).data(b"x" * 30_000)
    channel.take()
    for _ in range(100):
        packets = channel.grant(1).take()
        assert [number for number, _ in packets] == [DATA]


def test_closed_while_full(pair):
    """A client that closes without having read all is closed too, and nothing is kept."""
    channel = Channel(pair, window=10).request(b"shell").data(b"x" * 1000)
    channel.take()
    assert channel.send(CLOSE).take() == [(CLOSE, b"")]
    assert pair.server.service.channels == {}


def test_eof_once():
    """An application is told the end of the input once, and nothing that comes behind it."""
    told = []

    @implementer(IHalfCloseableProtocol)
    class Telling(Protocol):
        def dataReceived(self, data):
            told.append(data)

        def readConnectionLost(self):
            told.append("eof")

    channel = Channel(Pair([HOST_KEY], application=Telling).login()).request(b"shell")
    for _ in range(2):
        channel.data(b"data").send(EOF)
    assert told == [b"data", "eof"]


@implementer(IPushProducer)
class Producing(Protocol):
    """An application that is a producer, and writes down what it is told."""

    def __init__(self, states):
        self.states = states

    def connectionMade(self):
        self.transport.registerProducer(self, True)

    def pauseProducing(self):
        self.states.append("paused")

    def resumeProducing(self):
        self.states.append("producing")

    def stopProducing(self):
        """Nothing."""


@pytest.mark.parametrize("ends", [False, True])
def test_new_keys(ends):
    """While keys are exchanged nobody may send, as it would be kept; then they go on."""
    states = []
    pair = Pair([HOST_KEY], application=lambda: Producing(states)).login()
    Channel(pair, window=(1 << 32) - 1).request(b"shell").take()
    if not ends:
        pair.client.dispatchMessage = lambda *_: None
    pair.client.sendKexInit()
    pair.pump.flush()
    assert states == (["paused", "producing"] if ends else ["paused"])


def test_a_session_that_begins_while_keys_are_exchanged():
    """A session that is opened while the server waits for new keys waits with it."""
    states = []
    pair = Pair([HOST_KEY], application=lambda: Producing(states)).login()
    answer, pair.client.ssh_KEXINIT = pair.client.ssh_KEXINIT, lambda packet: offers.append(packet)
    offers = []
    pair.server.rekey()
    pair.send(OPEN, NS(b"session"), struct.pack(">3L", 7, 1000, 1000))
    pair.send(REQUEST, struct.pack(">L", 0), NS(b"shell"), b"\1")
    assert states == ["paused"]
    answer(offers[0])
    pair.pump.flush()
    assert states == ["paused", "producing"]


def test_data_behind_the_end(shell):
    """What is still under way when a session ends is dropped."""
    shell.send(EOF)
    shell.take()
    shell.data(b"late").send(EXTENDED_DATA, struct.pack(">L", 1), NS(b"x")).send(EOF)
    assert shell.take() == []
    assert shell.send(CLOSE).take() == []


def test_connection_lost_in_mid_session(pair):
    """When the connection breaks, the application of each session is told, once."""
    lost = []

    class Mortal(Protocol):
        def connectionLost(self, reason):
            lost.append(self)
            raise ZeroDivisionError  # which does not keep the others from being told

    pair = Pair([HOST_KEY], application=Mortal).login()
    for number in (1, 2):
        Channel(pair, mine=number).request(b"shell")
        pair.take()
    Channel(pair, mine=3)
    pair.lose()
    assert len(set(lost)) == 2 == len(lost)
    assert pair.log == [(b"user", "login"), (b"user", "logout")]


def test_application_without_half_close(pair):
    """An application that knows nothing of EOF is closed at the end of its input."""
    channel = Channel(Pair([HOST_KEY], application=Protocol).login()).request(b"shell")
    channel.take()
    assert channel.send(EOF).take() == END


def test_paused_from_the_beginning():
    """An application that pauses as it begins gets nothing before it resumes."""
    received = []

    class Sleepy(Protocol):
        def connectionMade(self):
            self.transport.pauseProducing()

        def dataReceived(self, data):
            received.append(data)

    pair = Pair([HOST_KEY], application=Sleepy).login()
    Channel(pair).data(b"early").request(b"shell").data(b"late")
    assert received == []
    pair.server.service.channels[0].resumeProducing()
    assert received == [b"early", b"late"]


def test_producers(shell):
    """A session takes one producer, a streaming one, which waits while the window is full."""
    channel = shell.pair.server.service.channels[0]
    with pytest.raises(RuntimeError, match="one producer"):
        channel.registerProducer(channel, True)
    channel.unregisterProducer()
    with pytest.raises(RuntimeError, match="streaming"):
        channel.registerProducer(channel, False)
    channel.write(b"x" * (1 << 21))
    assert not channel.paused
    channel.registerProducer(channel, True)
    assert channel.paused
    channel.stopProducing()
    shell.grant(1 << 21)
    assert shell.take()[-3:] == END


def test_several_sessions(pair):
    """Sessions on one connection do not get in each other's way."""
    one = Channel(pair, mine=1).request(b"shell")
    one.take()
    two = Channel(pair, mine=2, window=5).request(b"shell").data(b"more than five")
    two.take()
    assert one.data(b"one").takeData() == b"one"
    assert one.send(EOF).take() == END
    assert two.grant(100).takeData() == b"than five"


def test_paced_connection(shell):
    """While the connection is full nothing is read and every session waits; then both go on."""
    pair = shell.pair
    reading = []
    pair.serverTCP.pauseProducing = lambda: reading.append(False)
    pair.serverTCP.resumeProducing = lambda: reading.append(True)
    assert pair.serverTCP.producer is pair.server
    pair.server.pauseProducing()
    channel = pair.server.service.channels[0]
    assert (reading, channel.paused) == ([False], True)
    assert shell.data(b"kept").grant(1).take() == []
    pair.server.resumeProducing()
    assert (reading, channel.paused) == ([False, True], False)
    pair.pump.flush()
    assert shell.takeData() == b"kept"


def test_a_connection_that_is_full_again(pair):
    """When what the first session had to say fills the connection, the others wait on."""
    channels = []
    for number in range(3):
        channels.append(Channel(pair, mine=number).request(b"shell"))
        pair.take()
    served = list(pair.server.service.channels.values())
    pair.server.pauseProducing()
    for channel in channels:
        channel.data(b"x")
    write, resumed = pair.serverTCP.write, []

    def full(data):
        write(data)
        pair.server.pauseProducing()

    pair.serverTCP.write = full
    pair.serverTCP.resumeProducing = lambda: resumed.append(True)
    pair.server.resumeProducing()
    pair.pump.flush()
    assert [number for number, _ in pair.take()] == [DATA]
    assert all(one.paused for one in served)
    assert resumed == []


def test_unpaced_when_it_closes(pair):
    """A connection that is closing waits for no producer."""
    pair.client.sendDisconnect(11, b"bye")
    pair.pump.flush()
    assert pair.serverTCP.producer is None


def test_eof_waits(shell):
    """The end of the input does not overtake an application that waits."""
    channel = shell.pair.server.service.channels[0]
    channel.pauseProducing()
    assert shell.send(EOF).take() == []
    channel.resumeProducing()
    shell.pair.pump.flush()
    assert shell.take() == END


def test_nothing_is_not_kept(pair):
    """Empty pieces, which take no window, are not kept until a shell is there."""
    channel = Channel(pair)
    for _ in range(100):
        channel.data(b"")
    assert not pair.server.service.channels[0]._kept


@pytest.mark.parametrize("name", [b"shell", b"winadj@putty.projects.tartarus.org"])
def test_requests_behind_the_end(shell, name):
    """A request to a session that we have closed is neither answered nor obeyed."""
    shell.send(EOF).take()
    assert shell.request(name).take() == []


def test_the_producer_of_a_session_is_stopped():
    """What an application reads from is told when its session is over."""
    stopped = []

    class Reading(Protocol):
        def connectionMade(self):
            self.transport.registerProducer(self, True)

        def stopProducing(self):
            stopped.append(self)

    pair = Pair([HOST_KEY], application=Reading).login()
    Channel(pair).request(b"shell")
    pair.lose()
    assert len(stopped) == 1


class Stubborn(Protocol):
    """An application whose producer breaks."""

    def connectionMade(self):
        self.transport.registerProducer(self, True)

    def dataReceived(self, data):
        self.transport.write(data)

    def pauseProducing(self):
        raise ZeroDivisionError

    resumeProducing = stopProducing = pauseProducing


def test_a_producer_that_breaks():
    """A producer that breaks ends its own session, and the connection lives."""
    pair = Pair([HOST_KEY], application=Stubborn).login()
    channel = Channel(pair, window=3).request(b"shell")
    channel.take()
    channel.data(b"more than three").take()
    packets = channel.grant(100).take()
    assert packets == [(DATA, NS(b"e than three")), exitStatus(1), *END[1:]]
    Channel(pair, mine=8)
