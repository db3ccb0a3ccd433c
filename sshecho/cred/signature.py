"""Signatures: whether a key has made one (RFC 4253, section 6.6; RFC 5656; RFC 8332)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from sshecho.cred.publickey import isSecurityKey, keyTypeOf, loadKey
from sshecho.wire import Reader

RSA_HASHES: dict[bytes, HashAlgorithm] = {b"rsa-sha2-256": SHA256(), b"rsa-sha2-512": SHA512()}
"""What an RSA key signs with, and what is hashed with it."""

_CURVE_HASHES = {256: SHA256(), 384: SHA384(), 521: SHA512()}

_LARGEST = 2048
"""Bytes of a signature: an RSA key of 8192 bits makes one of about 1 KiB."""

_PRESENT = 0x01
_VERIFIED = 0x04


@dataclass(frozen=True)
class Attestation:
    """What a security key says of who used it (OpenSSH PROTOCOL.u2f).

    Attributes:
        present: whether somebody touched it.
        verified: whether it knows them, by a PIN or a fingerprint.
    """

    present: bool
    verified: bool


def verify(key: bytes, signature: bytes, message: bytes) -> Attestation | None:
    """Verify a signature. It takes its time, and belongs in a thread.

    Args:
        key: the key's blob.
        signature: the signature, which begins with its algorithm.
        message: what was signed.

    Returns:
        What a security key says of its user; None for another key.

    Raises:
        ValueError: when the key has not made the signature, or by an algorithm that is not its
            own: SHA-1, for an RSA key.
    """
    if len(signature) > _LARGEST:
        raise ValueError("the signature is too large")
    keyType = keyTypeOf(key)
    reader = Reader(signature)
    algorithm, proof = reader.string(), reader.string()
    if algorithm not in (RSA_HASHES if keyType == b"ssh-rsa" else (keyType,)):
        raise ValueError("the signature's algorithm is not the key's")
    attestation = None
    if isSecurityKey(key):
        flags, counter = reader.number(1), reader.number(4)
        attestation = Attestation(bool(flags & _PRESENT), bool(flags & _VERIFIED))
        message = b"".join(
            (
                sha256(_application(key)).digest(),
                flags.to_bytes(1, "big") + counter.to_bytes(4, "big"),
                sha256(message).digest(),
            )
        )
    reader.end()
    try:
        _verify(key, algorithm, proof, message)
    except InvalidSignature:
        raise ValueError("the signature is wrong") from None
    return attestation


def _verify(key: bytes, algorithm: bytes, proof: bytes, message: bytes) -> None:
    verifier = loadKey(key)
    if isinstance(verifier, RSAPublicKey):
        verifier.verify(proof, message, PKCS1v15(), RSA_HASHES[algorithm])
    elif isinstance(verifier, EllipticCurvePublicKey):
        reader = Reader(proof)
        r, s = (int.from_bytes(reader.string(), "big") for _ in "rs")
        reader.end()
        ecdsa = ECDSA(_CURVE_HASHES[verifier.key_size])
        verifier.verify(encode_dss_signature(r, s), message, ecdsa)
    else:
        verifier.verify(proof, message)


def _application(key: bytes) -> bytes:
    """Return a security key's last field: what it may be used for, such as ``ssh:``."""
    reader = Reader(key)
    while reader.more:
        field = reader.string()
    return field
