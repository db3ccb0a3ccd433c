"""The cluster's database: a real PostgreSQL, with roles that have passwords."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from postgresql import PROGRAMS, PostgreSQL, postgresql

from clustering.place import DEPLOY, ROOT, ClusterError
from sshecho.people import oneLine

DATABASE = "sshecho"
READER, WRITER = "sshecho", "sshecho_admin"


@dataclass
class Store:
    """A database that nodes share.

    Attributes:
        server: which can be stopped and started.
        passwords: the file for PGPASSFILE.
    """

    server: PostgreSQL
    passwords: Path

    def spec(self, role: str = READER) -> str:
        """Return what ``--auth`` and ``--penalties`` take."""
        return f"db:psycopg:postgresql://{role}@127.0.0.1:{self.server.port}/{DATABASE}"

    def addUser(self, user: str, password: str) -> None:
        """Add a user, as people do.

        Raises:
            ClusterError: when that can't be done.
        """
        done = subprocess.run(
            [sys.executable, "-m", "sshecho", "passwd", "--auth", self.spec(WRITER), user],
            cwd=ROOT,
            env={**os.environ, "PGPASSFILE": str(self.passwords)},
            input=f"{password}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(done.stderr.strip())

    def addKey(self, user: str, line: str) -> None:
        """Add a user's public key.

        Args:
            user: whose.
            line: a line of authorized_keys.
        """
        with psycopg.connect(self._where(DATABASE)) as connection:
            connection.execute("INSERT INTO public_keys VALUES (%s, %s)", (user, line))

    def make(self) -> None:
        """Make the database from `schema.sql`, and a password for each role."""
        with psycopg.connect(self._where("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        lines = []
        with psycopg.connect(self._where(DATABASE)) as connection:
            connection.execute((DEPLOY / "postgresql" / "schema.sql").read_bytes())
            for role in (READER, WRITER):
                password = secrets.token_urlsafe()
                connection.execute(f"ALTER ROLE {role} PASSWORD '{password}'".encode())
                lines.append(f"127.0.0.1:{self.server.port}:{DATABASE}:{role}:{password}\n")
        self.passwords.touch(0o600)
        self.passwords.write_text("".join(lines))

    def _where(self, database: str) -> str:
        """Return how a superuser connects: by the socket, which nobody else can reach."""
        return f"host={self.server.folder} port={self.server.port} user=tester dbname={database}"


@contextmanager
def makeStore(folder: Path) -> Iterator[Store]:
    """Run a database until the end of the block.

    Args:
        folder: where the file of passwords goes.

    Raises:
        ClusterError: when it can't be started.
    """
    if not PROGRAMS:
        raise ClusterError("PostgreSQL is not installed (Debian: apt install postgresql)")
    with postgresql(passwords=True) as server:
        store = Store(server, folder / "passwords")
        try:
            store.make()
        except psycopg.Error as error:
            raise ClusterError(f"PostgreSQL: {oneLine(error)}") from None
        yield store
