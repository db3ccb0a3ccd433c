"""Ciphers and MACs: known answers, and nothing that was changed on its way."""

import hmac
import json
import random
from pathlib import Path

import pytest
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.transport import DISCONNECT_MAC_ERROR
from vectors import CHACHA20_POLY1305, CTR, CTR_IV, CTR_PLAIN, GCM, HMAC

from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.keyexchange import METHODS, deriveKey
from sshecho.ssh.packets.protection import (
    CIPHERS,
    IMPLICIT,
    MACS,
    AesGcm,
    ChaCha20Poly1305,
    EncryptAndMac,
    EncryptThenMac,
    counter,
    protect,
)

x = bytes.fromhex
SUITES = [
    pytest.param(cipher, mac, id=f"{cipher.decode()}+{mac.decode()}")
    for cipher, encryption in CIPHERS.items()
    for mac in ([IMPLICIT] if encryption.authenticated else MACS)
]
RECORDED = json.loads((Path(__file__).parent / "recordings" / "packets.json").read_text())
"""First packets of OpenSSH 9.2's client under curve25519-sha256 and strict key exchange."""
KEYS = {"iv": b"initial vector..", "key": bytes(range(64)), "mac": bytes(range(64, 128))}


def fresh(cipher, mac):
    """Return a protection under keys that are always the same."""
    return protect(cipher, mac, lambda kind, size: KEYS[kind][:size])


def framed(protection, size, fill=b"\x05"):
    """Return the length field and the body of a packet of at least so many bytes."""
    size += -(size + protection.counted) % protection.block
    return size.to_bytes(4, "big"), fill * size


def seal(protection, sequence, *packet):
    return b"".join(protection.seal(sequence, *packet))


def unseal(protection, sequence, packet):
    """Return a packet's length and body."""
    length = protection.length(sequence, packet[: protection.head])
    return length, protection.open(sequence, packet)


def goesRound(cipher, mac, sizes):
    """See that packets of these sizes are opened as they were sealed, with the last numbers."""
    sealing, opening = fresh(cipher, mac), fresh(cipher, mac)
    for sequence, size in enumerate(sizes, start=(1 << 32) - len(sizes)):
        length, body = framed(sealing, size, random.Random(size).randbytes(1))
        packet = seal(sealing, sequence, length, body)
        assert len(packet) == 4 + len(body) + sealing.tag
        assert body not in packet
        assert unseal(opening, sequence, packet) == (len(body), body)


def unchanged(cipher, mac):
    """Return a packet of which it was seen that it is refused with any bit changed."""
    packet = seal(fresh(cipher, mac), 3, *framed(fresh(cipher, mac), 24))
    assert not refused(fresh(cipher, mac), 3, packet)
    for at in range(len(packet) * 8):
        changed = bytearray(packet)
        changed[at // 8] ^= 1 << at % 8
        assert refused(fresh(cipher, mac), 3, bytes(changed)), at
    return packet


def refused(protection, sequence, packet):
    """Return whether a packet is taken for one that was changed."""
    try:
        unseal(protection, sequence, packet)
    except ProtocolError as error:
        return error.code == DISCONNECT_MAC_ERROR
    return False


@pytest.mark.parametrize(("key", "iv", "plain", "sealed"), GCM)
def test_gcm(key, iv, plain, sealed):
    """AES-GCM encrypts the body as in its inventors' tests (cases 2, 14, 3 and 15)."""
    length = len(plain).to_bytes(4, "big")
    packet = seal(AesGcm(x(key), x(iv)), 0, length, plain)
    assert packet[:4] == length
    assert packet[4:-16].hex() == sealed
    assert unseal(AesGcm(x(key), x(iv)), 0, packet) == (len(plain), plain)


@pytest.mark.parametrize("start", [0, 1 << 32, (1 << 64) - 2])
def test_gcm_counts(start):
    """Each packet has the nonce that comes next; its counter wraps at 2^64 and its rest stays."""
    fixed, length, body = b"\xff\xff\xff\xff", *framed(AesGcm, 32)
    counting = AesGcm(bytes(16), fixed + start.to_bytes(8, "big"))
    nonces = [fixed + ((start + n) % (1 << 64)).to_bytes(8, "big") for n in range(4)]
    sealed = [seal(counting, 7, length, body) for _ in nonces]
    assert sealed == [seal(AesGcm(bytes(16), nonce), 7, length, body) for nonce in nonces]
    assert len(set(sealed)) == 4


@pytest.mark.parametrize(("key", "sequence", "plain", "sealed"), CHACHA20_POLY1305)
def test_chacha(key, sequence, plain, sealed):
    """ChaCha20 with Poly1305 seals the packets of its draft's example and of others' tests."""
    length, body = x(plain)[:4], x(plain)[4:]
    assert seal(ChaCha20Poly1305(x(key)), sequence, length, body).hex() == sealed
    opened = unseal(ChaCha20Poly1305(x(key)), sequence, x(sealed))
    assert opened == (len(body), body)


@pytest.mark.parametrize("protection", [EncryptThenMac, EncryptAndMac])
@pytest.mark.parametrize(("key", "sealed"), CTR)
def test_ctr(protection, key, sealed):
    """AES in counter mode encrypts as in SP 800-38A, F.5, and counts on over the packets."""
    ctr = protection(counter(x(key), CTR_IV), bytes(32), "sha256")
    clear = 4 - protection.counted
    cut = 16 + clear
    packets = [bytes(clear) + CTR_PLAIN[:16], bytes(clear) + CTR_PLAIN[16:]]
    pieces = [seal(ctr, n, part[:4], part[4:]) for n, part in enumerate(packets)]
    assert (pieces[0][clear:cut] + pieces[1][clear:-32]).hex() == sealed


@pytest.mark.parametrize("protection", [EncryptThenMac, EncryptAndMac])
@pytest.mark.parametrize(("digest", "mac"), HMAC)
def test_hmac(protection, digest, mac):
    """The MAC is RFC 4231's HMAC (case 1), of the packet's number and of what follows."""
    sealing = protection(counter(bytes(16), bytes(16)), b"\x0b" * 20, digest)
    assert sealing.seal(int.from_bytes(b"Hi T", "big"), b"here", b"")[1].hex() == mac


@pytest.mark.parametrize("name", MACS)
def test_what_is_authenticated(name):
    """The MAC is of what was encrypted if its name says so, and else of what was not yet."""
    sealing = fresh(b"aes128-ctr", name)
    length, body = framed(sealing, 40)
    packet = seal(sealing, 5, length, body)
    covered = packet[: -sealing.tag] if b"-etm@" in name else length + body
    digest = MACS[name].digest
    key = KEYS["mac"][: sealing.tag]
    assert packet[-sealing.tag :] == hmac.digest(key, b"\0\0\0\5" + covered, digest)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["cipher"])
def test_openssh(recorded):
    """What OpenSSH has sealed is opened with the keys of its exchange, and sealed alike."""
    method, letters = METHODS[b"curve25519-sha256"], {"iv": b"A", "key": b"C", "mac": b"E"}
    cipher, mac = (recorded[name].encode("ascii") for name in ("cipher", "mac"))
    secret, hashed, packet = (x(recorded[name]) for name in ("secret", "exchangeHash", "packet"))

    def derive(kind, size):
        return deriveKey(method, secret, hashed, letters[kind], hashed, size)

    length, body = unseal(protect(cipher, mac, derive), 0, packet)
    assert length == len(body)
    assert body[1 : -body[0]] == b"\5" + NS(b"ssh-userauth")
    assert seal(protect(cipher, mac, derive), 0, length.to_bytes(4, "big"), body) == packet


def test_all_recorded():
    """There is such a packet of all that we support."""
    recorded = {(each["cipher"].encode(), each["mac"].encode()) for each in RECORDED}
    assert recorded == {suite.values for suite in SUITES}


@pytest.mark.parametrize(("cipher", "mac"), SUITES)
def test_round_trip(cipher, mac):
    """What was sealed is opened, packet after packet, of any size, whatever its number."""
    goesRound(cipher, mac, [*range(12, 300, 7), 1024, 34900, 12])


@pytest.mark.parametrize(("cipher", "mac"), SUITES)
def test_changed(cipher, mac):
    """A packet of which any bit was changed is refused, and so is one under other keys."""
    packet = unchanged(cipher, mac)
    other = protect(cipher, mac, lambda kind, size: bytes(size))
    assert refused(other, 3, packet)


@pytest.mark.parametrize(("cipher", "mac"), SUITES)
def test_out_of_turn(cipher, mac):
    """A packet that comes twice, too early or too late is refused."""
    sealing = fresh(cipher, mac)
    packets = [seal(sealing, n, *framed(sealing, 24)) for n in range(3)]
    for order, bad in [((0, 0), 1), ((1,), 0), ((0, 2), 1), ((0, 1, 0), 2)]:
        opening = fresh(cipher, mac)
        taken = [not refused(opening, n, packets[which]) for n, which in enumerate(order)]
        assert taken == [n != bad for n in range(len(order))], order


@pytest.mark.parametrize(("cipher", "mac"), SUITES)
def test_key_material(cipher, mac):
    """A protection takes as much key material as its cipher and its MAC need, and no other."""
    taken = {}
    protect(cipher, mac, lambda kind, size: taken.setdefault(kind, bytes(size)))
    sizes = {kind: len(material) for kind, material in taken.items() if material}
    if b"chacha20" in cipher:
        assert sizes == {"key": 64}
        return
    wanted = {"key": int(cipher[3:6]) // 8, "iv": 12 if b"gcm" in cipher else 16}
    if mac != IMPLICIT:
        wanted["mac"] = int(mac[10:13]) // 8
    assert sizes == wanted
