"""Keys and certificates made by hand: what OpenSSH's tools need a device for, or would not make."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key

from sshecho.cred.certificate import certified

USER, HOST = 1, 2
FOREVER = (1 << 64) - 1
TOUCHED, VERIFIED = 1, 4


class SecurityKey:
    """A security key in software (OpenSSH PROTOCOL.u2f).

    Args:
        kind: ``ed25519`` or ``ecdsa``.
        flags: what it says of its user when it signs.
    """

    def __init__(self, kind: str, flags: int = TOUCHED) -> None:
        private = (
            ed25519.Ed25519PrivateKey.generate()
            if kind == "ed25519"
            else ec.generate_private_key(ec.SECP256R1())
        )
        self._key = Key(private)
        self._counter = 0
        self.flags = flags
        inner, fields = getNS(self._key.public().blob())
        name = b"sk-" + inner + b"@openssh.com"
        self.blob = NS(name) + fields + NS(b"ssh:")
        self.name = name

    def sign(self, data: bytes, _algorithm: bytes | None = None) -> bytes:
        self._counter += 1
        tail = struct.pack(">BL", self.flags, self._counter)
        message = sha256(b"ssh:").digest() + tail + sha256(data).digest()
        _, signature, _ = getNS(self._key.sign(message), 2)
        return NS(self.name) + NS(signature) + tail


class PlainKey:
    """A key of cryptography's, in the shape of a SecurityKey."""

    def __init__(self, private) -> None:
        self.private = private
        self._key = Key(private)
        self.blob = self._key.public().blob()
        self.name = self._key.sshType()

    def sign(self, data: bytes, algorithm: bytes | None = None) -> bytes:
        return self._key.sign(data, algorithm or self._key.supportedSignatureAlgorithms()[0])


def packed(options: Mapping[bytes, bytes]) -> bytes:
    return b"".join(NS(name) + NS(value) for name, value in options.items())


def certify(
    key: SecurityKey | PlainKey,
    authority: SecurityKey | PlainKey,
    *,
    kind: int = USER,
    principals: Sequence[bytes] = (b"user",),
    after: int = 0,
    before: int = FOREVER,
    critical: Mapping[bytes, bytes] | bytes = b"",
    extensions: Mapping[bytes, bytes] | bytes = b"",
    algorithm: bytes | None = None,
) -> bytes:
    """Return a certificate (PROTOCOL.certkeys), whatever sense it makes."""
    name, fields = getNS(key.blob)
    body = NS(certified(name)) + NS(b"nonce") + fields + struct.pack(">QL", 7, kind) + NS(b"my id")
    body += NS(b"".join(map(NS, principals))) + struct.pack(">QQ", after, before)
    for options in (critical, extensions):
        body += NS(options if isinstance(options, bytes) else packed(options))
    body += NS(b"") + NS(authority.blob)
    return body + NS(authority.sign(body, algorithm))
