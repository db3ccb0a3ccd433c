"""Measure how long a test waits for its server: `sshecho.testing`, from outside, in milliseconds.

In each round a server is started, which includes its own first login and echo; it is reset with
nobody connected, and with ten clients at its line door; and it is closed. The table shows medians
of the rounds, and the longest. A round before the first warms up, and is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socket import create_connection

from benchmarks.machine import model
from benchmarks.options import positive
from benchmarks.table import markdown
from sshecho.testing import Server

CLIENTS = 10


def measure() -> Iterator[tuple[str, float]]:
    """Yield what was measured in one round, and how many milliseconds it took."""
    server = Server()
    with timed() as start:
        server.start()
    yield "start", start[0]
    with timed() as reset:
        server.reset()
    yield "reset", reset[0]
    with ExitStack() as clients:
        for _ in range(CLIENTS):
            clients.enter_context(create_connection((server.host, server.line_port)))
        server.wait_for(lambda server: len(server.connections) == CLIENTS)
        with timed() as cut:
            server.reset()
        yield f"reset, {CLIENTS} clients", cut[0]
    with timed() as close:
        server.close()
    yield "close", close[0]


@contextmanager
def timed() -> Iterator[list[float]]:
    """Yield a list that has the block's milliseconds behind it."""
    taken: list[float] = []
    start = time.perf_counter()
    yield taken
    taken.append((time.perf_counter() - start) * 1000)


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser("scripts/bench fixture", description=__doc__)
    parser.add_argument("--rounds", type=positive, default=10, help="how many (10)")
    options = parser.parse_args(arguments)
    dict(measure())
    rounds = [dict(measure()) for _ in range(options.rounds)]
    rows = []
    for what in rounds[0]:
        times = [taken[what] for taken in rounds]
        rows.append([what, f"{statistics.median(times):.1f}", f"{max(times):.1f}"])
    print(markdown(["a server for tests", "median, ms", "longest, ms"], rows))
    print(f"\n{model()}; {options.rounds} rounds")
    return 0
