"""The machine that is measured on: its cores, and how many connections it allows."""

from __future__ import annotations

import os
import platform
import resource


def pin() -> int | None:
    """Keep this process on one core; return another for the servers, or None: there is but one.

    Both may then open as many files as the system allows.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        return None
    os.sched_setaffinity(0, {first})
    return others[-1]


def describe(core: int | None) -> str:
    """Return a line about the machine, with the servers on a core or anywhere."""
    where = "client and servers share a core"
    if core is not None:
        [mine] = os.sched_getaffinity(0)
        where = f"client on core {mine}, servers on core {core}"
    return f"{model()}, Linux {platform.release()}: {where}"


def model() -> str:
    """Return the processor's name."""
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
