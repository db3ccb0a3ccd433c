"""OpenSSH's user certificates (PROTOCOL.certkeys): a key, whose it is, and who says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twisted.conch.ssh.common import NS

from sshecho.cred.identity import Terms
from sshecho.cred.keyoptions import KeyOptions
from sshecho.cred.publickey import KEY_TYPES, loadKey, typeSaid
from sshecho.cred.signature import verify
from sshecho.cred.sources import parseSourceAddresses
from sshecho.wire import Reader

LARGEST_CERTIFICATE = 32 * 1024
"""Bytes of a certificate as a blob: it may name 256 principals and a command, more than a key has;
and no side of SSH need take more in a packet (RFC 4253, section 6.1)."""


_USER = 1
_LONGEST_NAME = 100


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
    return typeSaid(blob) in _KEY_TYPES


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


def judge(certificate: Certificate, principals: Sequence[bytes], now: float) -> KeyOptions:
    """Return on what terms a certificate lets a user in. Verifies, which belongs in a thread.

    Args:
        certificate: one whose authority is trusted.
        principals: the names of which the certificate must have one.
        now: the time, in seconds since 1970.

    Raises:
        ValueError: says why it does not let them in.
    """
    try:
        verify(certificate.authority, certificate.signature, certificate.signed)
    except ValueError as error:
        raise ValueError(f"the certificate's authority did not sign it: {error}") from None
    if certificate.kind != _USER:
        raise ValueError("the certificate is not for users")
    if not set(principals) & set(certificate.principals):
        raise ValueError("the certificate is not for this user")
    if now < certificate.validAfter:
        raise ValueError("the certificate is not valid yet")
    if now >= certificate.validBefore:
        raise ValueError("the certificate has expired")
    loadKey(certificate.key)
    return _judgeOptions(certificate)


def _judgeOptions(certificate: Certificate) -> KeyOptions:
    sources = command = None
    verifyRequired = False
    for name, value in certificate.criticalOptions.items():
        match name:
            case b"source-address":
                sources = parseSourceAddresses(_string(value))
            case b"force-command":
                command = _string(value)
            case b"verify-required" if not value:
                verifyRequired = True
            case _:
                option = name[:_LONGEST_NAME].decode("utf-8", "backslashreplace")
                raise ValueError(f"the certificate's option {option} is not known here")
    return KeyOptions(
        sources=() if sources is None else (sources,),
        terms=Terms(pty=b"permit-pty" in certificate.extensions, command=command),
        touchRequired=b"no-touch-required" not in certificate.extensions,
        verifyRequired=verifyRequired,
    )


def _string(value: bytes) -> bytes:
    reader = Reader(value)
    string = reader.string()
    reader.end()
    return string
