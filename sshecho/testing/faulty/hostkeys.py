"""Impostors: host keys that nobody knows, in place of those that clients do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from twisted.conch.ssh.keys import Key

from sshecho.ssh.hostkeys import MAKERS

_KINDS = {"Ed25519": "ed25519", "EC": "ecdsa", "RSA": "rsa"}

Signers = Mapping[bytes, tuple[Key, bytes]]


def impostors(signers: Signers) -> Signers:
    """Return other keys that sign in the same ways.

    Args:
        signers: for each algorithm the key that signs so, and its public part as a blob.
    """
    keys = {name: _made(key.type(), blob) for name, (key, blob) in signers.items()}
    return {name: (key, key.public().blob()) for name, key in keys.items()}


@cache
def _made(kind: str, _blob: bytes) -> Key:
    """Return the impostor of one key: always the same, and an RSA key takes its time to make."""
    return Key(MAKERS[_KINDS[kind]]())
