"""KEXINIT: what is offered, and what is agreed on."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.transport import DISCONNECT_KEY_EXCHANGE_FAILED, DISCONNECT_PROTOCOL_ERROR

from sshecho.ssh.packets import negotiation
from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.negotiation import Direction, Offer, agree, guessedWrong, read, write
from sshecho.ssh.packets.protection import IMPLICIT

GCM, CHACHA, CTR = b"aes256-gcm@openssh.com", b"chacha20-poly1305@openssh.com", b"aes256-ctr"
MAC, ETM, NONE = b"hmac-sha2-256", b"hmac-sha2-256-etm@openssh.com", b"none"
OFFER = Offer(
    (b"curve25519-sha256", b"ecdh-sha2-nistp256"),
    (b"ssh-ed25519", b"rsa-sha2-512"),
    ((CTR, GCM), (CHACHA, CTR)),
    ((MAC, ETM), (ETM,)),
    ((NONE,), (NONE, b"zlib")),
    ((b"en",), (b"de", b"fr")),
)
MARKERS = [
    negotiation.EXTENSIONS_CLIENT,
    negotiation.EXTENSIONS_SERVER,
    negotiation.STRICT_CLIENT,
    negotiation.STRICT_SERVER,
]
names = st.lists(st.from_regex(rb"[!-+\--~]{1,64}", fullmatch=True), max_size=4).map(tuple)
pairs = st.tuples(names, names)


def why(function, *arguments):
    """Return for what something is refused: code and text."""
    with pytest.raises(ProtocolError) as caught:
        function(*arguments)
    return caught.value.code, str(caught.value)


def kexinit(*lists, end=bytes(5)):
    """Return a KEXINIT of such name-lists, in which the rest is empty."""
    fields = [*lists, *[b""] * (10 - len(lists))]
    return bytes(16) + b"".join(map(NS, fields)) + end


@settings(max_examples=25)
@given(st.builds(Offer, names, names, pairs, pairs, pairs, pairs, guessed=st.booleans()))
def test_round_trip(offer):
    """What is written is read again."""
    assert read(write(offer)) == offer


def test_layout():
    """A KEXINIT is cookie, ten name-lists, guess and four reserved bytes (RFC 4253, 7.1)."""
    written = write(replace(OFFER, guessed=True))
    lists = [
        b"curve25519-sha256,ecdh-sha2-nistp256",
        b"ssh-ed25519,rsa-sha2-512",
        CTR + b"," + GCM,
        CHACHA + b"," + CTR,
        MAC + b"," + ETM,
        ETM,
        NONE,
        b"none,zlib",
        b"en",
        b"de,fr",
    ]
    assert written[16:] == kexinit(*lists, end=b"\1\0\0\0\0")[16:]
    assert len({write(OFFER)[:16] for _ in range(100)}) == 100


def test_cut_short():
    """A KEXINIT that is cut short anywhere, or has more than it should, is refused."""
    written = write(OFFER)
    for cut in range(len(written)):
        code, text = why(read, written[:cut])
        assert (code, "malformed KEXINIT" in text) == (DISCONNECT_PROTOCOL_ERROR, True)
    assert why(read, written + b"\0")[0] == DISCONNECT_PROTOCOL_ERROR
    assert why(read, written[:16] + b"\xff" * 4 + written[20:])[0] == DISCONNECT_PROTOCOL_ERROR


BAD = [b",", b"a,,b", b",a", b"a,", b"x" * 65, b"a," + b"x" * 65, b"a b", b" ", b"a\n", b"\0"]


@pytest.mark.parametrize("bad", [*BAD, b"a\0,b", b"\x7f", b"a\x1f", "\xe4".encode(), b"\xff"])
def test_bad_names(bad):
    """In each list, a name has 1 to 64 printable ASCII characters other than the comma."""
    for place in range(10):
        code, text = why(read, kexinit(*[b"good"] * place, bad))
        assert code == DISCONNECT_PROTOCOL_ERROR
        assert text == "malformed KEXINIT: that is no list of names"


def test_good_names():
    """All the printable ASCII characters but the comma are good, and so is a name of 64."""
    every = bytes(set(range(33, 127)) - set(b","))
    fields = b",".join([every[:50], every[50:], b"x" * 64])
    assert read(kexinit(fields)).keyExchanges == (every[:50], every[50:], b"x" * 64)


@pytest.mark.parametrize(("byte", "guessed"), [(0, False), (1, True), (255, True)])
def test_guess(byte, guessed):
    """Any value but zero is true (RFC 4251, section 5); what is reserved is not looked at."""
    assert read(kexinit(end=bytes([byte]) + b"\1\2\3\4")).guessed is guessed


@given(st.binary(max_size=200))
def test_rubbish(payload):
    """Whatever comes is read, or refused for what it is."""
    with suppress(ProtocolError):
        read(payload)


def test_agree():
    """Of each, the first of the client's that the server has is taken, each way for itself."""
    server = Offer(
        (b"ecdh-sha2-nistp256", b"curve25519-sha256"),
        (b"rsa-sha2-512",),
        ((GCM, CTR), (CTR, GCM)),
        ((ETM, MAC), (MAC, ETM)),
        ((b"zlib", NONE), (b"zlib", NONE)),
    )
    agreed = agree(OFFER, server)
    assert (agreed.keyExchange, agreed.hostKey) == (b"curve25519-sha256", b"rsa-sha2-512")
    assert agreed.toServer == Direction(CTR, MAC, NONE)
    assert agreed.toClient == Direction(CTR, ETM, NONE)
    assert agree(server, OFFER).keyExchange == b"ecdh-sha2-nistp256"


@pytest.mark.parametrize("theirs", [(), (b"other",), (b"curve25519",), (b"NONE",)])
@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize(
    ("field", "way", "what"),
    [
        ("keyExchanges", None, "key exchange method"),
        ("hostKeys", None, "host key algorithm"),
        ("ciphers", 0, "cipher"),
        ("ciphers", 1, "cipher"),
        ("macs", 0, "MAC"),
        ("macs", 1, "MAC"),
        ("compressions", 0, "compression"),
        ("compressions", 1, "compression"),
    ],
)
def test_nothing_in_common(field, way, what, client, theirs):
    """What nothing is in common of is named, whichever side lacks it; each way is needed."""
    ours = replace(OFFER, ciphers=((CTR,), (CTR,)))
    value = theirs if way is None else ((getattr(ours, field)[0], theirs)[:: 1 if way else -1])
    other = replace(ours, **{field: value})
    offers = (other, ours) if client else (ours, other)
    assert why(agree, *offers) == (DISCONNECT_KEY_EXCHANGE_FAILED, f"no common {what}")


@pytest.mark.parametrize("marker", MARKERS)
def test_markers(marker):
    """What a side says of itself among its methods is never agreed on."""
    both = replace(OFFER, keyExchanges=(marker, b"curve25519-sha256"))
    assert agree(both, both).keyExchange == b"curve25519-sha256"
    alone = replace(OFFER, keyExchanges=(marker,))
    assert why(agree, alone, alone)[0] == DISCONNECT_KEY_EXCHANGE_FAILED


@pytest.mark.parametrize("cipher", [GCM, CHACHA])
def test_no_mac_needed(cipher):
    """A cipher that authenticates needs no MAC in common, and none is agreed on."""
    client = replace(OFFER, ciphers=((cipher,), (cipher,)))
    for server in (client, replace(client, macs=((), ())), replace(client, macs=((b"x",), (MAC,)))):
        agreed = agree(client, server)
        assert agreed.toServer == agreed.toClient == Direction(cipher, IMPLICIT, NONE)


@pytest.mark.parametrize("guessed", [True, False])
@pytest.mark.parametrize("method", [b"curve25519-sha256", b"other"])
@pytest.mark.parametrize("hostKey", [b"ssh-ed25519", b"other"])
def test_wrong_guess(guessed, method, hostKey):
    """A guess is wrong unless both sides like the same method and the same host key best."""
    theirs = replace(OFFER, keyExchanges=(method,), hostKeys=(hostKey,), guessed=guessed)
    wrong = guessed and (method == b"other" or hostKey == b"other")
    assert guessedWrong(theirs, OFFER) is wrong


def test_too_long():
    """A KEXINIT of more than 16 KiB is refused before it is looked at."""
    offer = write(replace(OFFER, keyExchanges=(b"a" * 60,) * 300))
    with pytest.raises(ProtocolError, match="too long"):
        read(offer)
