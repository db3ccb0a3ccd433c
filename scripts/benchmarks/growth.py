"""Measure what more and more sessions on one process cost.

For each number of sessions a server of its own holds them, side by side with the others, and they
take turns, round by round. What is measured is the memory of a session, and the server's CPU for a
line, with eight lines under way, on ten of the sessions and on all of them in turn. The ten show
what the server does more with more sessions open, all show also what a processor's cache can no
longer hold. The table shows medians of the rounds, and of their ratios to the fewest sessions.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks import processes
from benchmarks.client import EchoSession, sessions
from benchmarks.machine import describe, pin
from benchmarks.measures import echoTimes
from benchmarks.options import addOnly, installed, positive
from benchmarks.progress import clear, say, tell
from benchmarks.running import BrokenServerError, Running, running
from benchmarks.servers import Server
from benchmarks.table import markdown

COUNTS = (10, 100, 1000, 5000)
FEW = 10
LINES = 5000


@dataclass(frozen=True)
class Held:
    """A server that holds so many sessions, and what they cost, round by round.

    Attributes:
        run: the server.
        sessions: the client's ends.
        memory: KiB that each has taken; None: it can't be had.
        few: CPU microseconds a line on a few of them.
        each: CPU microseconds a line on all of them in turn.
    """

    run: Running
    sessions: list[EchoSession]
    memory: float | None
    few: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Take a turn."""
        self.few.append(lineCost(self.run, self.sessions[:FEW], LINES))
        self.each.append(lineCost(self.run, self.sessions, max(len(self.sessions), LINES)))

    def row(self, fewest: Held) -> list[str]:
        """Return the table's row."""
        memory = "" if self.memory is None else f"{self.memory:.1f}"
        costs = [(self.few, fewest.few), (self.each, fewest.each)]
        return [f"{len(self.sessions):,}", *(_compared(*pair) for pair in costs), memory]


def _compared(costs: list[float], others: list[float]) -> str:
    """Return a cost, and its ratio to another one that was measured in the same rounds."""
    ratio = statistics.median(cost / other for cost, other in zip(costs, others, strict=True))
    return f"{statistics.median(costs):.1f} ({ratio:.2f} x)"


HEAD = [
    "server",
    "sessions",
    "a line on ten of them: CPU us",
    "a line on each in turn: CPU us",
    "a session: KiB",
]


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser("scripts/bench growth", description=__doc__)
    addOnly(parser)
    parser.add_argument(
        "--sessions",
        type=positive,
        nargs="+",
        default=COUNTS,
        metavar="N",
        help=f"how many ({' '.join(map(str, COUNTS))})",
    )
    parser.add_argument("--rounds", type=positive, default=11, metavar="N", help="11")
    options = parser.parse_args(arguments)
    core = pin()
    tell(describe(core))
    counts = sorted(set(options.sessions))
    rows = []
    status = 0
    for server in installed(options.only):
        try:
            held = grow(server, core, counts, options.rounds)
        except BrokenServerError as error:
            tell(str(error))
            status = 1
        else:
            rows += [[server.title, *one.row(held[0])] for one in held]
    clear()
    print(markdown(HEAD, rows))
    return status


def grow(server: Server, core: int | None, counts: Sequence[int], rounds: int) -> list[Held]:
    """Return what a server's sessions cost, by how many there are.

    Raises:
        BrokenServerError: when it does not serve them.
    """
    with ExitStack() as stack:
        held = []
        for count in counts:
            say(f"{server.title}: opening {count} sessions")
            held.append(hold(stack, stack.enter_context(running(server, core)), count))
        for number in range(1, rounds + 1):
            for one in held:
                say(f"round {number} of {rounds}: {server.title}, {len(one.sessions)} sessions")
                one.measure()
        return held


def hold(stack: ExitStack, run: Running, count: int) -> Held:
    """Open so many sessions, which are closed with the stack."""
    with sessions(run.site, 1):
        pass  # what a server loads at its first login is no session's
    processes.cpuAtRest(run.pid)
    before = processes.memory(run.pid)
    opened = stack.enter_context(sessions(run.site, count))
    processes.cpuAtRest(run.pid)
    now = processes.memory(run.pid)
    return Held(run, opened, None if now is None or before is None else (now - before) / count)


def lineCost(run: Running, opened: list[EchoSession], lines: int) -> float:
    """Return the server's CPU for a line, in microseconds."""
    before = processes.cpuAtRest(run.pid)
    echoTimes(opened, lines)
    return (processes.cpuAtRest(run.pid) - before) / lines * 1e6
