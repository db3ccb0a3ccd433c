"""What is measured of a running server: one function for each row, or rows, of the table."""

from __future__ import annotations

import select
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import processes
from benchmarks.client import LINE, EchoSession, sessions
from benchmarks.running import Running

MIB = 1024 * 1024
AT_ONCE = 8
"""How many lines are under way while latency is measured."""


@dataclass(frozen=True)
class Sizes:
    """How much of each.

    Attributes:
        logins, lines, mebibytes: operations whose CPU is divided by their number.
        idle: sessions whose memory is; as many come first and are not counted.
        latency: for each row, how many sessions are open.
        latencyLines: how many lines they send, at least one each.
    """

    logins: int = 150
    lines: int = 5000
    mebibytes: int = 32
    idle: int = 200
    latency: tuple[int, ...] = (1, 100, 1000)
    latencyLines: int = 3000


FULL = Sizes()
QUICK = Sizes(logins=40, lines=1000, mebibytes=8, idle=40, latency=(1, 100), latencyLines=1000)


def tiny(operations: int) -> Sizes:
    """Return sizes that show that it works, and nothing else."""
    return Sizes(operations, operations, 1, operations, (1, operations), operations)


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        title: what was done, and the unit of what it took.
        digits: how many behind the point.
    """

    title: str
    digits: int


IDLE = Figure("one idle session: KiB", 1)
LOGIN = Figure("public-key login, shell, one line, close: CPU ms", 2)
ECHO = Figure("one 32-byte line echoed: CPU us", 1)
BULK = Figure("1 MiB echoed: CPU ms", 2)
Taken = dict[Figure, float | None]


def idle(running: Running, sizes: Sizes) -> Taken:
    """Open sessions that do nothing, beside as many that are there already: how memory grows."""
    with sessions(running.site, sizes.idle):
        processes.cpuAtRest(running.pid)
        before = processes.memory(running.pid)
        with sessions(running.site, sizes.idle):
            processes.cpuAtRest(running.pid)
            after = processes.memory(running.pid)
    if before is None or after is None:
        return {IDLE: None}
    return {IDLE: (after - before) / sizes.idle}


def login(running: Running, sizes: Sizes) -> Taken:
    """Log in, have a line echoed and close, one login behind the other."""

    def once() -> None:
        session = EchoSession(running.site)
        session.echo()
        session.close()

    return {LOGIN: cpuOf(running, once, sizes.logins) * 1e3}


def line(running: Running, sizes: Sizes) -> Taken:
    """Send lines on one session, each when the last has come back."""
    with sessions(running.site, 1) as [session]:
        return {ECHO: cpuOf(running, session.echo, sizes.lines) * 1e6}


def bulk(running: Running, sizes: Sizes) -> Taken:
    """Send MiBs in packets of 32 KiB, eight of them under way, and read what comes back."""
    with sessions(running.site, 1) as [session]:
        return {BULK: cpuOf(running, lambda: session.echoMany(MIB), sizes.mebibytes) * 1e3}


def latency(running: Running, sizes: Sizes) -> Taken:
    """Have lines echoed on all of 1, 100 and 1,000 sessions in turn, eight of them under way."""
    taken: Taken = {}
    for count in sizes.latency:
        median, high = latencyFigures(count)
        with sessions(running.site, count) as opened:
            times = sorted(echoTimes(opened, max(count, sizes.latencyLines)))
        taken[median] = statistics.median(times) * 1e3
        taken[high] = p99(times) * 1e3
    return taken


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile of times that are in order."""
    return times[int(len(times) * 0.99)]


def latencyFigures(count: int) -> tuple[Figure, Figure]:
    """Return the rows for so many sessions: the median and the 99th percentile."""
    whose = "the only session" if count == 1 else f"{count:,} busy sessions"
    title = f"latency of a line, {whose}: "
    return Figure(title + "median, ms", 2), Figure(title + "99th percentile, ms", 2)


MEASURES: dict[str, Callable[[Running, Sizes], Taken]] = {
    "idle": idle,  # first: it would grow into what the others leave behind
    "login": login,
    "line": line,
    "bulk": bulk,
    "latency": latency,
}


def cpuOf(running: Running, operation: Callable[[], object], times: int) -> float:
    """Return the server's seconds of CPU for one operation, when some have warmed it up."""
    for _ in range(max(1, times // 10)):
        operation()
    before = processes.cpuAtRest(running.pid)
    for _ in range(times):
        operation()
    return (processes.cpuAtRest(running.pid) - before) / times


def echoTimes(opened: list[EchoSession], lines: int) -> list[float]:
    """Have lines echoed on sessions in turn; return the seconds that each took.

    A line goes out as soon as another has come back, so AT_ONCE are under way, or one a session.
    """
    free = deque(opened)
    started: dict[int, tuple[EchoSession, float, int]] = {}
    poller = select.epoll()
    for session in opened:
        poller.register(session.socket, select.EPOLLIN)

    def send() -> None:
        session = free.popleft()
        started[session.socket.fileno()] = session, time.perf_counter(), len(LINE)
        session.send()

    times: list[float] = []
    with poller:
        for _ in range(min(AT_ONCE, len(opened), lines)):
            send()
        while len(times) < lines:
            for fd, _ in poller.poll(60):
                if fd not in started:
                    continue
                session, start, missing = started[fd]
                missing -= session.poll(missing)
                started[fd] = session, start, missing
                if not missing:
                    times.append(time.perf_counter() - start)
                    del started[fd]
                    free.append(session)
                    if len(times) + len(started) < lines:
                        send()
    return times
