"""A real PostgreSQL in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
"""Where Debian's packages put what is not for everyday use."""


def freePort() -> int:
    """Return a port of this machine's that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@dataclass
class PostgreSQL:
    """A server that can be stopped and started again.

    Attributes:
        folder: its data.
        port: where it listens, on 127.0.0.1.
        programs: the folder of its programs.
    """

    folder: Path
    port: int
    programs: Path

    @property
    def url(self) -> str:
        """What psycopg connects to."""
        return f"postgresql://tester@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs; as root it does not want to."""
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        command = [str(self.programs / program), "-D", str(self.folder), *arguments]
        done = subprocess.run(
            command if os.geteuid() else [*user, *command],
            cwd="/",
            stdin=subprocess.DEVNULL,
            # Not a pipe: the server inherits it, and would keep it open.
            stdout=(log := (self.folder.parent / "log").open("ab")),
            stderr=log,
            timeout=60,
            check=False,
        )
        log.close()
        assert done.returncode == 0, (self.folder.parent / "log").read_text()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self.folder}"
        self.run("pg_ctl", "start", "-w", "-o", options, "-l", str(self.folder.parent / "server"))

    def stop(self) -> None:
        """Stop it, and cut its connections."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate")


@contextmanager
def postgresql(*, passwords: bool = False) -> Iterator[PostgreSQL]:
    """Run a server until the end of the block.

    Args:
        passwords: whether to ask for them, but for whoever can reach the socket in its folder.
    """
    # pytest's folders are closed to other users, and as root the server is another user.
    place = Path(mkdtemp(prefix="sshecho-postgresql-"))
    place.chmod(0o755)
    folder = place / "data"
    folder.mkdir(mode=0o700)
    for path in (place, folder):
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")
    server = PostgreSQL(folder, freePort(), PROGRAMS[-1])
    try:
        hosts = f"--auth-host={'scram-sha-256' if passwords else 'trust'}"
        trust = (hosts, "--auth-local=trust")
        server.run("initdb", "-U", "tester", *trust, "--no-sync", "-E", "UTF8")
        try:
            server.start()
            yield server
        finally:
            if (folder / "postmaster.pid").exists():  # it runs, whatever came between
                server.stop()
    finally:
        shutil.rmtree(place)
