"""Impostors: host keys that nobody knows, in place of those that clients do."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from twisted.conch.ssh.common import getNS
from twisted.conch.ssh.keys import Key

from sshecho.ssh.hostkeys import PrivateKey

Signers = Mapping[bytes, tuple[Key, bytes]]


def impostors(signers: Signers) -> Signers:
    """Return other keys that sign in the same ways.

    Args:
        signers: for each algorithm the key that signs so, and its public part as a blob.
    """
    keys = {name: _made(blob) for name, (_, blob) in signers.items()}
    return {name: (key, key.public().blob()) for name, key in keys.items()}


@cache
def _made(blob: bytes) -> Key:
    """Return the impostor of a public key: always the same, and one of RSA takes time to make."""
    kind, _ = getNS(blob)
    return Key(_another(load_ssh_public_key(kind + b" " + b64encode(blob))))


def _another(known: object) -> PrivateKey:
    if isinstance(known, ec.EllipticCurvePublicKey):
        return ec.generate_private_key(known.curve)
    if isinstance(known, rsa.RSAPublicKey):
        return rsa.generate_private_key(public_exponent=65537, key_size=known.key_size)
    return ed25519.Ed25519PrivateKey.generate()
