"""The SSH clients that people use, behind one interface.

Each is a command in a process of its own: what is to be sent goes in, what has come back comes
out, and its exit status is the session's. So none can hang the tests, and each reads and writes
at the same time. Libraries are made commands by `libraries.py`.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
PATIENCE = 60
"""Seconds that a client may take."""

PASSWORD = "password"
KEY = "publickey"
KEYBOARD_INTERACTIVE = "keyboard-interactive"
CREDENTIALS = (PASSWORD, KEY, KEYBOARD_INTERACTIVE)
"""What is tried, under the names of RFC 4252 and RFC 4256."""


@dataclass(frozen=True)
class Visit:
    """What a client is to do.

    Attributes:
        home: a folder of its own, which it takes for the user's: `.ssh/known_hosts` is there.
        port: where the server is, at HOST.
        user: whom to log in as.
        credential: how to: one of CREDENTIALS.
        password: the user's password.
        key: file of the user's private key, in OpenSSH's format, with its `.pub` beside it.
        command: what to exec; a shell without it.
        algorithms: all that the client may offer of a kind: "kex", "host_key", "cipher", "mac",
            "compression", "signature" (of the user). Only OpenSSH and asyncssh can be told, and
            Paramiko all but the last; OpenSSH wants compression of any kind, or none.
    """

    home: str
    port: int
    user: str
    credential: str
    password: str
    key: str
    command: str | None = None
    algorithms: Mapping[str, str] = field(default_factory=dict)

    @property
    def known_hosts(self) -> str:
        """File with the server's host keys."""
        return f"{self.home}/.ssh/known_hosts"

    def knowHost(self, keys: list[str]) -> None:
        """Write known_hosts: with the port, and without for who knows no ports there."""
        path = Path(self.known_hosts)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(
            "".join(f"{host} {key}\n" for host in (HOST, f"[{HOST}]:{self.port}") for key in keys)
        )

    def hostKeys(self) -> set[bytes]:
        """Return the server's public keys as blobs."""
        lines = Path(self.known_hosts).read_text().splitlines()
        return {base64.b64decode(line.split()[2]) for line in lines}


@dataclass(frozen=True)
class Use:
    """What a visit is for: the command, what is sent, and what has to come back."""

    command: str | None
    data: bytes
    due: bytes


_NOISE = random.Random(1).randbytes(4 << 20)

USES = {
    "shell": Use(None, bytes(range(256)), bytes(range(256))),
    "exec": Use("hello  world", b"", b"hello  world\n"),
    "4 MiB": Use(None, _NOISE, _NOISE),
}
"""What each client is used for."""


@dataclass(frozen=True)
class Outcome:
    """What has become of a visit: what came back, what the client said, and its exit status."""

    output: bytes
    said: str
    status: int


Command = tuple[list[str], dict[str, str]]
"""A command line, and what it needs in its environment."""


@dataclass(frozen=True)
class Client:
    """One client.

    Attributes:
        name: what people call it.
        needs: the programs, and the modules of Python, without which it can't run.
        command: returns what does a visit.
        algorithms: the --algorithms of the server that it needs.
        credentials: what it can log in with.
        shell: how its shell is had, in one word or a few; all but one have it without a terminal.
    """

    name: str
    needs: tuple[str, ...]
    command: Callable[[Visit], Command]
    algorithms: str = "modern"
    credentials: tuple[str, ...] = (PASSWORD, KEY, KEYBOARD_INTERACTIVE)
    shell: str = "yes"

    def can(self, what: str) -> str:
        """Say whether, or how, it has one of CREDENTIALS or USES."""
        if what in self.credentials:
            return "yes"
        if what in CREDENTIALS:
            asked = what == PASSWORD and KEYBOARD_INTERACTIVE in self.credentials
            return f"by {KEYBOARD_INTERACTIVE}" if asked else "no"
        return self.shell if USES[what].command is None else "yes"

    def missing(self) -> list[str]:
        """Return which of its needs are not installed."""
        return [
            name
            for name in self.needs
            if not shutil.which(name, path=_path()) and not importlib.util.find_spec(name)
        ]

    def visit(self, visit: Visit, data: bytes = b"") -> Outcome:
        """Send data to the server, and return what has come back."""
        arguments, environment = self.command(visit)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SSH_", "XDG_"))}
        done = subprocess.run(
            arguments,
            input=data,
            capture_output=True,
            env={**kept, "PATH": _path(), "HOME": visit.home, **environment},
            timeout=PATIENCE,
            check=False,
        )
        return Outcome(done.stdout, done.stderr.decode(errors="replace"), done.returncode)


def _path() -> str:
    """Return the PATH, with the commands of this Python's packages."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


_OPENSSH_OPTIONS = {
    "kex": "KexAlgorithms",
    "host_key": "HostKeyAlgorithms",
    "cipher": "Ciphers",
    "mac": "MACs",
    "compression": "Compression",
    "signature": "PubkeyAcceptedAlgorithms",
}


def _openssh(visit: Visit) -> Command:
    algorithms = dict(visit.algorithms)
    if "compression" in algorithms:
        algorithms["compression"] = "no" if algorithms["compression"] == "none" else "yes"
    options = {
        "UserKnownHostsFile": visit.known_hosts,
        "StrictHostKeyChecking": "yes",
        "PreferredAuthentications": visit.credential,
        "IdentitiesOnly": "yes",
        "IdentityFile": visit.key,
        "NumberOfPasswordPrompts": "1",
        "LogLevel": "ERROR",
        **{_OPENSSH_OPTIONS[kind]: name for kind, name in algorithms.items()},
    }
    asked = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    end = [] if visit.command is None else [visit.command]
    askpass = Path(visit.home, "askpass")
    askpass.write_text('#!/bin/sh\necho "$SSHECHO_TEST_PASSWORD"\n')
    askpass.chmod(0o700)
    return [
        "ssh",
        "-T",
        "-F",
        "none",
        "-p",
        str(visit.port),
        "-l",
        visit.user,
        *asked,
        HOST,
        *end,
    ], {
        "SSH_ASKPASS": str(askpass),
        "SSH_ASKPASS_REQUIRE": "force",
        "SSHECHO_TEST_PASSWORD": visit.password,
    }


def _plink(visit: Visit) -> Command:
    arguments = ["plink", "-batch", "-ssh", "-T", "-P", str(visit.port), "-l", visit.user]
    for blob in visit.hostKeys():
        digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
        arguments += ["-hostkey", f"SHA256:{digest}"]
    if visit.credential == KEY:
        key = f"{visit.home}/key.ppk"
        subprocess.run(["puttygen", visit.key, "-o", key], check=True, timeout=PATIENCE)
        arguments += ["-i", key]
    else:
        session = Path(visit.home, ".putty", "sessions", "visit")
        session.parent.mkdir(parents=True, exist_ok=True)
        session.write_text(f"AuthKI={int(visit.credential == KEYBOARD_INTERACTIVE)}\n")
        arguments[1:1] = ["-load", "visit"]
        password = Path(visit.home, "password")
        password.touch(mode=0o600)
        password.write_text(visit.password)
        arguments += ["-pwfile", str(password)]
    return [*arguments, HOST, *([] if visit.command is None else [visit.command])], {}


def _dbclient(visit: Visit) -> Command:
    arguments = ["dbclient", "-T", "-p", str(visit.port), "-l", visit.user]
    if visit.credential == KEY:
        key = f"{visit.home}/key.dropbear"
        convert = ["dropbearconvert", "openssh", "dropbear", visit.key, key]
        subprocess.run(convert, check=True, capture_output=True, timeout=PATIENCE)
        arguments += ["-i", key]
    arguments += [HOST, *([] if visit.command is None else [visit.command])]
    return arguments, {"DROPBEAR_PASSWORD": visit.password}


def _library(name: str) -> Callable[[Visit], Command]:
    script = str(Path(__file__).with_name("libraries.py"))
    return lambda visit: (
        [sys.executable, script, name],
        {"SSHECHO_VISIT": json.dumps(asdict(visit))},
    )


OPENSSH = Client("OpenSSH", ("ssh",), _openssh)
PARAMIKO = Client("Paramiko", ("paramiko",), _library("paramiko"))
ASYNCSSH = Client("asyncssh", ("asyncssh",), _library("asyncssh"))

CLIENTS = (
    OPENSSH,
    Client("PuTTY (plink)", ("plink", "puttygen"), _plink),
    Client(
        "Dropbear (dbclient)",
        ("dbclient", "dropbearconvert"),
        _dbclient,
        credentials=(KEY, KEYBOARD_INTERACTIVE),  # its choice where there is password too
    ),
    PARAMIKO,
    ASYNCSSH,
    Client("libssh2 (ssh2-python)", ("ssh2",), _library("libssh2")),
    Client(
        "libssh (ansible-pylibssh)",
        ("pylibsshext",),
        _library("libssh"),
        credentials=(PASSWORD, KEY),  # asked only where there is no password
        shell="at a terminal",  # the binding asks for one with each shell
    ),
    Client(
        "Conch (conch)",
        ("conch",),
        _library("conch"),
        algorithms="compatible",
        credentials=(PASSWORD, KEY),  # asked only where there is no password
    ),
)
