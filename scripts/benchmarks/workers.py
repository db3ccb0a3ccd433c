"""Measure one process and two workers beside Go, on the same cores.

Several clients at once, each a process of its own, log in and have lines echoed; nothing is pinned,
so clients and servers share all the cores. CPU is the server's alone, with all of its processes;
operations per second are what was done while the clock on the wall went on. The servers have their
turns, and the table shows the medians of the rounds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks import processes
from benchmarks.client import EchoSession, sessions
from benchmarks.machine import model
from benchmarks.options import installed, positive
from benchmarks.progress import clear, say, tell
from benchmarks.running import Running, running
from benchmarks.servers import Server, sshecho
from benchmarks.site import Site
from benchmarks.table import markdown

WORKERS = replace(
    sshecho.SERVER,
    name="workers",
    title="sshecho --workers 2",
    command=lambda site: [*sshecho.command(site), "--workers", "2"],
)
HEAD = ["", "CPU of a login, ms", "logins a second", "CPU of a line, us", "lines a second"]
LINES = 100
"""How many lines there are for each login."""
FRESH = 2.5
"""Seconds after which a server may take its files for old ones, as they are in real life."""
Taken = tuple[float, float, float, float]


def logins(site: Site, count: int) -> None:
    """Log in, have a line echoed and close, again and again."""
    for _ in range(count):
        session = EchoSession(site)
        session.echo()
        session.close()


def lines(site: Site, count: int) -> None:
    """Have lines echoed on two sessions in turn."""
    with sessions(site, 2) as opened:
        for number in range(count):
            opened[number % 2].echo()


def together(
    run: Running, clients: int, do: Callable[[Site, int], None], count: int
) -> tuple[float, float]:
    """Have clients do something at once, so many times each.

    Returns:
        The server's seconds of CPU for one, and how many were done in a second.
    """
    before = processes.cpuAtRest(run.pid)
    at = time.monotonic()
    running = [multiprocessing.Process(target=do, args=(run.site, count)) for _ in range(clients)]
    for client in running:
        client.start()
    for client in running:
        client.join()
    took = time.monotonic() - at
    if any(client.exitcode for client in running):
        raise ConnectionError("a client failed")
    done = clients * count
    return (processes.cpuAtRest(run.pid) - before) / done, done / took


def measure(server: Server, clients: int, count: int) -> Taken:
    """Return what one round takes of a server."""
    with running(server, None) as run:
        time.sleep(FRESH)
        together(run, clients, logins, max(1, count // 10))  # warms it up
        login, loginRate = together(run, clients, logins, count)
        line, lineRate = together(run, clients, lines, count * LINES)
        return login * 1e3, loginRate, line * 1e6, lineRate


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser("scripts/bench workers", description=__doc__)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--clients", type=positive, default=8, help="how many at once")
    parser.add_argument("--count", type=positive, default=100, help="logins of each in a round")
    options = parser.parse_args(arguments)
    found = installed(["sshecho", "go"])
    servers = [sshecho.SERVER, WORKERS, *(each for each in found if each.name == "go")]
    results: dict[str, list[Taken]] = {server.title: [] for server in servers}
    tell(f"{model()}, {multiprocessing.cpu_count()} cores, {options.clients} clients at once")
    for number in range(1, options.rounds + 1):
        for server in servers:
            say(f"round {number} of {options.rounds}: {server.title}")
            results[server.title].append(measure(server, options.clients, options.count))
    clear()
    print(markdown(HEAD, [[title, *_figures(taken)] for title, taken in results.items()]))
    print("\nBeside one process, the medians of the rounds' ratios:\n")
    base = results[sshecho.SERVER.title]
    rows = [[title, *_ratios(taken, base)] for title, taken in results.items()]
    print(markdown(HEAD, rows[1:]))
    return 0


def _figures(rounds: list[Taken]) -> list[str]:
    login, loginRate, line, lineRate = map(statistics.median, zip(*rounds, strict=True))
    return [f"{login:.2f}", f"{loginRate:,.0f}", f"{line:.1f}", f"{lineRate:,.0f}"]


def _ratios(rounds: list[Taken], base: list[Taken]) -> list[str]:
    """Return the ratios, round by round: what disturbed one disturbed both."""
    columns = zip(zip(*rounds, strict=True), zip(*base, strict=True), strict=True)
    return [
        f"{statistics.median(a / b for a, b in zip(mine, theirs, strict=True)):.2f}"
        for mine, theirs in columns
    ]
