"""Host keys of a server for tests: one for each way to sign, made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh.keys import Key

from sshecho.ssh.hostkeys import HostKey, PrivateKey

_BITS = 2048  # of an RSA key: as few as clients take, since to make one takes long

_MAKERS: dict[str, Callable[[], PrivateKey]] = {
    "ssh-ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa-sha2-nistp256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-sha2-nistp384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-sha2-nistp521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ssh-rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=_BITS),
}
_NOWHERE = Path()  # they lie in no file


def hostKeysFor(algorithms: Iterable[str]) -> list[HostKey]:
    """Return the host keys that sign in these ways; always the same in one process."""
    types = dict.fromkeys("ssh-rsa" if name.startswith("rsa-") else name for name in algorithms)
    return [HostKey(_NOWHERE, _made(name)) for name in types]


@cache
def _made(name: str) -> Key:
    return Key(_MAKERS[name]())
