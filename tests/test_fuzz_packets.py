"""The packet layer below the login, with what no client should send, before and behind keys."""

from dataclasses import replace

from fuzzing.visitor import Visitor
from fuzzmachine import Long, Machine, bounded, lying, numbers, payloads, texts
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from twisted.conch.ssh.common import NS

from sshecho.ssh.algorithms import COMPATIBLE, HOST_SIGNATURES
from sshecho.ssh.packets.keyexchange import METHODS
from sshecho.ssh.packets.negotiation import STRICT_CLIENT, Offer

KEXINIT, NEWKEYS, KEX_INIT, GEX_INIT, GEX_REQUEST, SERVICE_REQUEST = 20, 21, 30, 32, 34, 5
PROTOCOL_ERROR, KEY_EXCHANGE_FAILED, MAC_ERROR, NO_SERVICE, VERSION, BY_APPLICATION = (
    2,
    3,
    5,
    7,
    8,
    11,
)
ANY = {PROTOCOL_ERROR, KEY_EXCHANGE_FAILED, MAC_ERROR, NO_SERVICE, VERSION}
VERSIONS = [
    b"SSH-2.0-x\r\n",
    b"SSH-2.0-x\n",
    b"SSH-1.99-x y\r\n",
    b"SSH-1.5-x\r\n",
    b"SSH-3\n",
    b"SSH-2.0-\0\r\n",
    b"SSH-2.0-\xff\r\n",
    b"SSH-2.0-" + b"x" * 246 + b"\r\n",
    b"SSH-2.0-" + b"x" * 247 + b"\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\n",
    b"\r\n" * 40,
    b"SSH-",
    b"x" * 300,
]
LOW_ORDER = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]
ORDINARY = b"\x09" + bytes(31)
NAMES = [*METHODS, *HOST_SIGNATURES, *COMPATIBLE.ciphers, *COMPATIBLE.macs]
NAMES += [
    b"none",
    b"zlib",
    b"ext-info-c",
    b"ext-info-s",
    STRICT_CLIENT,
    b"kex-strict-s-v00@openssh.com",
]
ODD_LISTS = [
    b",",
    b"a,",
    b",a",
    b"a,,b",
    b"a b",
    b"\xff",
    b"\0",
    b"x" * 65,
    Long(b"a," * 9000 + b"a"),
]

lists = st.lists(st.sampled_from(NAMES), max_size=6).map(b",".join)
lists |= st.sampled_from([b",".join(METHODS), b"none", *ODD_LISTS]) | st.binary(max_size=20)
shares = st.sampled_from([*LOW_ORDER, ORDINARY, b"", ORDINARY[1:], ORDINARY + b"\0"])
shares |= st.sampled_from(
    [
        Long(b"\xff" * 1216),
        Long(1216),
        Long(bytes(1184) + ORDINARY),
        Long(b"\xff" * 1184 + ORDINARY),
    ]
)
shares |= st.sampled_from(
    [b"\1", b"\2", b"\x80", b"\0\2", Long(b"\x7f" * 256), Long(b"\x7f" * 512), Long(b"\xff" * 513)]
)
shares |= st.sampled_from([b"\4" + bytes(64), b"\2" + ORDINARY, Long(b"\4" + b"\xff" * 132)])
shares |= st.binary(max_size=70) | st.binary(min_size=32, max_size=32)
groups = st.sampled_from([0, 1, 1023, 2048, 3072, 4096, 8192, 1 << 31, (1 << 32) - 1])


def offers(method):
    """Return offers of a client that wants a method, and says odd things beside it."""
    odd = st.lists(st.from_regex(rb"[!-+\--~]{1,64}", fullmatch=True), max_size=4).map(tuple)
    markers = st.lists(st.sampled_from([b"ext-info-c", STRICT_CLIENT]), max_size=2).map(tuple)

    def pair(names):
        one = st.builds(lambda odd, name: (*odd, name), odd, st.sampled_from(names))
        return st.tuples(one, one)

    return st.builds(
        Offer,
        st.builds(lambda odd, said: (*said, *odd, method, *odd), odd, markers),
        odd.map(lambda odd: (*odd, b"ssh-ed25519")),
        pair(COMPATIBLE.ciphers),
        pair(COMPATIBLE.macs),
        pair([b"none"]),
        st.tuples(odd, odd),
    )


offered = st.one_of([offers(method) for method in COMPATIBLE.keyExchanges])


class PacketLayer(Machine):
    """A client that has not logged in, before it has keys or behind that."""

    factor = 12  # a key exchange is begun by a few bytes

    @initialize(keys=st.booleans())
    def begin(self, keys):
        self.keys = keys

    def arrive(self):
        visitor = Visitor(self.house, begin=self.keys)
        visitor.inStep = True  # whether the server sees packets where the client does
        return visitor

    def act(self, data, codes):
        """Send something, for which the server may leave for one of these reasons only."""
        visitor = self.live
        gone = visitor.wire.closing
        visitor.deliver(data)
        if not gone and visitor.wire.closing and visitor.code is not None:
            assert visitor.code in (codes if visitor.inStep else ANY)

    def greet(self):
        if not self.live.server.gotVersion:
            self.act(VERSIONS[0], set())

    def message(self, number, payload, codes):
        self.greet()
        self.act(self.live.packet(number, payload), codes)

    @rule(version=st.sampled_from(VERSIONS), cut=st.integers(0, 300))
    def version(self, version, cut):
        self.live.inStep = False
        self.act(version[:cut], ANY)

    @rule(data=st.binary(max_size=100) | texts)
    def rawBytes(self, data):
        self.live.inStep = False
        self.act(data, ANY)

    @rule(padding=st.integers(0, 5) | st.integers(0, 255), rest=st.binary(max_size=80))
    def badPadding(self, padding, rest):
        """A packet whose padding is too short, or longer than it is, is the end."""
        self.greet()
        visitor = self.live
        protection = visitor.peer.outgoing._protection
        body = b"\2" + rest  # something to ignore
        body += bytes(-(len(body) + 1 + protection.counted) % protection.block)
        wrong = visitor.inStep and not visitor.wire.closing and not 4 <= padding < len(body)
        self.act(visitor.misshapen(padding, body), {PROTOCOL_ERROR} if wrong else ANY)
        assert visitor.wire.closing or visitor.wire.arrived or not wrong

    @rule(
        body=st.binary(max_size=80),
        length=st.sampled_from([0, 1, 5, 6, 35000, 35001, 35016, 1 << 31, (1 << 32) - 1]),
    )
    def badLength(self, body, length):
        self.greet()
        self.live.inStep = False
        self.act(self.live.misshapen(4, body, length), ANY)

    @rule(number=numbers, payload=payloads)
    def anything(self, number, payload):
        self.message(number, payload, {PROTOCOL_ERROR, KEY_EXCHANGE_FAILED, NO_SERVICE})

    @rule(name=st.sampled_from([b"ssh-userauth", b"ssh-connection", b"x"]) | texts)
    def service(self, name):
        self.message(SERVICE_REQUEST, NS(name), {PROTOCOL_ERROR, NO_SERVICE})

    @rule(
        cookie=st.sampled_from([bytes(16), b"", bytes(15), b"\xff" * 17]),
        names=st.lists(lists, min_size=9, max_size=11),
        tail=st.sampled_from([bytes(5), b"\1" + bytes(4), b"", bytes(4), bytes(6), b"\xff" * 5]),
    )
    def mangledKeyExchange(self, cookie, names, tail):
        payload = cookie + b"".join(map(NS, names)) + tail
        self.message(KEXINIT, payload, {PROTOCOL_ERROR, KEY_EXCHANGE_FAILED})
        self.live.peer.exchanging = False

    def beginExchange(self, method, guessed):
        """Send a KEXINIT that the server can take, and leave the rest to the next steps."""
        self.live.peer.exchanging = False
        names = [method], [b"ssh-ed25519"], *[[b"aes128-ctr"]] * 2, *[[b"hmac-sha2-256"]] * 2
        lists = b"".join(NS(b",".join(some)) for some in (*names, [b"none"], [b"none"], [], []))
        payload = bytes(16) + lists + bytes([guessed]) + bytes(4)
        self.message(KEXINIT, payload, {PROTOCOL_ERROR})

    @rule(
        method=st.sampled_from(COMPATIBLE.keyExchanges),
        guessed=st.booleans(),
        number=st.sampled_from([KEX_INIT, GEX_INIT, GEX_REQUEST, 31, 33]),
        share=shares.map(NS) | lying,
    )
    def share(self, method, guessed, number, share):
        self.beginExchange(method, guessed)
        self.message(number, share, {PROTOCOL_ERROR, KEY_EXCHANGE_FAILED})

    @rule(
        method=st.sampled_from([name for name in COMPATIBLE.keyExchanges if b"25519" in name]),
        share=st.sampled_from([*LOW_ORDER, b"", ORDINARY[1:], Long(b"\xff" * 1184 + ORDINARY)]),
    )
    def badShare(self, method, share):
        """A point that is none, or of low order, is the end of the key exchange."""
        self.beginExchange(method, False)
        visitor = self.live
        due = visitor.inStep and not visitor.wire.closing
        self.message(KEX_INIT, NS(share), {KEY_EXCHANGE_FAILED})
        assert visitor.wire.closing or visitor.wire.arrived or not due

    @rule(sizes=st.tuples(groups, groups, groups), share=shares.map(NS) | lying, extra=texts)
    def groupExchange(self, sizes, share, extra):
        self.beginExchange(b"diffie-hellman-group-exchange-sha256", False)
        request = b"".join(size.to_bytes(4, "big") for size in sizes)
        self.message(GEX_REQUEST, request + extra, {PROTOCOL_ERROR, KEY_EXCHANGE_FAILED})
        self.message(GEX_INIT, share, {PROTOCOL_ERROR, KEY_EXCHANGE_FAILED})

    @rule()
    def flood(self):
        """Who sends a MiB and does not log in has to go."""
        for _ in range(34):
            self.message(2, NS(bytes(32_000)), {PROTOCOL_ERROR})
        assert self.live.wire.closing or self.live.wire.arrived

    @rule(payload=st.sampled_from([b"", b"\0"]))
    def newKeys(self, payload):
        self.message(NEWKEYS, payload, {PROTOCOL_ERROR})

    @rule(offer=offered, guessed=st.booleans())
    def exchange(self, offer, guessed):
        """Whatever else a good client offers, it gets its keys, and the first packet under them."""
        if not self.keys:
            self.leave()
            self.live.exchange(replace(offer, guessed=False))
        elif self.live.peer.exchanging and self.live.inStep and not self.live.wire.closing:
            self.live.wire.drain()
            before = self.live.peer.exchanges
            self.live.rekey(offer)
            if self.live.code == PROTOCOL_ERROR:  # too many of them
                return
            assert self.live.peer.exchanges == before + 1
        else:
            return
        assert self.live.code is None
        self.live.take()
        self.live.send(2, NS(b"ignored")).send(192)
        assert [number for number, _ in self.live.take()][-1] in (1, 3)


PacketLayer.TestCase.settings = bounded(120)
TestPacketLayer = PacketLayer.TestCase
