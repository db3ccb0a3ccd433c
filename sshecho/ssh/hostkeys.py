"""Host keys: the files that say to a client that this is the server it knows."""

from __future__ import annotations

import contextlib
import fnmatch
import getpass
import os
import secrets
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.conch.ssh.keys import EncryptedKeyError, FingerprintFormats, Key

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

MAKERS: dict[str, Callable[[], PrivateKey]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=3072),
}
"""What makes a key of each type; the names and the sizes are those of ssh-keygen(1)."""

_NAMES = "ssh_host_*_key"
_SMALLEST_RSA = 2048
_LARGEST_FILE = 64 * 1024


class BadHostKeyError(Exception):
    """A host key that can't be used: the text says which file and why."""


@dataclass(frozen=True)
class HostKey:
    """A host key and where it lies.

    Attributes:
        path: the private key's file.
        key: the private key.
    """

    path: Path
    key: Key

    def __str__(self) -> str:
        """Return its fingerprint and type, as ``ssh`` shows them to a person."""
        digest = self.key.fingerprint(FingerprintFormats.SHA256_BASE64).rstrip("=")
        name = {"EC": "ECDSA"}.get(self.key.type(), self.key.type().upper())
        return f"SHA256:{digest} ({name})"


def loadHostKeys(folder: Path, *, make: bool = True) -> list[HostKey]:
    """Return the host keys in a folder, ed25519 first.

    Args:
        folder: where the ``ssh_host_*_key`` files are.
        make: whether to make the folder, and an ed25519 key in it, when there is none.

    Raises:
        BadHostKeyError: when one can't be used: a key is never passed over in silence.
    """
    try:
        if make and not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
        if make and not fnmatch.filter(os.listdir(folder), _NAMES):
            with contextlib.suppress(FileExistsError):  # somebody else has just made it
                makeHostKey(folder, "ed25519")
        paths = [folder / name for name in fnmatch.filter(sorted(os.listdir(folder)), _NAMES)]
    except OSError as error:
        raise BadHostKeyError(f"{error.filename or folder}: {error.strerror}") from None
    if not paths:
        raise BadHostKeyError(f"{folder}: there is no ssh_host_*_key in it")
    keys = [readHostKey(path) for path in paths]
    found: dict[bytes, Path] = {}
    for host in keys:
        twin = found.setdefault(host.key.sshType(), host.path)
        if twin != host.path:
            raise BadHostKeyError(f"{host.path}: of the same type as {twin.name}; remove one")
    order = ["Ed25519", "EC", "RSA"]
    return sorted(keys, key=lambda host: order.index(host.key.type()))


def readHostKey(path: Path) -> HostKey:
    """Read one private key.

    Raises:
        BadHostKeyError: when it is missing, unreadable, damaged, locked by a passphrase, of a
            type that is not used here, or when others can read it.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadHostKeyError(f"{path}: not a regular file")
            mode = stat.S_IMODE(status.st_mode)
            if mode & 0o077:
                raise BadHostKeyError(
                    f"{path}: permissions {mode:04o} are too open: others could read this private "
                    f"key; chmod 600 it"
                )
            text = file.read(_LARGEST_FILE)
    except OSError as error:
        raise BadHostKeyError(f"{path}: {error.strerror}") from None
    try:
        key = Key.fromString(text)
    except EncryptedKeyError:
        raise BadHostKeyError(f"{path}: locked by a passphrase; a host key has none") from None
    except Exception:
        raise BadHostKeyError(f"{path}: not a private key, or damaged") from None
    if key.isPublic() or key.type() == "DSA":
        what = "a public key" if key.isPublic() else "a DSA key"
        raise BadHostKeyError(f"{path}: {what}; give a private ed25519, ecdsa or rsa key")
    if key.type() == "RSA" and key.size() < _SMALLEST_RSA:
        raise BadHostKeyError(f"{path}: {key.size()} bits are too few for RSA; make a new key")
    return HostKey(path, key)


def makeHostKey(folder: Path, kind: str, *, replace: bool = False) -> HostKey:
    """Make a host key in OpenSSH's format, under OpenSSH's name, and its ``.pub`` beside it.

    The private key appears whole or not at all, with mode 0600.

    Args:
        folder: where; made with mode 0700 when it is missing.
        kind: one of `MAKERS`.
        replace: whether to overwrite a key that is there.

    Raises:
        FileExistsError: when there is one and ``replace`` is false.
        OSError: when the folder or the file can't be written.
    """
    path = folder / f"ssh_host_{kind}_key"
    private = MAKERS[kind]()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(
        path,
        private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        0o600,
        replace=replace,
    )
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    comment = f" {_userName()}@{socket.gethostname()}\n".encode()
    _write(path.with_name(path.name + ".pub"), public + comment, 0o644, replace=True)
    return HostKey(path, Key(private))


def _userName() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user ID that has no name, as in some containers
        return str(os.getuid())


def _write(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if replace:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)
    except OSError as error:  # of the key, not of a file that nobody has heard of
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
