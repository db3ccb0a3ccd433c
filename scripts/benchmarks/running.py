"""A server in processes of its own, from its start to its end."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ssh2.exceptions import SSH2Error

from benchmarks import reaper
from benchmarks.servers import Server
from benchmarks.site import HOST, Site, makeSite

PATIENCE = 30
"""Seconds until a server must be up."""


class BrokenServerError(Exception):
    """A server did not do what it should; one line says what."""


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
        site: where.
        pid: the process above all of its own.
    """

    site: Site
    pid: int


@contextmanager
def running(server: Server, core: int | None) -> Iterator[Running]:
    """Run a server, on one core if there is one for it, until the end of the block.

    Raises:
        BrokenServerError: it is not there, or not any more.
    """
    with tempfile.TemporaryDirectory(prefix="sshecho-bench-") as folder:
        site = makeSite(Path(folder))
        process = subprocess.Popen(
            [
                *(sys.executable, reaper.__file__, "-" if core is None else str(core)),
                *server.command(site),
            ],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: we end it
        )
        try:
            waitUntilUp(process, site)
            yield Running(site, process.pid)
        except (OSError, SSH2Error) as error:
            with suppress(subprocess.TimeoutExpired):  # who breaks often dies a moment later
                process.wait(0.2)
            if process.returncode is None:
                why = f"{type(error).__name__} {error}".strip()
            else:
                why = f"it ended with status {process.returncode}"
            raise BrokenServerError(f"{server.name}: {why}") from error
        finally:
            process.terminate()
            process.wait()


def waitUntilUp(process: subprocess.Popen[bytes], site: Site) -> None:
    """Wait until a server says its version.

    Raises:
        TimeoutError: it takes too long.
        ChildProcessError: it has ended.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ChildProcessError("it does not start")
        with suppress(OSError), socket.create_connection((HOST, site.port), 5) as connection:
            if connection.recv(4) == b"SSH-":
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing at port {site.port} after {PATIENCE} seconds")
