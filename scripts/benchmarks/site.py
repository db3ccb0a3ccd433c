"""What each server is given: a folder, a port, its host key and the one user's key."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Site:
    """The files, in OpenSSH's formats, and the address of a server.

    Attributes:
        folder: a folder of our own.
        port: a TCP port that was free when it was looked for.
        user: who logs in: us, since sshd knows only the system's accounts.
        hostKey: the server's private key.
        userKey: the user's private key.
        authorizedKeys: a file with the user's public key.
    """

    folder: Path
    port: int
    user: str
    hostKey: Path
    userKey: Path
    authorizedKeys: Path

    @property
    def authorizedKey(self) -> str:
        """The user's public key, a line of authorized_keys."""
        return self.authorizedKeys.read_text().strip()


def makeSite(folder: Path) -> Site:
    """Make the keys in an empty folder of our own, and look for a port."""
    keys = folder / "keys"
    keys.mkdir(0o700)
    hostKey, _ = writeKey(keys / "ssh_host_ed25519_key")
    userKey, public = writeKey(folder / "user_key")
    authorizedKeys = folder / "authorized_keys"
    authorizedKeys.write_bytes(public + b"\n")
    authorizedKeys.chmod(0o600)
    return Site(folder, freePort(), getpass.getuser(), hostKey, userKey, authorizedKeys)


def writeKey(path: Path) -> tuple[Path, bytes]:
    """Write a new ed25519 key; return where, and the public key's line."""
    key = Ed25519PrivateKey.generate()
    path.touch(0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return path, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def freePort() -> int:
    """Return a TCP port that nobody listens at just now."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
