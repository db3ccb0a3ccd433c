"""The meter: sessions that stay, with a line now and then whose way there and back is timed."""

from __future__ import annotations

import random
import select
import time
from collections import deque
from dataclasses import dataclass

from attacking.attacker import PATIENCE, Target
from benchmarks.client import LINE
from ssh2.exceptions import SSH2Error

from soaking.reporting import Reporter
from soaking.sessions import DOORS, EchoError, Session

SESSIONS = 20
"""How many stay at each door."""
LINES = 1000
"""A second, all sessions together, at random times."""


@dataclass
class _Underway:
    due: float
    missing: bytes  # of its echo


class Meter:
    """Sends lines when they are due, whether the others are back or not.

    So a server that stands still is not asked less, and all of the time that it takes counts.

    Args:
        target: where the sessions are.
        reporter: what is told of each line.
        chance: what the lines are made of, and when they are due.
    """

    def __init__(self, target: Target, reporter: Reporter, chance: random.Random) -> None:
        self._reporter = reporter
        self._chance = chance
        self._free = deque(door(target) for _ in range(SESSIONS) for door in DOORS.values())
        self._underway: dict[Session, _Underway] = {}  # oldest first
        self._due = time.monotonic()

    def run(self) -> None:
        """Go on until the reporter is stopped, and all lines are back."""
        while not self._reporter.stopped.is_set() or self._underway:
            self._receive()
            self._giveUp()
            if self._free and not self._reporter.stopped.is_set():
                self._sendDue()
        for session in self._free:
            try:
                session.finish()
            except (OSError, SSH2Error, EchoError) as error:
                self._reporter.failed("the end of a session that stayed", error)
            session.close()

    def _sendDue(self) -> None:
        while self._free and self._due <= time.monotonic():
            session = self._free.popleft()
            line = self._chance.randbytes(len(LINE) - 1) + b"\n"
            self._underway[session] = _Underway(self._due, line)
            self._due += self._chance.expovariate(LINES)
            try:
                session.write(line)
            except (OSError, SSH2Error) as error:
                self._lose(session, error)

    def _receive(self) -> None:
        """Take what has come, or wait for it until a line is due."""
        sessions = [*self._free, *self._underway]
        wait = max(0.0, self._due - time.monotonic()) if self._free else 1.0
        for session in select.select(sessions, [], [], wait)[0]:
            try:
                self._take(session)
            except (OSError, SSH2Error, EchoError) as error:
                self._lose(session, error)

    def _take(self, session: Session) -> None:
        data = session.take(len(LINE))
        line = self._underway.get(session)
        if not data:
            return
        if line is None or not line.missing.startswith(data):
            raise EchoError("what came back is not what was sent")
        line.missing = line.missing[len(data) :]
        if not line.missing:
            self._reporter.took(line.due)
            del self._underway[session]
            self._free.append(session)

    def _giveUp(self) -> None:
        late = time.monotonic() - PATIENCE
        for session in [s for s, line in self._underway.items() if line.due < late]:
            self._lose(session, f"no echo within {PATIENCE} s")

    def _lose(self, session: Session, error: Exception | str) -> None:
        self._reporter.failed("a line on a session that stays", error)
        self._underway.pop(session, None)
        if session in self._free:
            self._free.remove(session)
        session.close()


def measure(target: Target, reporter: Reporter, chance: random.Random) -> None:
    """Open the sessions, and keep them busy."""
    try:
        meter = Meter(target, reporter, chance)
    except (OSError, SSH2Error) as error:
        reporter.failed("a session that should stay", error)
    else:
        meter.run()
