"""The papers: files that a client needs to log in here and nowhere else."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.conch.ssh.keys import Key

from sshecho.cred.authorizedkeys import parseAuthorizedKeys

_PLAIN = re.compile(r"[A-Za-z0-9_./-]+", re.ASCII)
_CONFIGURATION = """\
Host sshecho
    HostName {host}
    Port {port}
    User {user}
    IdentityFile {private_key}
    IdentityAgent none
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    ControlMaster no
    ControlPath none
    BatchMode yes
"""

_LONGEST_NAME = 255  # bytes of a file's name


class Papers:
    """A folder of our own, which goes when the server does.

    Attributes:
        folder: it.
        private_key: the user's private key, in OpenSSH's format.
        known_hosts: the host keys that clients are to expect.
        ssh_config: for ``ssh -F``; its host is called ``sshecho``.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sshecho-"))
        self.private_key = self.folder / "id_ed25519"
        self.known_hosts = self.folder / "known_hosts"
        self.ssh_config = self.folder / "ssh_config"
        self._authorized = self.folder / "authorized_keys"
        self._authorized.mkdir(mode=0o700)
        self._makeKey()

    @property
    def authorizedKeys(self) -> str:
        """Where the keys that users may log in with are, as the checker of key files takes it."""
        return f"{str(self._authorized).replace('%', '%%')}/%u"

    def _makeKey(self) -> None:
        private = Ed25519PrivateKey.generate()
        self.private_key.touch(mode=0o600)
        self.private_key.write_bytes(
            private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        )
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        self.publicKey = public.decode()
        self.private_key.with_suffix(".pub").write_text(f"{self.publicKey} sshecho\n")

    def writeConfiguration(self, host: str, port: int, user: str) -> None:
        """Write what ``ssh -F`` takes."""
        text = _CONFIGURATION.format(
            host=host,
            port=port,
            user=_quoted(user),
            private_key=_quoted(self.private_key).replace("%", "%%"),
            known_hosts=_quoted(self.known_hosts).replace("%", "%%"),
        )
        self.ssh_config.write_bytes(text.encode("utf-8", "surrogateescape"))  # as paths may be

    def writeKnownHosts(self, host: str, port: int, keys: Sequence[Key]) -> None:
        """Write the host keys that clients are to expect."""
        # With the port, and without for who knows no ports there, such as Conch.
        names = ",".join(f"{each},[{each}]:{port}" for each in (host, "localhost"))
        lines = [f"{names} {key.public().toString('OPENSSH').decode()}\n" for key in keys]
        self.known_hosts.write_text("".join(lines))

    def authorize(self, user: str, keys: Sequence[str]) -> None:
        """Let a user log in with these keys, lines of an authorized_keys file, and no others.

        Raises:
            ValueError: for a user whose name can't be a file's.
        """
        checkName(user)
        path = self._authorized / os.fsdecode(user.encode())  # by which the checker looks for it
        path.touch(mode=0o600)
        path.write_bytes("".join(f"{line}\n" for line in keys).encode())

    def forgetAuthorized(self) -> None:
        """Let nobody log in with a key."""
        for path in self._authorized.iterdir():
            path.unlink()

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)


def checkName(user: str) -> None:
    """See to it that a user can have keys.

    Raises:
        ValueError: for one whose name can't be a file's.
    """
    name = user.encode()
    if user in ("", ".", "..") or b"/" in name or b"\0" in name or len(name) > _LONGEST_NAME:
        raise ValueError(f"a user with a key can't be called {user!r}")


def checkKey(line: str) -> None:
    """See to it that a line of an authorized_keys file is one, and can be used.

    Raises:
        ValueError: when it is not.
    """
    warnings: list[str] = []
    if not parseAuthorizedKeys("a key", line.encode(), warnings.append) or "\n" in line:
        raise ValueError(warnings[0] if warnings else f"there is no one key in {line!r}")


def _quoted(text: object) -> str:
    """Return a value as it stands in a configuration of ssh: others may know no quotes."""
    if _PLAIN.fullmatch(str(text)):
        return str(text)
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
