"""What a key has signed."""

import pytest
from certificates import TOUCHED, VERIFIED, PlainKey, SecurityKey
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key

from sshecho.cred.signature import Attestation, verify

RSA_KEY = rsa.generate_private_key(65537, 2048)
RSA = Key(RSA_KEY)
KEYS = {
    "ed25519": PlainKey(ed25519.Ed25519PrivateKey.generate()),
    "nistp256": PlainKey(ec.generate_private_key(ec.SECP256R1())),
    "nistp384": PlainKey(ec.generate_private_key(ec.SECP384R1())),
    "nistp521": PlainKey(ec.generate_private_key(ec.SECP521R1())),
    "rsa": PlainKey(RSA_KEY),
    "sk-ed25519": SecurityKey("ed25519"),
    "sk-ecdsa": SecurityKey("ecdsa"),
}
ATTESTATIONS = {"sk-ed25519": Attestation(True, False), "sk-ecdsa": Attestation(True, False)}


@pytest.mark.parametrize("kind", KEYS)
def test_right(kind):
    """A signature by a key of each type is found right."""
    key = KEYS[kind]
    assert verify(key.blob, key.sign(b"message"), b"message") == ATTESTATIONS.get(kind)


@pytest.mark.parametrize("kind", KEYS)
def test_wrong(kind):
    """Another message, another key's signature and what is cut short or too long are wrong."""
    key = KEYS[kind]
    signature = key.sign(b"message")
    again = signature[: 4 + signature[3]] * 2  # the algorithm in place of what it made
    for wrong in (key.sign(b"other"), signature[:-1], signature + b"\0", b"", again):
        with pytest.raises(ValueError, match=r"wrong|short|more"):
            verify(key.blob, wrong, b"message")
    for other in KEYS.values():
        if other is not key:
            with pytest.raises(ValueError, match="algorithm is not the key's"):
                verify(key.blob, other.sign(b"message"), b"message")


def test_hashes_of_rsa():
    """An RSA key signs with SHA-256 or SHA-512, and never with SHA-1 (RFC 8332)."""
    blob = RSA.public().blob()
    for algorithm in (b"rsa-sha2-256", b"rsa-sha2-512"):
        assert verify(blob, RSA.sign(b"message", algorithm), b"message") is None
    signature = RSA.sign(b"message", b"ssh-rsa")
    for named in (signature, signature.replace(b"ssh-rsa", b"ssh-dss")):
        with pytest.raises(ValueError, match="algorithm is not the key's"):
            verify(blob, named, b"message")
    renamed = NS(b"rsa-sha2-512") + getNS(signature)[1]
    with pytest.raises(ValueError, match="the signature is wrong"):
        verify(blob, renamed, b"message")


def test_types_that_are_not_taken():
    """DSA, and an RSA key of other than 2048 to 8192 bits, verify nothing."""
    old = Key(dsa.generate_private_key(1024))
    short = Key(rsa.generate_private_key(65537, 1024))
    with pytest.raises(ValueError, match="of no type"):
        verify(old.public().blob(), old.sign(b"message"), b"message")
    with pytest.raises(ValueError, match="1024 bits"):
        verify(short.public().blob(), short.sign(b"message", b"rsa-sha2-512"), b"message")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize("flags", [0, TOUCHED, VERIFIED, TOUCHED | VERIFIED, 0xFA])
def test_flags(kind, flags):
    """What a security key says of its user is read from what it has signed."""
    key = SecurityKey(kind, flags)
    signature = key.sign(b"message")
    said = Attestation(bool(flags & TOUCHED), bool(flags & VERIFIED))
    assert verify(key.blob, signature, b"message") == said
    for at in (-5, -1):  # the flags, the counter
        forged = bytearray(signature)
        forged[at] ^= 1
        with pytest.raises(ValueError, match="the signature is wrong"):
            verify(key.blob, bytes(forged), b"message")


def test_application():
    """A security key's signature is for its own application, and that is one of SSH's."""
    key = SecurityKey("ed25519")
    signature = key.sign(b"message")
    with pytest.raises(ValueError, match="the signature is wrong"):
        verify(key.blob[:-8] + NS(b"ssh:x"), signature, b"message")
    with pytest.raises(ValueError, match="the key is damaged"):
        verify(key.blob[:-8] + NS(b"web:"), signature, b"message")


@pytest.mark.parametrize("kind", KEYS)
def test_a_huge_signature(kind):
    """A signature that is longer than any can be is not looked at."""
    key = KEYS[kind]
    with pytest.raises(ValueError, match="too large"):
        verify(key.blob, NS(key.name) + NS(b"\xff" * 1_000_000), b"message")


@given(st.sampled_from(sorted(KEYS)), st.binary(), st.binary(), st.booleans())
def test_any_bytes(kind, proof, tail, whole):
    """Whatever the bytes are, they are no signature, and nothing worse than a ValueError."""
    key = KEYS[kind]
    name = b"rsa-sha2-512" if kind == "rsa" else key.name
    with pytest.raises(ValueError, match=r"\w"):
        verify(key.blob, proof if whole else NS(name) + NS(proof) + tail, b"message")


@given(st.binary(), st.sampled_from([key.blob for key in KEYS.values()]), st.integers(0, 120))
def test_any_key(tail, blob, kept):
    """Whatever the bytes of a key are, it verifies nothing, and breaks nothing."""
    with pytest.raises(ValueError, match=r"\w"):
        verify(blob[:kept] + tail, NS(b"ssh-ed25519") + NS(b"x"), b"message")
