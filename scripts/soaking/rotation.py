"""The rotation: one attack after the other, each in a process and from an address of its own."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time

from attacking.attacker import Target
from attacking.attacks import ATTACKS

from soaking.record import Record, Spell

TURN, LASTING = 14, 9
"""Seconds from one attack's beginning to the next's, and those that it lasts: the server has a
rest, and each attack two turns in ten minutes."""
WARM_TURN, WARM_LASTING = 3, 2
"""The same for the warm-up, in which each has one turn."""
WARM_UP = WARM_TURN * len(ATTACKS)
NICENESS = 10
"""What leaves the processors to all others first."""
_SOURCES = 250


class Rotation:
    """Attacks a server, turn by turn.

    Args:
        target: the server's doors.
        record: what is told of each attack.
    """

    def __init__(self, target: Target, record: Record) -> None:
        self._target = target
        self._record = record
        self._names = itertools.cycle(ATTACKS)
        self._sources = (f"127.0.0.{2 + n % _SOURCES}" for n in itertools.count())
        self._attack: _Attack | None = None

    @property
    def name(self) -> str:
        """The attack that is under way; empty when there is none."""
        return "" if self._attack is None else self._attack.name

    def turn(self, second: int) -> None:
        """Begin the next attack if it is due, and take note of the end of the last."""
        turn, lasting = (WARM_TURN, WARM_LASTING) if second < 0 else (TURN, LASTING)
        if second % turn == 0:
            self.end()
            name, source = next(self._names), next(self._sources)
            self._attack = _Attack(name, self._target, source, lasting)
        elif self._attack is not None and self._attack.process.poll() is not None:
            self.end()

    def end(self) -> None:
        """Cut off the attack that is under way."""
        if self._attack is not None:
            attack, self._attack = self._attack, None
            now = time.monotonic()
            start, end = map(self._record.second, (attack.began, now))
            self._record.spells.append(Spell(attack.name, start, end))
            if why := attack.end():
                self._record.fail(now, f"the attack {attack.name} broke: {why}")


class _Attack:
    def __init__(self, name: str, target: Target, source: str, seconds: int) -> None:
        self.name = name
        self.began = time.monotonic()
        command = [
            *("nice", "-n", str(NICENESS), sys.executable, "-m", "attacking", name),
            *("--ssh", str(target.sshPort), "--line", str(target.linePort)),
            *("--source", source, "--seconds", str(seconds)),
        ]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
        )

    def end(self) -> str:
        """Return why it ended, unless that is as it should be."""
        self.process.terminate()
        _, said = self.process.communicate()
        status = self.process.returncode
        if status in (0, -signal.SIGTERM):
            return ""
        last = said.strip().rpartition("\n")[2]
        return f"status {status}, {last}"
