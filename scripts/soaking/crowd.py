"""The crowd: clients with manners that come and go, each kind at its own pace."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import closing

from attacking.attacker import Target
from benchmarks.client import LINE
from benchmarks.measures import MIB
from ssh2.exceptions import SSH2Error

from soaking.drops import DROPS
from soaking.reporting import Reporter
from soaking.sessions import DOORS, EchoError, Session

LARGEST_BULK = 16
"""MiB in a session."""
NICENESS = 5
"""What leaves the processors to the server and to the meter first."""

Deed = Callable[[Target, Reporter, random.Random], None]


def _visit(door: str) -> Deed:
    def visit(target: Target, reporter: Reporter, chance: random.Random) -> None:
        with _session(door, target, reporter) as session:
            session.echo(chance.randbytes(len(LINE) - 1) + b"\n")
            reporter.did("lines")
            session.finish()

    return visit


def _bulk(door: str) -> Deed:
    def bulk(target: Target, reporter: Reporter, chance: random.Random) -> None:
        with _session(door, target, reporter) as session:
            for _ in range(chance.randint(1, LARGEST_BULK)):
                session.echo(chance.randbytes(MIB))
                reporter.did(f"MiB, {door}")
            session.finish()

    return bulk


def _session(door: str, target: Target, reporter: Reporter) -> closing[Session]:
    session = DOORS[door](target)
    reporter.did(f"logins, {door}")
    return closing(session)


def _drop(target: Target, reporter: Reporter, chance: random.Random) -> None:
    where = chance.choice(list(DROPS))
    DROPS[where](target, chance)
    reporter.did(f"drops {where}")


DEEDS: Mapping[str, tuple[Deed, float]] = {
    "a login at the SSH door": (_visit("SSH"), 0.01),
    "a login at the line door": (_visit("line"), 0.01),
    "bulk at the SSH door": (_bulk("SSH"), 0.05),
    "bulk at the line door": (_bulk("line"), 0.1),
    "a drop": (_drop, 0.05),
}
"""What is done, and the seconds that pass between one and the next, on average."""


def crowd(target: Target, reporter: Reporter, chance: random.Random) -> None:
    """Do all of it, each kind on a thread of its own, until the reporter is stopped."""
    os.nice(NICENESS)
    threads = [
        threading.Thread(target=_repeat, args=(doing, target, reporter, chance.random()))
        for doing in DEEDS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _repeat(doing: str, target: Target, reporter: Reporter, seed: float) -> None:
    chance = random.Random(seed)  # noqa: S311 - load, no secrets
    deed, pause = DEEDS[doing]
    while not reporter.stopped.wait(chance.expovariate(1 / pause)):
        try:
            deed(target, reporter, chance)
        except (OSError, SSH2Error, EchoError) as error:
            reporter.failed(doing, error)
