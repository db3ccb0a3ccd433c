"""The server that is soaked: the demonstration, as a user starts it, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from attacking.attacker import PATIENCE, Target
from benchmarks import processes, reaper
from benchmarks.running import waitUntilUp
from benchmarks.site import HOST, freePort, makeSite

REKEY_LIMIT = "4M"
"""Bytes that a key carries: most of the bulk has its keys changed on the way."""
_MIB = 1 << 20


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        target: its doors, for clients with manners.
        audit: its audit log.
        said: what it has said on the terminal.
        pid: its process.
        process: what stands above that.
    """

    target: Target
    audit: Path
    said: Path
    pid: int
    process: subprocess.Popen[bytes]

    def hangUp(self) -> None:
        """Have it read its files again."""
        os.kill(self.pid, signal.SIGHUP)

    def memory(self) -> float:
        """Return the MiB of its memory that is resident."""
        return processes.resident(self.pid) / _MIB

    def descriptors(self) -> int:
        """Return how many it has open."""
        return processes.descriptors(self.pid)

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used."""
        return time.clock_gettime(processes.cpuClock(self.pid))

    def waited(self) -> float:
        """Return the seconds in which it had work, but others had the processor."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    def end(self) -> int | None:
        """Have it end, and return its exit status; None when it does not."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(PATIENCE)
        return None


@contextmanager
def serving(folder: Path, core: int | None = None) -> Iterator[Server]:
    """Run a server until the end of the block.

    Args:
        folder: an empty one of our own.
        core: the processor's core that it runs on; None: any.

    Raises:
        OSError: it does not start.
    """
    site = makeSite(folder)
    target = Target(HOST, site.port, freePort(), HOST)
    audit, said = folder / "audit", folder / "said"
    command = [
        *(sys.executable, reaper.__file__, "-" if core is None else str(core)),
        *(sys.executable, "-m", "sshecho", "serve"),
        *("--ssh", f"tcp:{target.sshPort}:interface={HOST}"),
        *("--line", f"tcp:{target.linePort}:interface={HOST}"),
        *("--host-keys", str(site.hostKey.parent), "--audit", str(audit)),
        *("--rekey-limit", REKEY_LIMIT),
    ]
    with said.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, stdout=file, stderr=file, start_new_session=True
        )
    try:
        waitUntilUp(process, site)
        [pid] = processes.descendants(process.pid)
        yield Server(target, audit, said, pid, process)
    finally:
        process.terminate()
        process.wait()
