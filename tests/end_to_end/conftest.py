"""A server in a process of its own, and the programs that people use to talk to it."""

from __future__ import annotations

import datetime
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
"""Seconds to wait for what should take none."""


@dataclass
class Server:
    """A running server.

    Attributes:
        process: its process.
        ssh_port, line_port: where the doors are; None for one that is closed.
        known_hosts: a file for ssh's UserKnownHostsFile.
        lines: what it has said so far.
    """

    process: subprocess.Popen[bytes]
    ssh_port: int | None
    line_port: int | None
    known_hosts: Path
    lines: list[str]

    def connect(self) -> socket.socket:
        """Return a connection to the line door."""
        connection = socket.create_connection(("127.0.0.1", self.line_port), PATIENCE)
        connection.settimeout(PATIENCE)
        return connection


@contextmanager
def serving(folder: Path, *options: str, command=(sys.executable, "-m", "sshecho", "serve")):
    """Run a server on free ports until the end of the block."""
    keys = folder / "keys"
    arguments = [*command, "--host-keys", str(keys), *options]
    for door in ("--ssh", "--line"):
        if door not in options:
            arguments += [door, "tcp:0:interface=127.0.0.1"]
    process = subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()
    )
    lines: list[str] = []
    ready = threading.Event()
    expected = 2 - ("off" in options) + ("off" not in options)  # doors, and a host key

    def read():
        for line in process.stdout:
            lines.append(line.decode().rstrip("\n"))
            if len([x for x in lines if " door at " in x or " host key " in x]) >= expected:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(PATIENCE), lines
        assert process.poll() is None, lines
        text = "\n".join(lines)
        ports = dict(re.findall(r"(\w+) door at 127\.0\.0\.1:(\d+)", text))
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(
            "".join(f"* {path.read_text()}" for path in keys.glob("*.pub")) if keys.exists() else ""
        )
        yield Server(
            process,
            int(ports["ssh"]) if "ssh" in ports else None,
            int(ports["line"]) if "line" in ports else None,
            known_hosts,
            lines,
        )
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            reader.join(PATIENCE)


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a program, without what would lead it astray."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SSH_", "XDG_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


@pytest.fixture
def serve(private):
    """Return a context manager that runs a server with options of the test's own."""
    return lambda *options, **more: serving(private, *options, **more)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """A server with the demonstration login, for all the tests."""
    folder = tmp_path_factory.mktemp("server")
    folder.chmod(0o700)
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> Path:
    """A file with a certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "server.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem


@pytest.fixture
def askpass(private) -> Path:
    """A program that answers ssh's question for the password."""
    script = private / "askpass"
    script.write_text('#!/bin/sh\necho "$SSHECHO_TEST_PASSWORD"\n')
    script.chmod(0o700)
    return script


@pytest.fixture
def ssh(need, askpass):
    """Return a function that makes the command line and the environment of an ssh."""
    program = need("ssh")

    def command(server, *arguments, user="user", password="pass", key=None, options=()):
        authentication = (
            ["-o", "PreferredAuthentications=publickey", "-o", "IdentitiesOnly=yes", "-i", str(key)]
            if key
            else ["-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1"]
        )
        return [
            *(program, "-F", "none", "-p", str(server.ssh_port), "-l", user),
            *("-o", f"UserKnownHostsFile={server.known_hosts}"),
            *("-o", "StrictHostKeyChecking=yes"),
            *options,
            *authentication,
            *("-o", "LogLevel=ERROR"),
            "localhost",
            *arguments,
        ], environment(
            SSH_ASKPASS=str(askpass), SSH_ASKPASS_REQUIRE="force", SSHECHO_TEST_PASSWORD=password
        )

    return command


@pytest.fixture
def runSSH(ssh):
    """Return a function that runs an ssh to its end."""

    def run(server, *arguments, input=b"", **more) -> subprocess.CompletedProcess[bytes]:  # noqa: A002
        command, env = ssh(server, *arguments, **more)
        return subprocess.run(
            command, input=input, capture_output=True, env=env, timeout=PATIENCE, check=False
        )

    return run
