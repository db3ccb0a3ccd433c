"""What the SSH door offers and takes: the policy, as data, best first.

Nothing that rests on SHA-1, MD5, DES, CBC or DSA, and no compression, which inflates whatever
a client sends before it has logged in.
"""

from __future__ import annotations

from twisted.conch.ssh.transport import SSHServerTransport

_WANTED_KEY_EXCHANGES = (
    b"mlkem768x25519-sha256",
    b"curve25519-sha256",
    b"curve25519-sha256@libssh.org",
)

KEY_EXCHANGES = [
    name for name in _WANTED_KEY_EXCHANGES if name in SSHServerTransport.supportedKeyExchanges
]
"""How the two sides agree on keys (RFC 4253, section 7): those that Conch has."""

CIPHERS = [b"aes256-ctr", b"aes192-ctr", b"aes128-ctr"]
"""Encryption (RFC 4344)."""

MACS = [b"hmac-sha2-512", b"hmac-sha2-256"]
"""Integrity (RFC 6668)."""

COMPRESSIONS = [b"none"]
"""Compression (RFC 4253, section 6.2)."""

HOST_SIGNATURES = (
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"rsa-sha2-512",
    b"rsa-sha2-256",
)
"""What the host keys may sign with."""

USER_SIGNATURES = {
    b"ssh-ed25519": b"ssh-ed25519",
    b"ecdsa-sha2-nistp256": b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384": b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521": b"ecdsa-sha2-nistp521",
    b"rsa-sha2-512": b"ssh-rsa",
    b"rsa-sha2-256": b"ssh-rsa",
}
"""What users may sign with (RFC 8332), and the type of the key that does."""

LARGEST_KEY = 8 * 1024
"""Bytes of a user's public key as a blob: an RSA key of 8192 bits takes about 1 KiB."""
