"""Clients in the process of the tests, for a server for tests."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine
from typing import Any

import asyncssh
import paramiko
from serving import PATIENCE, environment

from sshecho.testing import Server


def ssh(server: Server, *command: str, options=(), **more) -> subprocess.CompletedProcess[bytes]:
    """Run ssh to its end, as the server's configuration has it."""
    return subprocess.run(
        ["ssh", "-F", server.ssh_config, *options, "sshecho", *command],
        capture_output=True,
        timeout=PATIENCE,
        env=environment(TERM="xterm"),
        check=False,
        **more,
    )


def enter(server: Server, user=None, password=None, key=None, **more) -> paramiko.SSHClient:
    """Return a client of paramiko that has logged in."""
    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    try:
        client.connect(
            server.host,
            server.port,
            server.user if user is None else user,
            password=password,
            key_filename=None if password is not None else str(key or server.private_key),
            allow_agent=False,
            look_for_keys=False,
            timeout=PATIENCE,
            **more,
        )
    except BaseException:
        client.close()
        raise
    return client


def inAsyncSSH(
    server: Server, use: Callable[[asyncssh.SSHClientConnection], Coroutine[Any, Any, Any]], **more
) -> Any:
    """Return what a coroutine does with a connection of asyncssh that has logged in."""
    options = {"username": server.user, "client_keys": [str(server.private_key)], **more}

    async def main() -> Any:
        async with asyncssh.connect(
            server.host,
            server.port,
            config=None,
            agent_path=None,
            known_hosts=str(server.known_hosts),
            **options,
        ) as connection:
            return await use(connection)

    return asyncio.run(asyncio.wait_for(main(), PATIENCE))
