"""Measure what attacks cost a server, and the others on it.

Each attack comes from an address of its own, with a server of its own. While it goes on a session
from another address has a line echoed every few milliseconds, and another logs in. What is
measured is how long the echo took (the 99th percentile, and the longest), how long the login took,
by how much the server grew at most, and how much of a core it took.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from attacking.attacks import ATTACKS
from ssh2.exceptions import SSH2Error

from benchmarks import processes
from benchmarks.client import EchoSession, sessions
from benchmarks.machine import describe, pin
from benchmarks.measures import p99
from benchmarks.options import addOnly, installed, listOf, positive
from benchmarks.progress import clear, say, tell
from benchmarks.running import BrokenServerError, Running, running
from benchmarks.servers import Server
from benchmarks.table import markdown

ATTACKER = "127.0.0.2"
NAMES = [name for name in ATTACKS if "lines" not in name and not name.startswith("line-")]
"""Those for the SSH door, which all servers have."""
PAUSE = 0.005
"""Seconds between an echo and the next line."""
HEAD = [
    "attack",
    "server",
    "another's echo: 99th percentile, ms",
    "longest, ms",
    "another's login, ms",
    "growth, MiB",
    "CPU, % of a core",
]


@dataclass(frozen=True)
class Damage:
    """What one attack does.

    Attributes:
        echoes: seconds that others' lines took; none when their session was cut.
        login: seconds that another's login took; None: it was not let in.
        growth: KiB that the server grew by at most; None: it can't be had.
        cpu: seconds of CPU a second.
    """

    echoes: list[float]
    login: float | None
    growth: int | None
    cpu: float

    def cells(self) -> list[str]:
        """Return what stands in the table."""
        if self.echoes:
            times = sorted(self.echoes)
            echo = [f"{p99(times) * 1e3:.1f}", f"{times[-1] * 1e3:.0f}"]
        else:
            echo = ["cut off", ""]
        login = "not let in" if self.login is None else f"{self.login * 1e3:.0f}"
        growth = "" if self.growth is None else f"{self.growth / 1024:.1f}"
        return [*echo, login, growth, f"{self.cpu * 100:.0f}"]


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser("scripts/bench attacks", description=__doc__)
    addOnly(parser)
    parser.add_argument(
        "--attacks",
        type=listOf(NAMES),
        default=NAMES,
        metavar="NAME,...",
        help=f"some of {','.join(NAMES)} (all)",
    )
    parser.add_argument("--seconds", type=positive, default=5, metavar="S", help="of each (5)")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="3")
    options = parser.parse_args(arguments)
    core = pin()
    tell(describe(core))
    servers = installed(options.only)
    rows = []
    status = 0
    for name in options.attacks:
        for server in servers:
            say(f"{name} against {server.title}")
            try:
                done = [suffer(server, core, name, options.seconds) for _ in range(options.rounds)]
            except BrokenServerError as error:
                tell(f"{name}: {error}")
                status = 1
            else:
                rows.append([name, server.title, *middle(done).cells()])
    clear()
    print(markdown(HEAD, rows))
    return status


def middle(rounds: Sequence[Damage]) -> Damage:
    """Return the rounds as one: all their echoes, and the medians of the rest."""
    cut = any(not each.echoes for each in rounds)
    logins = [each.login for each in rounds if each.login is not None]
    growths = [each.growth for each in rounds if each.growth is not None]
    return Damage(
        [] if cut else [echo for each in rounds for echo in each.echoes],
        statistics.median(logins) if len(logins) == len(rounds) else None,
        round(statistics.median(growths)) if growths else None,
        statistics.median(each.cpu for each in rounds),
    )


def suffer(server: Server, core: int | None, name: str, seconds: float) -> Damage:
    """Return what an attack does to a server, and to whoever is there.

    Raises:
        BrokenServerError: the server is gone.
    """
    with running(server, core) as run:
        with sessions(run.site, 3):
            pass  # what is loaded at a first login is no growth
        with sessions(run.site, 1) as [session]:
            processes.cpuAtRest(run.pid)
            before, used = processes.memory(run.pid), processes.cpu(run.pid)
            attacker = attack(run, name, seconds)
            try:
                return watch(run, session, attacker, before, used)
            finally:
                attacker.kill()
                attacker.wait()


def attack(run: Running, name: str, seconds: float) -> subprocess.Popen[bytes]:
    """Begin an attack, in a process of its own that gives way to us."""
    site = run.site
    return subprocess.Popen(
        [
            *("nice", sys.executable, "-m", "attacking", name, "--ssh", str(site.port)),
            *("--source", ATTACKER, "--user", site.user, "--key", str(site.userKey)),
            *("--seconds", str(seconds)),
        ],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )


def watch(
    run: Running,
    session: EchoSession,
    attacker: subprocess.Popen[bytes],
    before: int | None,
    used: float,
) -> Damage:
    """Have lines echoed and log in, until the attack is over."""
    echoes: list[float] = []
    most = before
    began = time.perf_counter()
    login: float | None = None
    tried = False
    while attacker.poll() is None:
        try:
            echoes.append(timed(session.echo))
        except (OSError, SSH2Error):
            echoes.clear()
            attacker.wait()
            break
        if not tried and time.perf_counter() - began > 1:
            tried = True
            login = timedLogin(run)
        if len(echoes) % 20 == 0 and before is not None:
            most = max(most or 0, processes.memory(run.pid) or 0)
        time.sleep(PAUSE)
    cpu = (processes.cpu(run.pid) - used) / (time.perf_counter() - began)
    growth = None if before is None or most is None else most - before
    return Damage(echoes, login, growth, cpu)


def timed(do: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def timedLogin(run: Running) -> float | None:
    """Return the seconds that a login with a line takes; None: it is not let in."""
    try:
        return timed(lambda: _login(run))
    except (OSError, SSH2Error):
        return None


def _login(run: Running) -> None:
    session = EchoSession(run.site)
    session.echo()
    session.close()
