"""The check that what comes back is what was sent, and nothing else."""

from __future__ import annotations

import secrets
from itertools import takewhile

from sshecho.probe.attempt import Attempt, ProbeError


class EchoCheck:
    """One line that nobody can know beforehand, and its echo.

    Args:
        attempt: what is told how it goes.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._echo = b""
        self.line = secrets.token_hex(16).encode() + b"\n"

    def received(self, data: bytes) -> None:
        """Take bytes that came, in any pieces."""
        self._echo += data
        alike = sum(
            1
            for _ in takewhile(
                lambda pair: pair[0] == pair[1], zip(self._echo, self.line, strict=False)
            )
        )
        strange = len(self._echo) - alike
        if strange:
            why = f"no echo: {strange} bytes came that were not sent"
            self._attempt.fail(ProbeError(why))
        elif self._echo == self.line:
            self._attempt.succeed()
