"""The line door, with whatever bytes in whatever pieces, slow checkers, and breaks in it."""

from fuzzing.visitor import PEER
from fuzzing.wire import Wire
from fuzzmachine import Machine, bounded, texts
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from sshecho.line import (
    ACCEPTED,
    BAD_TELNET,
    DENIED,
    GOING_DOWN,
    MAX_LOGIN_LINE,
    MAX_WAITING,
    TOO_LONG,
)
from sshecho.service.sockets import LARGEST_READ
from sshecho.telnet import DO, DONT, IAC, MAX_SUBNEGOTIATION, SB, SE, WILL, WONT

LINES = [b"user pass", b"user pass", b"anonymous", b"user no", b"user", b"", b" ", b"\0 \xff"]
LINES += [b"x" * MAX_LOGIN_LINE, b"x" * (MAX_LOGIN_LINE + 1), b"user " + b"x" * 2000]
COMMANDS = [[IAC, IAC], [IAC, DO, 1], [IAC, WILL, 255], [IAC, DONT, 3], [IAC, WONT, 0], [IAC, 241]]
COMMANDS += [
    [IAC, SB, 24, 1, IAC, SE],
    [IAC, SB, IAC, IAC, IAC, SE],
    [IAC],
    [IAC, DO],
    [IAC, SB, 1],
]
COMMANDS += [[IAC, SE], [IAC, SB, *[1] * 1024, IAC, SE], [IAC, SB, *[1] * 1025, IAC, SE], [13, 0]]

GOODBYES = DENIED, TOO_LONG, GOING_DOWN

pieces = st.binary(min_size=1, max_size=200) | texts.filter(bool)
telnet = st.lists(st.sampled_from(COMMANDS).map(bytes) | pieces, min_size=1, max_size=5).map(
    b"".join
)
_WITH_OPTION = [[DO], [DONT], [WILL], [WONT]]


class Spoken:
    """The data in what is spoken in Telnet, read byte by byte, or in what is not.

    From the client CR NUL is a CR; the server sends a CR as it is.
    """

    def __init__(self, telnet, fromClient):
        self._telnet = telnet
        self._fromClient = fromClient
        self._command = []
        self._afterReturn = self._option = False
        self.broken = False  # whether a subnegotiation was too long; the rest does not matter
        self.data = bytearray()

    def hear(self, stream):
        for byte in stream if self._telnet else []:
            if not self.broken:
                self._byte(byte)
        self.data += b"" if self._telnet else stream

    def _byte(self, byte):
        command = self._command
        if not command and byte != IAC:
            if not (self._afterReturn and byte == 0):
                self.data.append(byte)
            self._afterReturn = self._fromClient and byte == 13
            return
        self._afterReturn = False
        command.append(byte)
        if command == [IAC, IAC]:
            self.data.append(IAC)
        if (len(command) == 2 and byte not in (DO, DONT, WILL, WONT, SB)) or (
            len(command) > 2 and command[1] != SB
        ):
            command.clear()
        elif self._option:
            self._option = False
            if byte == SE:
                self.broken = len(command) - 4 > MAX_SUBNEGOTIATION
                command.clear()
        else:
            self._option = len(command) > 2 and byte == IAC
            self.broken = len(command) - 3 > MAX_SUBNEGOTIATION


class Caller:
    """One connection to the line door, from its client's side."""

    code = None  # the door says why in words

    def __init__(self, house, telnet):
        self.house = house
        self.server = house.line.buildProtocol(PEER)
        self.wire = Wire(self.server, house.clock, PEER)
        self.sent = Spoken(telnet, True)
        self.got = Spoken(telnet, False)
        self.begun = False

    def send(self, data):
        self.begun = self.begun or data != b""
        self.sent.hear(data)
        self.wire.deliver(data)
        return self.settle()

    def settle(self):
        self.wire.settle()
        self.got.hear(self.wire.take())
        return self

    def leave(self):
        self.wire.lose()
        self.house.checkEmpty()


class LineDoor(Machine):
    """A client of the line door."""

    factor = 1
    allowance = 200
    most = MAX_WAITING + LARGEST_READ + 8192

    @initialize(slow=st.booleans(), telnet=st.booleans())
    def begin(self, slow, telnet):
        self.slow, self.telnet = slow, telnet
        self.house = self.furnish()

    def arrive(self):
        self.waitUntilWelcome()
        caller = Caller(self.house, self.telnet)
        if self.telnet:
            caller.send(bytes([IAC, 241]))
        return caller

    def lastWords(self):
        """Return a login and something more, or only that."""
        words = b"user pass\nlast words"
        self.live.sent.hear(words)
        return words

    def act(self, data=b""):
        """Send something; only who speaks Telnet begins with IAC."""
        caller = self.live
        data = data if caller.begun else data.lstrip(bytes([IAC]))
        caller.send(data)
        self.read()

    def read(self):
        """See to it that the answer is one that may be, and the echo what was said."""
        caller = self.visitor
        got, sent = caller.got.data, caller.sent.data
        if caller.sent.broken:
            assert caller.wire.closing or caller.wire.arrived
            got = got.removesuffix(BAD_TELNET)
        assert got in (b"", *GOODBYES) or got.startswith(ACCEPTED)
        if got in GOODBYES:
            assert caller.wire.closing
        elif got:
            said, echo = sent.partition(b"\n")[2], got[len(ACCEPTED) :]
            busy = caller.wire._full or caller.wire.arrived or caller.wire.closing
            assert echo == said or (busy and said.startswith(echo))

    @rule(
        line=st.sampled_from(LINES), end=st.sampled_from([b"\n", b"\r\n", b"\r", b""]), rest=pieces
    )
    def login(self, line, end, rest):
        self.act(line + end + rest)

    @rule(data=pieces)
    def say(self, data):
        self.act(data)

    @rule(data=telnet)
    def sayTelnet(self, data):
        self.act(data)

    @rule(data=telnet | pieces, size=st.integers(1, 5))
    def sayInPieces(self, data, size):
        for at in range(0, min(len(data), 3000), size):
            self.act(data[at : at + size])

    @rule(size=st.sampled_from([1, LARGEST_READ, 5 * LARGEST_READ]))
    def flood(self, size):
        if not self.telnet:
            self.act(b"x" * size)

    @rule(end=st.sampled_from([b"\n", b"\r\n"]), data=telnet)
    def enter(self, end, data):
        """A good login, before which nothing else was said."""
        self.leave()
        self.act(b"user pass" + end)
        self.answer(0)
        self.act(data)

    @rule(line=st.sampled_from([b"user pass\n", b""]))
    def halfClose(self, line):
        caller = self.live
        caller.send(line)
        caller.wire.endInput()
        caller.settle()
        self.read()

    @rule(which=st.integers(0, 9))
    def answer(self, which):
        """The checker answers, for the client that is here or for one that has left."""
        self.house.passwords.answer(which)
        self.act()

    def welcomesOthers(self):
        super().welcomesOthers()
        other = Caller(self.house, False).send(b"user pass\nstill there?").settle()
        assert other.got.data == ACCEPTED + b"still there?"
        other.leave()


LineDoor.TestCase.settings = bounded(150)
TestLineDoor = LineDoor.TestCase
