"""A server, and the programs that people use to talk to it."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from serving import PATIENCE, Server, environment, serving


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
