"""What the SSH door offers and takes: the policies, as data, best first.

None has anything that rests on SHA-1, MD5, DES, CBC, DSA or NIST's curves for key exchange, and no
compression, which inflates whatever a client sends before it has logged in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from sshecho.cred.certificate import LARGEST_CERTIFICATE, certified
from sshecho.ssh.packets.keyexchange import METHODS

HOST_SIGNATURES = (
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"rsa-sha2-512",
    b"rsa-sha2-256",
)
"""What the host keys may sign with."""


@dataclass(frozen=True)
class Policy:
    """What a connection may be protected with.

    Attributes:
        keyExchanges: how the two sides agree on keys (RFC 4253, section 7).
        ciphers: encryption (RFC 5647, RFC 4344, OpenSSH PROTOCOL.chacha20poly1305).
        macs: integrity, for ciphers that have none (RFC 6668, OpenSSH PROTOCOL, section 1.5).
        hostSignatures: what the host keys may sign with, as far as there are such keys.
        compressions: what makes less of a payload (RFC 4253, section 6.2).
    """

    keyExchanges: tuple[bytes, ...]
    ciphers: tuple[bytes, ...]
    macs: tuple[bytes, ...]
    hostSignatures: tuple[bytes, ...] = HOST_SIGNATURES
    compressions: tuple[bytes, ...] = (b"none",)


MODERN = Policy(
    keyExchanges=tuple(
        name
        for name in (
            b"mlkem768x25519-sha256",
            b"curve25519-sha256",
            b"curve25519-sha256@libssh.org",
        )
        if name in METHODS  # ML-KEM needs a young cryptography
    ),
    ciphers=(
        b"aes256-gcm@openssh.com",
        b"aes128-gcm@openssh.com",
        b"chacha20-poly1305@openssh.com",
        b"aes256-ctr",
        b"aes192-ctr",
        b"aes128-ctr",
    ),
    macs=(b"hmac-sha2-256-etm@openssh.com", b"hmac-sha2-512-etm@openssh.com"),
)
"""What today's clients have: nothing that was ever broken, not even in part."""

COMPATIBLE = replace(
    MODERN,
    keyExchanges=(
        *MODERN.keyExchanges,
        b"diffie-hellman-group-exchange-sha256",
        b"diffie-hellman-group16-sha512",
        b"diffie-hellman-group14-sha256",
    ),
    macs=(*MODERN.macs, b"hmac-sha2-256", b"hmac-sha2-512"),
)
"""And what older clients need: Diffie-Hellman from before Curve25519 came to SSH, in groups whose
primes nobody chose, and HMACs from before a packet was encrypted first."""

POLICIES = {"modern": MODERN, "compatible": COMPATIBLE}
"""What ``--algorithms`` chooses from."""

USER_SIGNATURES = {
    b"ssh-ed25519": b"ssh-ed25519",
    b"ecdsa-sha2-nistp256": b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384": b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521": b"ecdsa-sha2-nistp521",
    b"rsa-sha2-512": b"ssh-rsa",
    b"rsa-sha2-256": b"ssh-rsa",
    b"sk-ssh-ed25519@openssh.com": b"sk-ssh-ed25519@openssh.com",
    b"sk-ecdsa-sha2-nistp256@openssh.com": b"sk-ecdsa-sha2-nistp256@openssh.com",
}
"""What users may sign with (RFC 8332; OpenSSH PROTOCOL.u2f), and the type of the key that does."""

LARGEST_KEY = 8 * 1024
"""Bytes of a user's public key as a blob: an RSA key of 8192 bits takes about 1 KiB."""


class UserAlgorithm(NamedTuple):
    """What comes with the name of an algorithm in a request to log in.

    Attributes:
        keyType: the type of the key, or of the certificate.
        signature: what its key signs with.
        largest: how many bytes the key, or the certificate, may have.
    """

    keyType: bytes
    signature: bytes
    largest: int


USER_ALGORITHMS = {
    **{
        name: UserAlgorithm(keyType, name, LARGEST_KEY) for name, keyType in USER_SIGNATURES.items()
    },
    **{
        certified(name): UserAlgorithm(certified(keyType), name, LARGEST_CERTIFICATE)
        for name, keyType in USER_SIGNATURES.items()
    },
}
"""What users may log in with: each key, and a certificate of it (OpenSSH PROTOCOL.certkeys)."""
