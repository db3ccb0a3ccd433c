"""What to log in with: private keys, a password, or nothing; read before the first attempt."""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
)
from twisted.conch.ssh.keys import Key

from sshecho.people import escape
from sshecho.probe.attempt import ProbeError

ENVIRONMENT = "SSHECHO_PASSWORD"
"""The variable that a password is taken from."""

_LARGEST_FILE = 64 * 1024
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


@dataclass(frozen=True)
class Identity:
    """What to log in with.

    Attributes:
        keys: private keys, in the order in which to try them.
        password: None when there is none; then, and without keys, the login is anonymous.
    """

    keys: Sequence[Key] = field(default=(), repr=False)
    password: bytes | None = field(default=None, repr=False)


def readKeys(paths: Sequence[str]) -> Identity:
    """Return the keys in files, after asking for their passphrases.

    Raises:
        ProbeError: when one can't be used.
    """
    return Identity(keys=[_readKey(path) for path in paths])


def readPasswordFile(path: str) -> Identity:
    """Return the password in the first line of a file.

    Raises:
        ProbeError: when the file can't be used, or its first line is empty.
    """
    line = _readSecret(path).partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise ProbeError(f"{path}: the first line is empty, there is no password", final=True)
    return Identity(password=line)


def askForPassword(whose: str) -> Identity:
    """Return the password that is typed at the terminal.

    Raises:
        ProbeError: when there is no terminal, or nothing is typed.
    """
    instead = f"give -i KEY, --password-file FILE or {ENVIRONMENT} in the environment"
    noTerminal = f"no password, and no terminal to ask for it: {instead}"
    return Identity(password=_ask(f"{escape(whose)}'s password: ", noTerminal))


def _readKey(path: str) -> Key:
    text = _readSecret(path)
    load = load_ssh_private_key if text.lstrip().startswith(_OPENSSH) else load_pem_private_key
    try:
        try:
            private = load(text, None)
        except TypeError:  # it is locked
            noTerminal = f"{path}: locked by a passphrase, and no terminal to ask for it"
            passphrase = _ask(f"Passphrase for {escape(path)}: ", noTerminal)
            try:
                private = load(text, passphrase)
            except ValueError:
                raise ProbeError(f"{path}: the passphrase is wrong", final=True) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ProbeError(f"{path}: not a private key, or damaged", final=True) from None
    if not isinstance(private, Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey):
        raise ProbeError(f"{path}: give a private ed25519, ecdsa or rsa key", final=True)
    return Key(private)


def _readSecret(name: str) -> bytes:
    """Read a file that nobody else may read, as ssh does with keys."""
    path = Path(name).expanduser()
    try:
        # Not blocking: a FIFO would hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ProbeError(f"{name}: not a regular file", final=True)
            mode = stat.S_IMODE(status.st_mode)
            if mode & 0o077:
                why = f"permissions {mode:04o} are too open: others could read it; chmod 600 it"
                raise ProbeError(f"{name}: {why}", final=True)
            return file.read(_LARGEST_FILE)
    except OSError as error:
        raise ProbeError(f"{name}: {error.strerror}", final=True) from None


def _ask(question: str, noTerminal: str) -> bytes:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise ProbeError(noTerminal, final=True) from None
    try:
        typed = os.fsencode(getpass.getpass(question))
    except (EOFError, UnicodeDecodeError):
        typed = b""
    if not typed:
        raise ProbeError("nothing was typed", final=True)
    return typed
