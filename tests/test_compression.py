"""Compression: what is inflated is what was sent, is bounded, and waits for the login."""

import random
import subprocess
import sys
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from attacking.client import Client
from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import logged, told
from hypothesis import given, settings
from hypothesis import strategies as st
from sshpair import (
    DATA,
    DISCONNECT,
    SERVICE_REQUEST,
    USERAUTH_SUCCESS,
    Channel,
    Pair,
)
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import DISCONNECT_COMPRESSION_ERROR

from sshecho.ssh.algorithms import MODERN, POLICIES
from sshecho.ssh.packets.compression import DELAYED, NONE, ZLIB, Compression
from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.stream import LARGEST, Incoming, Outgoing

HOST = Key(ed25519.Ed25519PrivateKey.generate())
IGNORE = 2
NOISE = random.Random(1).randbytes(20_000)
DULL = b"\x5e" + b"all work and no play " * 200
BOTH = [ZLIB, DELAYED]


def ends(outgoing=ZLIB, incoming=ZLIB, loggedIn=False):
    """Return the compression of a client, and that of its server."""
    return (
        Compression(outgoing, incoming, isClient=True, loggedIn=loggedIn),
        Compression(incoming, outgoing, isClient=False, loggedIn=loggedIn),
    )


def refused(compression, payload, largest=LARGEST):
    """Return why what has come is refused."""
    with pytest.raises(ProtocolError) as caught:
        compression.inflate(payload, largest)
    assert caught.value.code == DISCONNECT_COMPRESSION_ERROR
    return str(caught.value)


# The streams.


def test_round_trip():
    """What is deflated is inflated again, payload by payload, both ways, whatever its size."""
    client, server = ends()
    for payload in (DULL, b"\x02", NOISE, DULL, bytes(LARGEST), b"\x5e" + NOISE[:99], DULL):
        assert server.inflate(client.deflate(payload), LARGEST) == payload
        assert client.inflate(server.deflate(payload), LARGEST) == payload


def test_format():
    """On the wire is one zlib stream for all the packets, each flushed so far as it goes."""
    client, _ = ends()
    sent = [client.deflate(payload) for payload in (DULL, NOISE, DULL)]
    assert sent[0][:1] == b"\x78"  # deflate, with a window of 32 KiB (RFC 1950, section 2.2)
    reader = zlib.decompressobj()
    assert [reader.decompress(part) for part in sent] == [DULL, NOISE, DULL]
    assert not reader.eof


def test_goes_on():
    """What was said before makes less of what is said again."""
    client, _ = ends()
    first = client.deflate(NOISE)
    assert len(first) > len(NOISE)
    assert len(client.deflate(NOISE)) < len(NOISE) / 20


def test_known_answer():
    """A block that is stored as it is (RFC 1951, section 3.2.4) is read, and the next one."""
    _, server = ends()
    assert server.inflate(b"\x78\x9c\x00\x03\x00\xfc\xffone", LARGEST) == b"one"
    assert server.inflate(b"\x00\x05\x00\xfa\xffother", LARGEST) == b"other"


def test_as_large_as_may_be():
    """A payload may inflate to the largest size and to no byte more."""
    for size in (1, 100, LARGEST):
        client, server = ends()
        assert len(server.inflate(client.deflate(b"\x5e" * size), size)) == size
        client, server = ends()
        assert "too large" in refused(server, client.deflate(b"\x5e" * (size + 1)), size)


def test_bomb():
    """What would inflate to a hundred megabytes is refused when it has come to the limit."""
    bomb = zlib.compress(b"\x5e" + bytes(100 << 20), 9)
    given = []

    class Watched:
        def __init__(self):
            self._inflater = zlib.decompressobj()
            self.eof = False

        def decompress(self, data, most):
            given.append(self._inflater.decompress(data, most))
            return given[-1]

    _, server = ends()
    server._inflater = Watched()
    assert "too large" in refused(server, bomb)
    assert [len(data) for data in given] == [LARGEST + 1]


def test_spoiled():
    """What no zlib has written is refused, and so is what spoils the stream later on."""
    _, server = ends()
    assert "spoiled" in refused(server, NOISE)
    for at in (0, 1):
        client, server = ends()
        deflated = bytearray(client.deflate(DULL))
        deflated[at] ^= 0xFF
        assert "spoiled" in refused(server, bytes(deflated))
    client, server = ends()
    server.inflate(client.deflate(DULL), LARGEST)
    assert "spoiled" in refused(server, b"\xff" * 40)


def test_nothing():
    """What inflates to nothing is no message, and no stream may end."""
    client, server = ends()
    assert "cut short" in refused(server, client.deflate(DULL)[:2])
    _, server = ends()
    assert "cut short" in refused(server, zlib.compress(DULL))


def test_each_way_for_itself():
    """One direction may be compressed and the other not."""
    client, server = ends(ZLIB, NONE)
    assert client.deflate(DULL) != DULL
    assert server.deflate(DULL) == DULL
    assert client.inflate(DULL, LARGEST) == DULL


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.booleans())
def test_anything(payloads, begun):
    """Whatever comes, it is inflated to no more than may be, or refused."""
    client, server = ends()
    if begun:
        server.inflate(client.deflate(DULL), LARGEST)
    with suppress(ProtocolError):
        for payload in payloads:
            assert 0 < len(server.inflate(payload, 50)) <= 50


# The login.


def test_waits():
    """The delayed kind begins behind the success of a login, for both sides and directions."""
    client, server = ends(DELAYED, DELAYED)
    success = bytes([USERAUTH_SUCCESS])
    assert client.deflate(DULL) == server.deflate(DULL) == DULL
    assert server.inflate(DULL, LARGEST) == client.inflate(DULL, LARGEST) == DULL
    assert server.deflate(success) == client.inflate(success, LARGEST) == success
    assert client.deflate(DULL) != DULL != server.deflate(DULL)


def test_one_way_waits():
    """A direction waits too if the other, in which the success goes by, has no compression."""
    client, server = ends(DELAYED, NONE)
    success = bytes([USERAUTH_SUCCESS])
    assert client.deflate(DULL) == DULL
    assert client.inflate(server.deflate(success), LARGEST) == success
    assert client.deflate(DULL) != DULL
    assert server.inflate(ends()[0].deflate(DULL), LARGEST) == DULL


def test_success_is_the_servers():
    """No client says for the server that it is in."""
    client, server = ends(DELAYED, DELAYED)
    success = bytes([USERAUTH_SUCCESS])
    assert server.inflate(client.deflate(success), LARGEST) == success
    assert not client.loggedIn
    assert not server.loggedIn
    assert server.inflate(DULL, LARGEST) == DULL


def test_logged_in_before():
    """Under new keys the delayed kind goes on at once if the login was under old ones."""
    client, server = ends(DELAYED, DELAYED, loggedIn=True)
    assert server.inflate(client.deflate(DULL), LARGEST) == DULL
    assert client.deflate(DULL) != DULL


# The packets.


def test_packets():
    """Packets carry what was deflated, whole with its number, and less of it."""
    client, server = ends()
    outgoing, incoming = Outgoing(), Incoming()
    plain = len(b"".join(outgoing.packet(DATA, DULL)))
    outgoing.deflate, incoming.inflate = client.deflate, server.inflate
    for sequence in range(3):
        packet = b"".join(outgoing.packet(DATA, DULL))
        assert len(packet) < plain / 10
        assert list(incoming.messages(packet)) == [(DATA, DULL)]
        assert incoming.sequence == sequence + 1


def test_limit_in_force():
    """What is inflated may be as large as a packet may be at the time."""
    client, server = ends()
    outgoing, incoming = Outgoing(), Incoming()
    outgoing.deflate, incoming.inflate = client.deflate, server.inflate
    incoming.largest = 100_000
    large = bytes(incoming.largest - 1)
    assert list(incoming.messages(b"".join(outgoing.packet(DATA, large)))) == [(DATA, large)]
    incoming.largest -= 1
    with pytest.raises(ProtocolError, match="too large"):
        list(incoming.messages(b"".join(outgoing.packet(DATA, large))))


# Connections.


def joined(offered, wanted=None):
    """Return a server that offers some compression, and a client that wants some of it."""

    class Wanting(Client):
        supportedCompressions = wanted or offered

    return Pair([HOST], policy=replace(MODERN, compressions=offered), client=Wanting)


def shell(pair):
    channel = Channel(pair)
    channel.request(b"shell")
    channel.take()
    return channel


def carried(pair):
    """Return how many bytes the server's keys have carried: what came, and what went."""
    return pair.server.incoming.carried, pair.server.outgoing.carried


@pytest.mark.parametrize("kind", BOTH)
def test_connection(kind):
    """A client logs in, and what it sends takes less of the wire and comes back as it was."""
    pair = joined((kind,))
    assert pair.server.agreed.toServer.compression == kind
    assert pair.server.agreed.toClient.compression == kind
    channel = shell(pair.login())
    before = carried(pair)
    for _ in range(10):
        channel.data(DULL)
    assert channel.takeData() == DULL * 10
    assert all(now - then < len(DULL) for now, then in zip(carried(pair), before, strict=True))


@pytest.mark.parametrize("kind", BOTH)
def test_new_keys(kind):
    """Under new keys both begin anew, whoever changes them, in the middle of data too."""
    channel = shell(joined((kind,)).login())
    pair = channel.pair
    for change in (pair.server.rekey, pair.client.rekey, pair.server.rekey):
        channel.data(NOISE)
        before, exchanges = pair.server._compression, pair.client.exchanges
        change()
        channel.data(NOISE + DULL)
        pair.flush()
        assert pair.client.exchanges == exchanges + 1
        assert pair.server._compression is not before
        assert channel.takeData() == NOISE + NOISE + DULL
        start = carried(pair)
        channel.data(NOISE)
        assert all(now - then < 25_000 for now, then in zip(carried(pair), start, strict=True))
        assert channel.takeData() == NOISE


@pytest.mark.parametrize("kind", BOTH)
def test_keys_at_each_byte(kind):
    """Keys that are changed all the time change nothing of what comes back."""
    channel = shell(joined((kind,)).login())
    channel.pair.server.rekeyLimit = 5000
    before = channel.pair.client.exchanges
    for _ in range(10):
        channel.data(NOISE)
    assert channel.takeData() == NOISE * 10
    assert channel.pair.client.exchanges > before + 5


@pytest.mark.parametrize("before", [False, True])
def test_login_while_keys_are_exchanged(before):
    """A success that waits for new keys is the last that is not compressed."""
    pair = joined((DELAYED,))
    pair.requestUserAuth()
    if before:
        pair.client.rekey()
        pair.flush()
    pair.client.answers = False
    pair.server.rekey()
    pair.password()
    assert pair.take() == []
    pair.client.ssh_KEXINIT(pair.client.unanswered)
    pair.client.answers = True
    pair.flush()
    assert pair.take() == [(USERAUTH_SUCCESS, b"")]
    channel = shell(pair)
    start = carried(pair)
    channel.data(DULL)
    assert channel.takeData() == DULL
    assert all(now - then < 1000 for now, then in zip(carried(pair), start, strict=True))


def test_before_the_login():
    """Nothing of a stranger's is inflated where compression waits, and the login's is plain."""
    pair = joined((DELAYED,))
    start = carried(pair)
    pair.send(IGNORE, NS(DULL))
    assert carried(pair)[0] - start[0] > len(DULL)
    pair.login()
    start = carried(pair)
    pair.send(IGNORE, NS(DULL))
    assert carried(pair)[0] - start[0] < 500


def test_pair_of_directions():
    """A client may want each direction in another way."""

    class Mixed(Client):
        supportedCompressions = (DELAYED, NONE)

        def _ourOffer(self):
            offer = super()._ourOffer()
            return replace(offer, compressions=((DELAYED,), (NONE,)))

    policy = replace(MODERN, compressions=(NONE, ZLIB, DELAYED))
    pair = Pair([HOST], policy=policy, client=Mixed)
    assert pair.server.agreed.toServer.compression == DELAYED
    assert pair.server.agreed.toClient.compression == NONE
    channel = shell(pair.login())
    for _ in range(2):
        start = carried(pair)
        channel.data(DULL)
        assert channel.takeData() == DULL
        came, went = (now - then for now, then in zip(carried(pair), start, strict=True))
        assert came < 500
        assert went > len(DULL)
        pair.server.rekey()
        pair.flush()


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(zlib.compress(b"\x02" + bytes(10 << 20), 9), id="bomb"),
        pytest.param(NOISE[:200], id="noise"),
        pytest.param(zlib.compress(b""), id="nothing"),
    ],
)
def test_bad_packets(what):
    """Whoever sends what can't be inflated is told so, and goes; it is a broken protocol."""
    pair = joined((ZLIB,))
    pair.client.outgoing.deflate = lambda payload: what
    with logged() as events:
        pair.send(SERVICE_REQUEST, NS(b"ssh-userauth"))
    [(number, payload)] = pair.take()
    assert (number, int.from_bytes(payload[:4], "big")) == (DISCONNECT, 6)
    [event] = told(events, "protocol.error")
    assert "compressed" in event["why"]


# What is offered.


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_policies(policy):
    """No policy of ours has any."""
    assert policy.compressions == (NONE,)
    pair = Pair([HOST], policy=policy)
    assert pair.server._offer.compressions == ((NONE,), (NONE,))
    assert pair.server.outgoing.deflate is pair.server.incoming.inflate is None


def test_client_without():
    """A client that wants none gets none where there is some, and none behind the login."""
    pair = joined((ZLIB, DELAYED, NONE), (NONE,))
    assert pair.server.agreed.toServer.compression == NONE
    channel = shell(pair.login())
    channel.data(DULL)
    pair.server.rekey()
    channel.data(DULL)
    pair.flush()
    assert channel.takeData() == DULL * 2


def test_not_imported():
    """A server that offers none has no code for it."""
    script = (
        "import sys; sys.path[:0] = ['tests', 'scripts']\n"
        "from test_transport import HOST, Channel, Pair\n"
        "Channel(Pair([HOST]).login()).request(b'shell')\n"
        "unwanted = ('sshecho.ssh.packets.compression', 'sshecho.testing')\n"
        "print([name for name in sys.modules if name.startswith(unwanted)])"
    )
    root = Path(__file__).resolve().parents[1]
    output = subprocess.check_output([sys.executable, "-c", script], cwd=root)
    assert output == b"[]\n"
