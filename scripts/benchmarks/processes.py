"""A server's processes, and what they have used: CPU time and memory.

A server that forks is measured whole: what its dead children used is in the account of whoever
waited for them, and `reaper` waits for those whose parent died first.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
"""Bytes."""
QUIET = 0.0002
"""Seconds of CPU in one pause below which a server is at rest."""
PAUSE = 0.05
PATIENCE = 10


def descendants(root: int) -> list[int]:
    """Return the processes below one, without itself; parents before their children."""
    children = defaultdict(list)
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children[int(fields(int(entry))[1])].append(int(entry))
            except OSError:  # it ended
                continue
    found = list(children[root])
    for pid in found:  # which grows
        found += children[pid]
    return found


def fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the program's name: proc(5) counts from 3.

    Raises:
        OSError: there is no such process.
    """
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def cpuOfDead(stat: list[str]) -> float:
    """Return the seconds of CPU, user and system, of the children a process has waited for.

    They are counted in ticks (10 ms), user and system apart.
    """
    return (int(stat[13]) + int(stat[14])) / TICKS


def cpuClock(pid: int) -> int:
    """Return the clock of a process's CPU time, all its threads, dead ones too: in nanoseconds.

    It is what clock_getcpuclockid(3) returns, which Python does not have.
    """
    return (~pid << 3) | 2


def cpu(root: int) -> float:
    """Return the seconds of CPU of all below a process, of the living and of the dead."""
    while True:
        try:
            processes = descendants(root)
            return sum(time.clock_gettime(cpuClock(pid)) for pid in processes) + sum(
                cpuOfDead(fields(pid)) for pid in (root, *processes)
            )
        except OSError:  # one ended meanwhile: its CPU is in another's account now
            continue


def cpuAtRest(root: int) -> float:
    """Wait until a server has no more to do; return the seconds of CPU it has used.

    Raises:
        TimeoutError: it goes on and on.
    """
    end = time.monotonic() + PATIENCE
    used = cpu(root)
    while time.monotonic() < end:
        time.sleep(PAUSE)
        before, used = used, cpu(root)
        if abs(used - before) < QUIET:
            return used
    raise TimeoutError("it does not come to rest")


def memory(root: int) -> int | None:
    """Return the KiB of memory of all below a process, shared pages in parts (Pss); None: secret.

    The kernel's own memory, such as for sockets, is not among them.
    """
    total = 0
    for pid in descendants(root):
        try:
            total += sharedFairly(pid)
        except PermissionError:  # sshd's processes, for who is not root
            return None
        except OSError:  # it ended
            continue
    return total


def sharedFairly(pid: int) -> int:
    """Return the KiB of memory of a process, shared pages in parts (Pss).

    Raises:
        OSError: there is no such process, or it is not for us to know.
    """
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line[:4] == "Pss:")


def resident(pid: int) -> int:
    """Return the bytes of memory of a process that are resident (RSS).

    Raises:
        OSError: there is no such process.
    """
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open.

    Raises:
        OSError: there is no such process.
    """
    return len(os.listdir(f"/proc/{pid}/fd"))
