"""Public keys as blobs (RFC 4253, section 6.6): the types that are taken, and what is in them."""

from __future__ import annotations

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
