"""OpenSSH's certificates (PROTOCOL.certkeys): a key, whose it is, and an authority's signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twisted.conch.ssh.common import NS

from sshecho.cred.publickey import KEY_TYPES
from sshecho.cred.wire import Reader

LARGEST_CERTIFICATE = 32 * 1024
"""Bytes of a certificate as a blob: it may name 256 principals and a command, more than a key has;
and no side of SSH need take more in a packet (RFC 4253, section 6.1)."""


def certified(name: bytes) -> bytes:
    """Return what the certificates of a key type, or their algorithm, are called."""
    return name.removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"


_KEY_TYPES = {certified(keyType): keyType for keyType in KEY_TYPES}


@dataclass(frozen=True)
class Certificate:
    """What a certificate says, true only if the authority's signature is.

    Attributes:
        key: the key that is certified, as a blob without the certificate.
        serial: its number.
        kind: 1 for a user's, 2 for a host's.
        id: a name for logs.
        principals: the users that it is for.
        validAfter, validBefore: from when and until when, in seconds since 1970.
        criticalOptions: what whoever takes it must know and follow.
        extensions: what it permits.
        authority: the key that signed it, as a blob.
        signature: that key's signature.
        signed: what it has signed.
    """

    key: bytes
    serial: int
    kind: int
    id: bytes
    principals: Sequence[bytes]
    validAfter: int
    validBefore: int
    criticalOptions: Mapping[bytes, bytes]
    extensions: Mapping[bytes, bytes]
    authority: bytes
    signature: bytes
    signed: bytes


def isCertificate(blob: bytes) -> bool:
    """Whether a blob says that it is a certificate of a type that is taken."""
    return any(blob.startswith(NS(name)) for name in _KEY_TYPES)


def parseCertificate(blob: bytes) -> Certificate:
    """Parse a certificate, and believe nothing in it yet.

    Raises:
        ValueError: when it is too large, of another type, or damaged.
    """
    if len(blob) > LARGEST_CERTIFICATE:
        raise ValueError("the certificate is too large")
    if not isCertificate(blob):
        raise ValueError("not a certificate of a type that is accepted here")
    try:
        return _parse(blob)
    except ValueError as error:
        raise ValueError(f"the certificate is damaged: {error}") from None


def _parse(blob: bytes) -> Certificate:
    reader = Reader(blob)
    keyType = _KEY_TYPES[reader.string()]
    reader.string()  # a nonce
    start = reader.at
    for _ in range(KEY_TYPES[keyType]):
        reader.string()
    key = NS(keyType) + blob[start : reader.at]
    serial, kind, name = reader.number(8), reader.number(4), reader.string()
    principals = _strings(reader.string())
    validAfter, validBefore = reader.number(8), reader.number(8)
    criticalOptions, extensions = _options(reader.string()), _options(reader.string())
    reader.string()  # reserved
    authority = reader.string()
    signed = blob[: reader.at]
    signature = reader.string()
    reader.end()
    return Certificate(
        key,
        serial,
        kind,
        name,
        principals,
        validAfter,
        validBefore,
        criticalOptions,
        extensions,
        authority,
        signature,
        signed,
    )


def _strings(data: bytes) -> list[bytes]:
    reader = Reader(data)
    strings = []
    while reader.more:
        strings.append(reader.string())
    return strings


def _options(data: bytes) -> dict[bytes, bytes]:
    options: dict[bytes, bytes] = {}
    reader = Reader(data)
    while reader.more:
        name, value = reader.string(), reader.string()
        if name in options:
            raise ValueError("an option is there twice")
        options[name] = value
    return options
