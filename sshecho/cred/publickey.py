"""Public keys as blobs (RFC 4253, section 6.6): the types that are taken, and what is in them."""

from __future__ import annotations

import base64
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from sshecho.wire import Reader

KEY_TYPES = {
    b"ssh-ed25519": 1,
    b"ecdsa-sha2-nistp256": 2,
    b"ecdsa-sha2-nistp384": 2,
    b"ecdsa-sha2-nistp521": 2,
    b"ssh-rsa": 2,
    b"sk-ssh-ed25519@openssh.com": 2,
    b"sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
"""The types, and how many fields a key has behind its type; all are length-prefixed."""

RSA_BITS = range(2048, 8192 + 1)

Verifier: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


def typeSaid(blob: bytes) -> bytes:
    """Return the type that a blob says it is of, whatever that is; nothing if it is cut short."""
    end = 4 + int.from_bytes(blob[:4], "big")
    return blob[4:end] if end <= len(blob) else b""


def keyTypeOf(blob: bytes) -> bytes:
    """Return the type that a key says it is of.

    Raises:
        ValueError: when it is none that is taken.
    """
    keyType = Reader(blob).string()
    if keyType not in KEY_TYPES:
        raise ValueError("the key is of no type that is accepted here")
    return keyType


def isSecurityKey(blob: bytes) -> bool:
    """Whether a key lives in a device that can ask its user (OpenSSH PROTOCOL.u2f)."""
    return keyTypeOf(blob).startswith(b"sk-")


def loadKey(blob: bytes) -> Verifier:
    """Return what can verify with a key; for a security key, with its device's.

    Raises:
        ValueError: when the type is not taken, or the key is damaged, too short or too long.
    """
    keyType = keyTypeOf(blob)
    try:
        key = load_ssh_public_key(keyType + b" " + base64.b64encode(blob))
    except Exception:  # it raises many
        raise ValueError("the key is damaged") from None
    if isinstance(key, RSAPublicKey) and key.key_size not in RSA_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits; 2048 to 8192 are accepted")
    assert isinstance(key, Verifier)
    return key
