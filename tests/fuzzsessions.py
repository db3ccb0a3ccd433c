"""The client of the fuzz test of channels: what it knows of its sessions, and what may come."""

import struct
from dataclasses import dataclass, field

from fuzzing.visitor import Visitor
from fuzzmachine import BY_APPLICATION, CONNECTION_LOST, PROTOCOL_ERROR, Machine
from twisted.conch.ssh.common import NS, getNS

from sshecho.ssh.connection import MIN_PACKET

DISCONNECT, GLOBAL, GLOBAL_SUCCESS, GLOBAL_FAILURE = 1, 80, 81, 82
OPEN, CONFIRMATION, OPEN_FAILURE, ADJUST, DATA = 90, 91, 92, 93, 94
EXTENDED, EOF, CLOSE, REQUEST, SUCCESS, FAILURE = 95, 96, 97, 98, 99, 100
LARGEST = (1 << 32) - 1


@dataclass
class Session:
    """What the client knows of a channel."""

    mine: int
    granted: int
    maxPacket: int
    theirs: int | None = None
    window: int = 0
    largest: int = 0
    asked: int = 0  # requests that are to be answered
    sent: bytearray = field(default_factory=bytearray)
    got: bytearray = field(default_factory=bytearray)
    echoes: bool = False  # whether a shell runs in it
    spoiled: bool = False  # whether what comes back need not be what was sent
    eof: bool = False
    closed: bool = False  # by the server
    left: bool = False  # closed by us


class SessionClient(Machine):
    """A client that is logged in, and sees to it that its sessions are served as they should be.

    Its first session is a shell, and used well.
    """

    factor = 12
    allowance = 8192
    most = 4_500_000

    timeOuts = frozenset([BY_APPLICATION, CONNECTION_LOST])
    daring = False  # whether it does what may end the connection

    def arrive(self):
        visitor = Visitor(self.house).login()
        visitor.sessions = {}
        visitor.asked = 0
        visitor.data = 0
        visitor.next = 0
        visitor.unanswered = None
        visitor.opensAny = False
        visitor.probes = 0
        self.visitor = visitor
        self.open(b"session", LARGEST, 1 << 15)
        self.request(visitor.sessions[0], b"shell", True, b"")
        return visitor

    def lastWords(self):
        """Return more messages than are handled in a turn."""
        visitor = self.live
        good = visitor.sessions[0]
        said = struct.pack(">L", good.theirs), NS(b"x")
        times = min(100, good.window)
        visitor.asked += times
        good.sent += b"x" * times
        good.window -= times
        packets = (visitor.packet(GLOBAL, NS(b"x"), b"\1") for _ in range(times))
        return b"".join(packet + visitor.packet(DATA, *said) for packet in packets)

    def staysSmall(self, visitor):
        visitor.wire.sent -= visitor.data  # for which the client has given leave
        visitor.data = 0
        super().staysSmall(visitor)

    # What the client sends.

    def act(self, codes, number, *parts):
        """Send something, for which the server may leave for one of these reasons only."""
        visitor = self.live
        gone = visitor.wire.closing
        visitor.send(number, *parts)
        self.read()
        if not gone and visitor.wire.closing:
            assert visitor.code in (codes if number != DISCONNECT else (*codes, None))

    def open(self, kind, window, maxPacket, extra=b""):
        visitor = self.visitor
        session = Session(visitor.next, window, maxPacket)
        visitor.sessions[session.mine] = session
        visitor.next += 1
        numbers = struct.pack(">3L", session.mine, window, maxPacket)
        self.act(set(), OPEN, NS(kind), numbers, extra)
        return session

    def request(self, session, name, answer, data):
        session.asked += answer and not session.closed
        if name not in (b"shell", b"env", b"window-change"):
            session.spoiled = True
        self.toSession(set(), session, REQUEST, NS(name), bytes([answer]), data)

    def toSession(self, codes, session, number, *parts):
        if session.theirs is None or session.left:
            codes = codes | {PROTOCOL_ERROR}
        theirs = 77 if session.theirs is None else session.theirs
        self.act(codes, number, struct.pack(">L", theirs), *parts)

    def session(self, which):
        """Return one of the sessions; the first is the one that is used well."""
        sessions = list(self.live.sessions.values())[1:]
        if not self.daring:
            sessions = [one for one in sessions if one.theirs is not None and not one.left]
        if not sessions:
            return self.open(b"session", LARGEST, 1 << 15)
        return sessions[which % len(sessions)]

    @property
    def waits(self):
        """Whether the server may have more to say than it has said."""
        visitor = self.visitor
        return visitor.wire._full or visitor.server.exchangingKeys or visitor.wire.closing

    def sendData(self, session, data):
        """Send data; who sends more than they may loses the session."""
        if not (session.eof or session.closed or session.left):
            session.sent += data
        tooMuch = len(data) > min(session.window, session.largest)
        session.spoiled = session.spoiled or tooMuch
        session.window -= len(data)
        self.toSession(set(), session, DATA, NS(data))
        assert session.closed or not tooMuch or self.waits

    # What comes back.

    def read(self):
        """Read what has come, of which each message must be one that is due."""
        visitor = self.visitor
        for number, payload in visitor.take():
            if number in (GLOBAL_SUCCESS, GLOBAL_FAILURE):
                visitor.asked -= 1
                assert visitor.asked >= 0
            elif number >= OPEN:
                session = visitor.sessions.get(struct.unpack(">L", payload[:4])[0])
                opened = number in (CONFIRMATION, OPEN_FAILURE)
                if session is None or (opened and session.theirs is not None):
                    assert visitor.opensAny
                else:
                    self.readSession(session, number, payload[4:])
            else:
                assert number in (DISCONNECT, 3, GLOBAL), number
                visitor.probes += number == GLOBAL
        for session in visitor.sessions.values():
            assert session.spoiled or session.sent.startswith(session.got)

    def readSession(self, session, number, payload):
        assert not session.closed
        if number == CONFIRMATION:
            session.theirs, session.window, session.largest = struct.unpack(">3L", payload)
            assert session.maxPacket >= MIN_PACKET
        elif number == OPEN_FAILURE:
            session.closed = True
        elif number == ADJUST:
            session.window += struct.unpack(">L", payload)[0]
            assert session.window <= LARGEST
        elif number in (DATA, EXTENDED):
            data = getNS(payload[4 * (number == EXTENDED) :])[0]
            session.got += data
            session.granted -= len(data)
            self.visitor.data += len(data) + 64
            assert session.granted >= 0
            assert len(data) <= session.maxPacket
        elif number in (SUCCESS, FAILURE):
            session.asked -= 1
            assert session.asked >= 0
        elif number == CLOSE:
            session.closed = True
