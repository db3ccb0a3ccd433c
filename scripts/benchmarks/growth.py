"""Measure what more and more sessions on one process cost.

For each number of sessions: the server's memory beyond that of an idle server, by session, and the
server's CPU for a line, when a line goes out on each session in turn, eight of them under way.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks import processes
from benchmarks.client import EchoSession, sessions
from benchmarks.machine import describe, pin
from benchmarks.measures import echoTimes
from benchmarks.options import installed, listOf, positive
from benchmarks.progress import clear, say, tell
from benchmarks.running import BrokenServerError, Running, running
from benchmarks.servers import SERVERS
from benchmarks.table import markdown

COUNTS = (10, 100, 1000, 5000)
LINES = 5000


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser("scripts/bench growth", description=__doc__)
    parser.add_argument(
        "--only",
        type=listOf(SERVERS),
        default=["sshecho"],
        metavar="NAME,...",
        help=f"some of {','.join(SERVERS)} (sshecho)",
    )
    parser.add_argument(
        "--sessions",
        type=positive,
        nargs="+",
        default=COUNTS,
        metavar="N",
        help=f"how many ({' '.join(map(str, COUNTS))})",
    )
    options = parser.parse_args(arguments)
    core = pin()
    tell(describe(core))
    rows = []
    status = 0
    for server in installed(options.only):
        try:
            with running(server, core) as run:
                for count, cpu, memory in grow(run, sorted(options.sessions)):
                    shown = "" if memory is None else f"{memory:.1f}"
                    rows.append([server.title, f"{count:,}", f"{cpu * 1e6:.1f}", shown])
                    say(f"{server.title}: {count:,} sessions")
        except BrokenServerError as error:
            tell(str(error))
            status = 1
    clear()
    print(markdown(["server", "sessions", "one line: CPU us", "one session: KiB"], rows))
    return status


def grow(run: Running, counts: list[int]) -> Iterator[tuple[int, float, float | None]]:
    """Open more and more sessions; yield how many, CPU seconds a line and KiB a session."""
    with sessions(run.site, 1):
        pass  # what a server loads at its first login is no session's
    processes.cpuAtRest(run.pid)
    empty = processes.memory(run.pid)
    opened: list[EchoSession] = []
    with ExitStack() as stack:
        for count in counts:
            opened += stack.enter_context(sessions(run.site, count - len(opened)))
            before = processes.cpuAtRest(run.pid)
            now = processes.memory(run.pid)
            memory = None if now is None or empty is None else (now - empty) / count
            lines = max(count, LINES)
            echoTimes(opened, lines)
            yield count, (processes.cpuAtRest(run.pid) - before) / lines, memory
