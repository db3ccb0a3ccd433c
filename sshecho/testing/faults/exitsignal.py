"""``signal=NAME``: sessions end as if that signal had ended the program."""

from __future__ import annotations

import re

from sshecho.ssh.channel import signalRequest
from sshecho.testing.faults.fault import Fault


class Signal(Fault):
    """Tells an exit-signal in place of an exit status (RFC 4254, section 6.10)."""

    name = "signal"
    usage = "signal=NAME"

    def __init__(self, argument: str | None) -> None:
        if not re.fullmatch(r"(?!SIG)[A-Z][A-Z0-9]{0,15}", argument or "", re.ASCII):
            raise ValueError("it is a signal's name without SIG, such as KILL")
        self._argument = argument

    @property
    def ending(self) -> tuple[bytes, bytes] | None:
        """How sessions end."""
        assert self._argument is not None
        return signalRequest(self._argument.encode())
