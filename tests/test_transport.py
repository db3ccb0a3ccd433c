"""The SSH transport: strict key exchange, new keys in time, and nothing before its time."""

from __future__ import annotations

import struct

import pytest
from attacking.client import Client
from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import logged
from sshpair import (
    DATA,
    DISCONNECT,
    GLOBAL_REQUEST,
    LIMITS,
    SERVICE_REQUEST,
    USERAUTH_REQUEST,
    Channel,
    Pair,
)
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from sshecho.service.limits import rekeyLimit
from sshecho.ssh.packets.negotiation import STRICT_CLIENT
from sshecho.ssh.packets.transport import KEY_EXCHANGE_TIME, REKEY_INTERVAL

IGNORE, UNIMPLEMENTED, DEBUG, EXT_INFO, KEXINIT, NEWKEYS, KEX_INIT = 2, 3, 4, 7, 20, 21, 30
HOST = Key(ed25519.Ed25519PrivateKey.generate())
KEEPALIVE = (GLOBAL_REQUEST, NS(b"keepalive@openssh.com") + b"\1")


@pytest.fixture
def pair():
    """A client and a server with keys."""
    return Pair([HOST])


def code(packet) -> int:
    """Return the reason in a DISCONNECT."""
    assert packet[0] == DISCONNECT
    return int.from_bytes(packet[1][:4], "big")


class Raw:
    """A server, and a client that has sent its version and no key exchange of its own."""

    def __init__(self, lines=b"SSH-2.0-raw\r\n", strict=True):
        self.pair = Pair([HOST])
        self.server = self.pair.server.factory.buildProtocol(None)
        self.server.makeConnection(StringTransport())
        self.client = Client(Clock())
        if not strict:
            self.client.supportedKeyExchanges = [b"curve25519-sha256"]
            offer = self.client._ourOffer
            self.client._ourOffer = lambda: _without(offer())
        self.client.makeConnection(StringTransport())
        self.client.outgoing = type(self.client.outgoing)()
        self.server.dataReceived(lines)

    def send(self, number, payload=b""):
        self.server.dataReceived(b"".join(self.client.outgoing.packet(number, payload)))
        return self

    @property
    def said(self):
        """The messages that the server has sent."""
        data = self.server.transport.value().partition(b"\r\n")[2]
        return list(type(self.client.incoming)().messages(data))


def _without(offer):
    names = tuple(name for name in offer.keyExchanges if name != STRICT_CLIENT)
    return type(offer)(names, *list(vars(offer).values())[1:])


def test_strict(pair):
    """Both sides agree on strict key exchange, and count packets anew with each key."""
    assert pair.server.strictKeyExchange
    assert pair.client.strictKeyExchange
    assert pair.server.incoming.sequence == 0
    assert pair.client.outgoing.sequence == 0
    assert pair.server.outgoing.sequence == 1  # EXT_INFO
    pair.login()
    pair.client.rekey()
    pair.pump.flush()
    assert pair.server.incoming.sequence == pair.server.outgoing.sequence == 0


@pytest.mark.parametrize("number", [IGNORE, DEBUG, UNIMPLEMENTED])
@pytest.mark.parametrize("first", [True, False])
def test_strict_initial_exchange(number, first):
    """In a strict first key exchange nothing else is taken, before KEXINIT or behind it."""
    raw = Raw()
    payload = {IGNORE: NS(b"x"), DEBUG: b"\0" + NS(b"") * 2, UNIMPLEMENTED: bytes(4)}[number]
    kexInit = raw.client.ourKexInitPayload[1:]
    if first:
        raw.send(number, payload).send(KEXINIT, kexInit)
    else:
        raw.send(KEXINIT, kexInit).send(number, payload)
    assert code(raw.said[-1]) == 2
    assert raw.server.transport.disconnecting


@pytest.mark.parametrize("number", [IGNORE, DEBUG])
def test_lax_initial_exchange(number):
    """A client that knows nothing of strict key exchange may say what it likes in between."""
    raw = Raw(strict=False).send(IGNORE, NS(b"x")).send(KEXINIT, raw_kexinit())
    raw.send(number, b"\0" + NS(b"") * 2)
    assert not raw.server.strictKeyExchange
    assert [number for number, _ in raw.said] == [KEXINIT]


def raw_kexinit():
    """Return the KEXINIT of a client that is not strict."""
    return Raw(strict=False).client.ourKexInitPayload[1:]


@pytest.mark.parametrize(
    "number", [SERVICE_REQUEST, EXT_INFO, USERAUTH_REQUEST, GLOBAL_REQUEST, 90, NEWKEYS, KEX_INIT]
)
@pytest.mark.parametrize("behind", [False, True])
def test_nothing_before_the_keys(number, behind):
    """Before there are keys no service is to be had, nor a step of the exchange out of its turn."""
    raw = Raw()
    if behind:
        raw.send(KEXINIT, raw.client.ourKexInitPayload[1:])
    if behind and number == KEX_INIT:
        number = 31
    raw.send(number, NS(b"ssh-userauth"))
    assert code(raw.said[-1]) == 2


@pytest.mark.parametrize("number", [GLOBAL_REQUEST, 90, 94, 98])
def test_nothing_before_the_login(pair, number):
    """Before the login there are no channels."""
    pair.requestUserAuth().send(number, NS(b"session") + bytes(12))
    assert code(pair.take()[-1]) == 2


@pytest.mark.parametrize("number", [NEWKEYS, KEX_INIT, 31, 34])
def test_steps_out_of_turn(pair, number):
    """A step of a key exchange when there is none ends the connection."""
    pair.login().send(number, b"")
    assert code(pair.take()[-1]) == 2


@pytest.mark.parametrize("number", [KEX_INIT, 34])
def test_wrong_guesses(number):
    """A first message that was sent on a wrong guess is passed over, and the next one taken."""
    offer = bytearray(raw_kexinit())
    offer[-5] = 1
    raw = Raw(strict=False).send(KEXINIT, bytes(offer)).send(number, b"whatever")
    assert [number for number, _ in raw.said] == [KEXINIT]
    raw.send(KEX_INIT, NS(b"\x09" + bytes(31)))
    assert raw.server.isEncrypted("out")
    assert not raw.server.transport.disconnecting


def test_extensions(pair):
    """What a client tells of itself takes the place of what it told before."""
    for name in (b"first", b"second"):
        pair.send(EXT_INFO, struct.pack(">L", 1) + NS(name) + NS(b"1"))
    assert pair.server.peerExtensions == {b"second": b"1"}
    pair.send(EXT_INFO, struct.pack(">L", 2) + NS(b"x") + NS(b"1"))
    assert code(pair.take()[-1]) == 2


@pytest.mark.parametrize(
    "share", [b"", bytes(32), b"\1" + bytes(31), b"x" * 31, b"x" * 33, b"x" * 30000]
)
def test_bad_shares(share):
    """A share that can't be ends the connection, with the code for it."""
    raw = Raw(strict=False).send(KEXINIT, raw_kexinit()).send(KEX_INIT, NS(share))
    assert code(raw.said[-1]) == 3


def test_nothing_in_common():
    """A client that has nothing in common with the server is told what it is."""
    raw = Raw(strict=False)
    offer = raw_kexinit().replace(b"curve25519-sha256", b"curve25519-sha257")
    raw.send(KEXINIT, offer)
    assert code(raw.said[-1]) == 3
    assert b"key exchange method" in raw.said[-1][1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b"GET / HTTP/1.1\r\n", 2), (b"SSH-1.5-x\r\n", 8), (b"SSH-2.0-" + b"x" * 300, 2)]
    + [(b"SSH-2.0-\0\r\n", 2), (b"x" * 300, 2), (b"\r\n", 2), (b"\n", 2), (b"\n" * 99, 2)],
)
def test_versions(line, reason):
    """Who is no SSH client, or an old one, is told so, and nothing is kept of it."""
    assert code(Raw(line).said[-1]) == reason


def test_what_comes_before_a_version():
    """A client passes over a server's lines, but not without end."""
    client = Client(Clock())
    client.makeConnection(StringTransport())
    client.dataReceived(b"\nhello\r\n\n" * 99)
    assert not client.transport.disconnecting
    client.dataReceived(b"\n" * 5000)
    assert client.transport.disconnecting


@pytest.mark.parametrize("line", [b"SSH-2.0-x\r\n", b"SSH-2.0-x\n", b"SSH-1.99-x y z\r\n"])
def test_versions_in_pieces(line):
    """A version may come byte by byte."""
    raw = Raw(b"")
    for byte in line:
        raw.server.dataReceived(bytes([byte]))
    assert raw.server.otherVersionString == line.rstrip()
    assert not raw.server.transport.disconnecting


def test_one_wrong_byte(pair):
    """A packet that was changed on its way ends the connection, with MAC error and no traceback."""
    pair.login()
    packet = bytearray(b"".join(pair.client.outgoing.packet(*KEEPALIVE)))
    packet[10] ^= 1
    with logged() as seen:
        pair.server.dataReceived(bytes(packet))
    pair.pump.flush()
    assert code(pair.take()[-1]) == 5
    assert not [event for event in seen if event.get("log_failure")]


def test_both_at_once(pair):
    """Both sides may begin a key exchange at the same time, in the middle of data."""
    channel = Channel(pair.login())
    channel.request(b"shell")
    channel.take()
    before = pair.client.exchanges
    pair.server.rekey()
    pair.client.rekey()
    channel.data(b"across\n")
    pair.pump.flush()
    assert pair.client.exchanges != before
    assert not pair.server.exchangingKeys
    assert channel.takeData() == b"across\n"
    channel.data(b"after\n")
    assert channel.takeData() == b"after\n"


@pytest.mark.parametrize("ciphers", [[b"aes128-gcm@openssh.com"], [b"aes256-ctr"]])
def test_limit(ciphers):
    """Keys are changed once they have carried so many bytes, in whichever direction."""
    pair = Pair([HOST])
    pair.client.supportedCiphers = tuple(ciphers)
    pair.server.rekeyLimit = 10_000
    channel = Channel(pair.login())
    channel.request(b"shell")
    channel.take()
    seen = set()
    for _ in range(50):
        channel.data(b"x" * 500)
        seen.add(pair.client.exchanges)
    assert channel.takeData() == b"x" * 25_000
    assert len(seen) in (3, 4)


def test_old_keys(pair):
    """Keys are changed after an hour, though nothing is sent."""
    pair.login()
    before = pair.client.exchanges
    pair.clock.advance(REKEY_INTERVAL - 1)
    pair.pump.flush()
    assert pair.client.exchanges == before
    pair.clock.advance(1)
    pair.pump.flush()
    assert pair.client.exchanges != before


def test_an_exchange_that_does_not_end(pair):
    """A client that does not answer our KEXINIT in time is told goodbye."""
    pair.login()
    pair.client.ssh_KEXINIT = lambda packet: None
    pair.server.rekey()
    pair.pump.flush()
    pair.clock.advance(KEY_EXCHANGE_TIME)
    pair.pump.flush()
    assert code(pair.take()[-1]) == 11


def test_no_more_time_to_log_in(pair):
    """Who exchanges keys again and again gets no more time to log in."""
    for _ in range(round(LIMITS.loginGrace) // 30):
        pair.client.rekey()
        pair.pump.flush()
        pair.clock.advance(30)
    pair.pump.flush()
    assert code(pair.take()[-1]) == 11


def test_what_waits(pair):
    """While keys are exchanged nothing else is sent, and what waits for them is bounded."""
    channel = Channel(pair.login())
    channel.request(b"shell")
    channel.take()
    pair.client.ssh_KEXINIT = lambda packet: None
    pair.server.rekey()
    pair.send(*KEEPALIVE)
    channel.data(b"x" * 1000)
    assert pair.take() == []
    for _ in range(20_000):
        pair.client.sendPacket(*KEEPALIVE)
    pair.flush()
    assert code(pair.take()[-1]) == 2
    assert pair.server._heldSize < 2 << 20


def test_nothing_is_kept_behind_a_goodbye(pair):
    """What waits for new keys is dropped with a goodbye, and nothing is kept after it."""
    pair.login()
    pair.serverTCP.loseConnection = pair.clientTCP.loseConnection = lambda: None
    pair.client.ssh_KEXINIT = lambda packet: None
    pair.server.rekey()
    for _ in range(2):
        pair.server.sendPacket(DATA, bytes(1000))
        pair.server.loseConnection()
    assert not pair.server._held
    pair.pump.flush()
    assert [number for number, _ in pair.take()] == [DISCONNECT]


def test_faults_of_our_own(pair, monkeypatch):
    """A message that we fail to handle is logged with the fault, and is nobody else's."""
    pair.login()

    def breaks(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(pair.server.service, "ssh_GLOBAL_REQUEST", breaks)
    with logged() as seen:
        pair.send(*KEEPALIVE)
    assert code(pair.take()[-1]) == 11
    assert [event["log_failure"].type for event in seen if event.get("log_failure")] == [
        ZeroDivisionError
    ]


def test_what_waited(pair):
    """What waited for new keys comes with them, in its order."""
    pair.login()
    keep, pair.client.ssh_KEXINIT = pair.client.ssh_KEXINIT, lambda packet: offers.append(packet)
    offers: list[bytes] = []
    pair.server.rekey()
    for _ in range(3):
        pair.send(*KEEPALIVE)
    assert pair.take() == []
    pair.client.ssh_KEXINIT = keep
    pair.client.ssh_KEXINIT(offers[0])
    pair.pump.flush()
    assert [number for number, _ in pair.take()] == [82, 82, 82]


def test_largest_packets(pair):
    """Before the login packets are no larger than they have to be, and larger behind it."""
    pair.login().send(DATA, bytes(100_000))
    assert code(pair.take()[-1]) == 2  # no such channel
    pair = Pair([HOST])
    pair.send(SERVICE_REQUEST, bytes(36_000))
    assert getNS(pair.take()[-1][1][4:])[0] == b"bad packet length"


@pytest.mark.parametrize(
    ("text", "size"), [("1G", 1 << 30), ("512m", 512 << 20), ("64K", 64 << 10), ("4096", 4096)]
)
def test_sizes(text, size):
    """A limit is a number of bytes, with a unit or without."""
    assert rekeyLimit(text) == size


@pytest.mark.parametrize("text", ["", "G", "1T", "-1", "0", "1023", "17G", "1.5G", "٣K", "9" * 30])
def test_no_sizes(text):
    """What is no number of bytes, or one that makes no sense, is refused."""
    with pytest.raises(ValueError, match="it is"):
        rekeyLimit(text)
