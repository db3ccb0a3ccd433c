"""The names of keys: what people and logs call a public key or a certificate."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256

from sshecho.cred.certificate import isCertificate, parseCertificate
from sshecho.cred.publickey import typeSaid
from sshecho.people import escape

UNKNOWN = "unknown"
"""The type of what is no key of a type that is known here."""

_TYPES = {
    b"ssh-ed25519": "ED25519",
    b"ecdsa-sha2-nistp256": "ECDSA",
    b"ecdsa-sha2-nistp384": "ECDSA",
    b"ecdsa-sha2-nistp521": "ECDSA",
    b"ssh-rsa": "RSA",
    b"ssh-dss": "DSA",
    b"sk-ssh-ed25519@openssh.com": "ED25519-SK",
    b"sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA-SK",
}


@dataclass(frozen=True)
class KeyName:
    """What a key is called, as ssh-keygen -l and sshd do; as text, as in sshd's log.

    Attributes:
        type: such as ``ED25519`` or, for a certificate, ``ED25519-CERT``; else `UNKNOWN`.
        fingerprint: ``SHA256:`` and the digest of the key; of a certificate, that of the key that
            is certified.
        id: what a certificate calls itself, in its own words; None for a key.
        serial: a certificate's number; None for a key.
        authority: the key that has signed a certificate; None for a key.
    """

    type: str
    fingerprint: str
    id: str | None = None
    serial: int | None = None
    authority: KeyName | None = None

    def __str__(self) -> str:
        name = f"{self.type} {self.fingerprint}"
        if self.id is not None:
            name += f" ID {escape(self.id)} (serial {self.serial}) CA {self.authority}"
        return name


def nameKey(blob: bytes) -> KeyName:
    """Return the name of a key or a certificate, whatever the bytes are.

    Nothing is verified: what a certificate says of itself is only its word until it has let
    somebody in.

    Args:
        blob: the key as a client shows it (RFC 4253, section 6.6).
    """
    if not isCertificate(blob):
        return KeyName(_typeOf(blob), fingerprint(blob))
    try:
        certificate = parseCertificate(blob)
    except ValueError:
        return KeyName(UNKNOWN, fingerprint(blob))
    return KeyName(
        f"{_typeOf(certificate.key)}-CERT",
        fingerprint(certificate.key),
        certificate.id.decode("utf-8", "backslashreplace"),
        certificate.serial,
        KeyName(_typeOf(certificate.authority), fingerprint(certificate.authority)),
    )


def _typeOf(key: bytes) -> str:
    return _TYPES.get(typeSaid(key), UNKNOWN)


def fingerprint(key: bytes) -> str:
    """Return a key's fingerprint as ssh writes it: ``SHA256:`` and the digest of its blob."""
    return "SHA256:" + base64.b64encode(sha256(key).digest()).decode().rstrip("=")
