"""The start: what keeps a server from it, and how that is said."""

from __future__ import annotations


class StartError(SystemExit, Exception):
    """Something keeps the server from starting: one line that says what and where.

    As a SystemExit it ends the program with that line on standard error and exit status 1,
    under twistd too. It is an Exception because twistd removes its PID file only for those.

    Attributes:
        why: the line, without the program's name.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"sshecho: {why}")
