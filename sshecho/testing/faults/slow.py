"""``slow=SECONDS``: what the client sends is looked at so much later, and it is greeted so late."""

from __future__ import annotations

from sshecho.service.limits import seconds
from sshecho.testing.faults.fault import Fault


class Slow(Fault):
    """Lets time pass before each thing that is done; nothing is lost, and the order stays."""

    name = "slow"
    usage = "slow=SECONDS"

    def __init__(self, argument: str | None) -> None:
        self._seconds = seconds(argument or "")
        self._argument = argument

    @property
    def delay(self) -> float:
        """Seconds that pass."""
        return self._seconds
