"""A server in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
        web_port: where the web endpoint is, if there is one.
    """

    process: subprocess.Popen[bytes]
    ssh_port: int | None
    line_port: int | None
    known_hosts: Path
    lines: list[str]
    web_port: int | None = None

    def connect(self) -> socket.socket:
        """Return a connection to the line door."""
        connection = socket.create_connection(("127.0.0.1", self.line_port), PATIENCE)
        connection.settimeout(PATIENCE)
        return connection


@contextmanager
def serving(
    folder: Path,
    *options: str,
    command: Sequence[str] = (sys.executable, "-m", "sshecho", "serve"),
) -> Iterator[Server]:
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
    closed = {options[at - 1] for at, value in enumerate(options) if value == "off"}
    due = [f"{door} door at " for door in ("ssh", "line") if f"--{door}" not in closed]
    due += ["host key "] if "--ssh" not in closed else []
    due += ["web door at "] if "--metrics" in options else []

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.decode().rstrip("\n"))
            if all(any(said in line for line in lines) for said in due):
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
            int(ports["web"]) if "web" in ports else None,
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
