"""Channels behind the login: one is used well, beside others that are not."""

import struct
from dataclasses import replace

from fuzzing.house import LIMITS
from fuzzmachine import (
    NO_SERVICE,
    PROTOCOL_ERROR,
    bounded,
    lying,
    numbers,
    odd,
    payloads,
    sizes,
    texts,
)
from fuzzsessions import (
    ADJUST,
    CLOSE,
    CONFIRMATION,
    DATA,
    EOF,
    EXTENDED,
    FAILURE,
    GLOBAL,
    GLOBAL_FAILURE,
    GLOBAL_SUCCESS,
    LARGEST,
    OPEN,
    OPEN_FAILURE,
    SessionClient,
)
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from twisted.conch.ssh.common import NS

from sshecho.ssh.connection import MIN_PACKET

TERMINALS = [NS(term) + struct.pack(">4L", 80, 24, 0, 0) + NS(b"") for term in (b"xterm", b"dumb")]
REQUESTS = {
    b"shell": st.just(b""),
    b"exec": texts.map(NS),
    b"subsystem": st.sampled_from([b"inspect", b"sftp"]).map(NS),
    b"pty-req": st.builds(
        lambda term, size, modes: NS(term) + size + NS(modes),
        texts,
        st.tuples(sizes, sizes, sizes, sizes).map(lambda four: struct.pack(">4L", *four)),
        texts,
    ),
    b"window-change": st.tuples(sizes, sizes).map(lambda two: struct.pack(">4L", *two, 0, 0)),
    b"env": st.tuples(texts, texts).map(lambda two: NS(two[0]) + NS(two[1])),
    b"signal": st.sampled_from([b"INT", b"TERM", b"KILL", b"USR1", b"\xff"]).map(NS),
    b"break": st.just(bytes(4)),
    b"x11-req": payloads,
    b"auth-agent-req@openssh.com": st.just(b""),
    b"exit-status": st.just(bytes(4)),
}
KINDS = [b"session", b"session", b"session", b"direct-tcpip", b"x11", b"tun@openssh.com"]
GLOBALS = [b"keepalive@openssh.com", b"tcpip-forward", b"streamlocal-forward@openssh.com"]

requests = st.one_of([st.tuples(st.just(name), data) for name, data in REQUESTS.items()])
requests |= st.tuples(texts, payloads) | st.tuples(st.sampled_from(sorted(REQUESTS)), payloads)
changes = st.one_of(
    [st.tuples(st.just(name), REQUESTS[name]) for name in (b"window-change", b"signal", b"break")]
)
keys = st.text(
    "\r\n\t\x01\x03\x04\x05\x0b\x0c\x12\x15\x17\x19\x1b[ABCDOH~ab\u6f22\u0301", max_size=60
)
windows = st.sampled_from([0, 1, 100, 1 << 15, 1 << 20, LARGEST])
packets = st.sampled_from([0, 1, MIN_PACKET - 1, MIN_PACKET, 1 << 15, LARGEST])
which = st.integers(0, 5)


class Sessions(SessionClient):
    """A client that is logged in, and does what it likes beside its good session."""

    @initialize(daring=st.booleans(), rekeyLimit=st.sampled_from([LIMITS.rekeyLimit, 1 << 12]))
    def begin(self, daring, rekeyLimit):
        self.daring = daring
        self.limits = replace(LIMITS, maxSessions=4, rekeyLimit=rekeyLimit)
        self.house = self.furnish()

    # The one that is used well.

    @rule(data=st.binary(min_size=1, max_size=2000))
    def say(self, data):
        """What a good session says comes back, whatever the others do."""
        visitor = self.live
        good = visitor.sessions[0]
        self.sendData(good, data[: good.window])
        assert self.waits or good.got == good.sent
        assert not good.closed or visitor.wire.closing

    @rule(times=st.integers(2, 200), piece=st.sampled_from([1 << 16, 1000, 7]))
    def chatter(self, times, piece):
        """Many messages at once, in pieces of any size, are handled one by one, in order."""
        visitor = self.live
        good = visitor.sessions[0]
        packets = bytearray()
        for at in range(min(times, good.window)):
            said = bytes([at % 256])
            good.sent += said
            good.window -= 1
            packets += visitor.packet(DATA, struct.pack(">L", good.theirs), NS(said))
            packets += visitor.packet(GLOBAL, NS(b"x"), b"\1")
            visitor.asked += 1
        while packets:
            visitor.wire.deliver(bytes(packets[:piece]))
            del packets[:piece]
            visitor.settle()
        self.read()
        assert self.waits or good.got == good.sent

    # The others.

    @rule(kind=st.sampled_from(KINDS) | texts, window=windows, maxPacket=packets, extra=payloads)
    def anySession(self, kind, window, maxPacket, extra):
        self.live  # noqa: B018 - it may be another one
        self.open(kind, window, maxPacket, extra)

    @rule(window=windows, maxPacket=st.sampled_from([MIN_PACKET, 1 << 15]))
    def shell(self, window, maxPacket):
        self.live  # noqa: B018 - likewise
        session = self.open(b"session", window, maxPacket)
        self.request(session, b"shell", True, b"")
        session.echoes = session.theirs is not None

    @rule(which=which, request=requests, answer=st.booleans())
    def anyRequest(self, which, request, answer):
        self.request(self.session(which), *request[:1], answer, *request[1:])

    @rule(which=which, data=st.binary(max_size=200) | texts)
    def data(self, which, data):
        self.sendData(self.session(which), data)

    @rule(
        which=which, size=st.sampled_from([32768, 32769, 131072, 200_000]), times=st.integers(1, 5)
    )
    def muchData(self, which, size, times):
        for _ in range(times):
            self.sendData(self.session(which), b"x" * size)

    @rule(
        kind=st.sampled_from(TERMINALS), window=windows, does=st.lists(keys | changes, max_size=8)
    )
    def terminal(self, kind, window, does):
        """Somebody types at a terminal, which changes its size and sends signals."""
        self.live  # noqa: B018 - likewise
        session = self.open(b"session", window, 1 << 15)
        for request in ((b"pty-req", kind), (b"shell", b"")):
            self.request(session, request[0], True, request[1])
        for one in does:
            if isinstance(one, str):
                self.sendData(session, one.encode())
            else:
                self.request(session, one[0], True, one[1])

    @rule(which=which, data=lying)
    def lyingData(self, which, data):
        if self.daring:
            session = self.session(which)
            session.spoiled = True
            self.toSession({PROTOCOL_ERROR}, session, DATA, data)

    @rule(which=which, kind=sizes, data=texts, head=st.none() | st.binary(max_size=4))
    def extendedData(self, which, kind, data, head):
        session = self.session(which)
        string = NS(data) if head is None or not self.daring else head + data
        session.spoiled = True
        session.window -= len(string) - 4
        self.toSession({PROTOCOL_ERROR}, session, EXTENDED, struct.pack(">L", kind), string)

    @rule(which=which, count=sizes)
    def adjust(self, which, count):
        session = self.session(which)
        if not self.daring:
            count = min(count, LARGEST - session.granted)
        session.granted += count
        tooMany = session.granted > LARGEST
        codes = {PROTOCOL_ERROR} if tooMany else set()
        self.toSession(codes, session, ADJUST, struct.pack(">L", count))
        wire = self.visitor.wire
        assert not tooMany or session.closed or wire.closing or wire.arrived

    @rule(which=which)
    def eof(self, which):
        """A shell that has heard all, and said all, ends."""
        session = self.session(which)
        session.eof = True
        self.toSession(set(), session, EOF)
        left = self.waits or session.spoiled or session.got != session.sent
        assert left or session.closed or not session.echoes

    @rule(which=which)
    def close(self, which):
        session = self.session(which)
        self.toSession(set(), session, CLOSE)
        session.left = True

    @rule(
        number=st.sampled_from(range(ADJUST, FAILURE + 1)),
        theirs=st.integers(0, 9) | sizes,
        rest=payloads,
    )
    def anyChannel(self, number, theirs, rest):
        """Any message to any channel but the good one."""
        if not self.daring:
            return
        if theirs == self.live.sessions[0].theirs:
            theirs = LARGEST
        for session in self.live.sessions.values():
            session.spoiled = session.spoiled or session.theirs == theirs
            session.asked += 1
        self.act({PROTOCOL_ERROR}, number, struct.pack(">L", theirs), rest)
        for session in self.live.sessions.values():
            session.left = session.left or (number == CLOSE and session.theirs == theirs)

    @rule(payload=payloads, kind=st.sampled_from([b"session", b"x"]), rest=payloads)
    def anyOpen(self, payload, kind, rest):
        if not self.daring:
            return
        self.live.opensAny = True
        self.act({PROTOCOL_ERROR}, OPEN, payload)
        self.act({PROTOCOL_ERROR}, OPEN, NS(kind), b"\xff" + rest)

    @rule(
        number=numbers.filter(lambda number: number not in (*range(20, 50), *range(81, 101))),
        payload=payloads,
    )
    def anything(self, number, payload):
        if not self.daring and (number < 8 or number == GLOBAL):
            return
        self.live.asked += number == GLOBAL
        self.act({PROTOCOL_ERROR, NO_SERVICE}, number, payload)

    @rule(
        number=st.sampled_from([GLOBAL_SUCCESS, GLOBAL_FAILURE, CONFIRMATION, OPEN_FAILURE]),
        payload=payloads,
    )
    def answer(self, number, payload):
        """An answer to what was not asked ends the connection."""
        visitor = self.live
        asked = number in (GLOBAL_SUCCESS, GLOBAL_FAILURE) and visitor.probes
        if asked or self.daring:
            visitor.probes -= bool(asked)
            self.act(set() if asked else {PROTOCOL_ERROR}, number, payload)
            assert asked or visitor.wire.closing or visitor.wire.arrived

    @rule(
        name=st.sampled_from(GLOBALS) | odd,
        answer=st.sampled_from([b"\0", b"\1", b""]),
        rest=payloads,
    )
    def globalRequest(self, name, answer, rest):
        self.live.asked += 1
        if not self.daring:
            name, answer = name.decode(errors="ignore").encode(), answer or b"\0"
            name = name if name.isascii() else b""
        self.act({PROTOCOL_ERROR}, GLOBAL, NS(name), answer, rest)

    # What goes on around them.

    @rule()
    def rekey(self):
        if not self.live.wire.closing and self.live.peer.answers:
            self.live.wire.drain()
            self.live.rekey()
            self.read()

    @rule()
    def serverRekeys(self):
        """The server wants new keys, and has to wait until the client does its part."""
        if not self.live.wire.closing and self.live.peer.answers and not self.live.wire._full:
            self.live.peer.answers = False
            self.live.server.rekey()
            self.live.settle()
            self.live.unanswered = True
            self.read()

    @rule()
    def answerRekey(self):
        if self.live.unanswered and not self.live.wire.closing:
            self.live.unanswered = None
            self.live.peer.answers = True
            self.live.peer.goOn()
            self.live.settle()
            self.read()


Sessions.TestCase.settings = bounded(240, 40)
TestSessions = Sessions.TestCase
