"""``garbage[=STAGE]``: at a stage (session, unless said) the server sends what is no SSH."""

from __future__ import annotations

import random

from sshecho.testing.faults.fault import Connection, StageFault

GARBAGE = random.Random(0).randbytes(16 * 1024)  # noqa: S311 - the same each time, on purpose
"""What is sent: always the same bytes."""


class Garbage(StageFault):
    """Sends 16 KiB of noise in place of an answer, then hangs: it is the client's to leave."""

    name = "garbage"
    usage = "garbage[=version|kex|auth|session]"

    def __init__(self, argument: str | None) -> None:
        super().__init__("session" if argument is None else argument)
        self._argument = argument

    def strike(self, connection: Connection) -> None:
        """Send it."""
        connection.spoil(GARBAGE)
        connection.hang()
