"""Measure what more and more sessions on one process cost.

For each number of sessions: the memory that each of those opened last has taken, and the server's
CPU for a line, with eight lines under way, on ten of the sessions and on all of them in turn. The
ten show what the server does more with more sessions open, all show also what a processor's cache
can no longer hold. In each round the server is started afresh; the table shows the medians of the
rounds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

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
FEW = 10
LINES = 5000


@dataclass(frozen=True)
class Growth:
    """What so many sessions cost.

    Attributes:
        sessions: how many are open.
        few: CPU microseconds a line on a few of them.
        each: CPU microseconds a line on all of them in turn.
        memory: KiB that each of those opened last has taken; None: it can't be had.
    """

    sessions: int
    few: float
    each: float
    memory: float | None

    @staticmethod
    def medians(same: Sequence[Growth]) -> Growth:
        """Return the medians of several, of as many sessions."""
        had = [growth.memory for growth in same if growth.memory is not None]
        return Growth(
            same[0].sessions,
            statistics.median(growth.few for growth in same),
            statistics.median(growth.each for growth in same),
            statistics.median(had) if had else None,
        )

    def row(self) -> list[str]:
        """Return the table's row."""
        memory = "" if self.memory is None else f"{self.memory:.1f}"
        return [f"{self.sessions:,}", f"{self.few:.1f}", f"{self.each:.1f}", memory]


HEAD = [
    "server",
    "sessions",
    "a line on ten of them: CPU us",
    "a line on each in turn: CPU us",
    "one more session: KiB",
]


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
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="5")
    options = parser.parse_args(arguments)
    core = pin()
    tell(describe(core))
    counts = sorted(set(options.sessions))
    rows = []
    status = 0
    for server in installed(options.only):
        taken: list[list[Growth]] = []
        try:
            for number in range(1, options.rounds + 1):
                with running(server, core) as run:
                    taken.append([])
                    for growth in grow(run, counts):
                        say(
                            f"round {number} of {options.rounds}: {server.title}, {growth.sessions}"
                        )
                        taken[-1].append(growth)
        except BrokenServerError as error:
            tell(str(error))
            status = 1
        rows += [[server.title, *Growth.medians(same).row()] for same in zip(*taken, strict=False)]
    clear()
    print(markdown(HEAD, rows))
    return status


def grow(run: Running, counts: list[int]) -> Iterator[Growth]:
    """Open more and more sessions; yield what they cost."""
    with sessions(run.site, 1):
        pass  # what a server loads at its first login is no session's
    processes.cpuAtRest(run.pid)
    opened: list[EchoSession] = []
    with ExitStack() as stack:
        for count in counts:
            new = count - len(opened)
            before = processes.memory(run.pid)
            opened += stack.enter_context(sessions(run.site, new))
            processes.cpuAtRest(run.pid)
            now = processes.memory(run.pid)
            memory = None if now is None or before is None else (now - before) / new
            few = lineCost(run, opened[:FEW], LINES)
            each = lineCost(run, opened, max(count, LINES))
            yield Growth(count, few, each, memory)


def lineCost(run: Running, opened: list[EchoSession], lines: int) -> float:
    """Return the server's CPU for a line, in microseconds."""
    before = processes.cpuAtRest(run.pid)
    echoTimes(opened, lines)
    return (processes.cpuAtRest(run.pid) - before) / lines * 1e6
