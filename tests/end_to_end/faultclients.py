"""Three clients, and what each of them says to its user when a server misbehaves."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
from dataclasses import dataclass
from functools import partial

import pytest
from serving import PATIENCE, environment

CIPHER = "aes128-gcm@openssh.com"
"""With this one the length of a packet is plain, so the same garbage always means the same."""

logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Outcome:
    """What has become of a command.

    Attributes:
        output: what came back.
        status: its exit status, as the client has it.
        error: what the client's user is told: the exception and its text, or standard error.
    """

    output: bytes = b""
    status: int | None = None
    error: str = ""


def sshCommand(server, *command, user=None, options=()):
    """Return the command line of an ssh."""
    asked = ["-l", user] if user else []
    return [
        "ssh",
        "-F",
        str(server.ssh_config),
        "-c",
        CIPHER,
        *options,
        *asked,
        "sshecho",
        *command,
    ]


def withOpenSSH(server, command, user=None, patience=PATIENCE) -> Outcome:
    """Run a command."""
    asked = ["-o", f"ConnectTimeout={max(1, int(patience))}"]
    done = subprocess.run(
        sshCommand(server, command, user=user, options=asked),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        env=environment(),
        check=False,
    )
    return Outcome(done.stdout, done.returncode, done.stderr.decode())


def paramikoClient(server, user=None, password=None, **timeouts):
    """Return a client of Paramiko's that is logged in."""
    paramiko = pytest.importorskip("paramiko")
    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    try:
        client.connect(
            server.host,
            server.port,
            user or server.user,
            password or server.password,
            **{
                "timeout": PATIENCE,
                "banner_timeout": PATIENCE,
                "auth_timeout": PATIENCE,
                **timeouts,
            },
            allow_agent=False,
            look_for_keys=False,
        )
    except BaseException:
        client.close()
        raise
    return client


def withParamiko(server, command, user=None, **timeouts) -> Outcome:
    """Run a command."""
    try:
        with paramikoClient(server, user, **timeouts) as client:
            _, output, _ = client.exec_command(command, timeout=PATIENCE)
            return Outcome(output.read(), output.channel.recv_exit_status())
    except Exception as error:
        return Outcome(error=described(error))


def asyncsshConnect(server, user=None, patience=PATIENCE):
    """Return a connection of asyncssh's, to be awaited."""
    asyncssh = pytest.importorskip("asyncssh")
    return asyncssh.connect(
        server.host,
        server.port,
        config=None,
        known_hosts=str(server.known_hosts),
        username=user or server.user,
        password=server.password,
        client_keys=None,
        agent_path=None,
        encryption_algs=[CIPHER],
        login_timeout=patience,
    )


def withAsyncssh(server, command, user=None, patience=PATIENCE, forCommand=PATIENCE) -> Outcome:
    """Run a command."""

    async def run() -> Outcome:
        async with asyncsshConnect(server, user, patience) as connection:
            done = await asyncio.wait_for(connection.run(command, encoding=None), forCommand)
            return Outcome(done.stdout, done.returncode)

    try:
        return asyncio.run(run())
    except Exception as error:
        return Outcome(error=described(error))


def described(error: Exception) -> str:
    """Return an exception as a traceback ends: its name and its text."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


CLIENTS = {"OpenSSH": withOpenSSH, "Paramiko": withParamiko, "asyncssh": withAsyncssh}


def lineOutcome(server, *pieces, end=True, patience=PATIENCE) -> bytes:
    """Send pieces to the line door, and return all that comes back until it closes its side."""
    with socket.create_connection((server.host, server.line_port), patience) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(partial(connection.recv, 1 << 16), b""))
