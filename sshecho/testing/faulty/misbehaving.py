"""What connections that misbehave have in common, at whichever door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

from sshecho.session import IStreamTransport
from sshecho.testing.faults.fault import Fault
from sshecho.testing.faulty.inforce import InForce, Suspect


class _Door(Protocol):
    transport: IStreamTransport

    def readOn(self) -> None:
        """Read what comes next, if there is nothing against it."""


class Misbehaving:
    """A connection's faults, and how late it is with all that it does."""

    _inForce: InForce

    @property
    def faults(self) -> Iterator[Fault]:
        """The faults to show now."""
        return self._inForce.of(cast(Suspect, self))

    def _reaches(self, stage: str) -> bool:
        """Have the faults strike that do so at a stage; return whether one did."""
        return any(fault.reaches(cast(Suspect, self), stage) for fault in self.faults)

    def _delay(self) -> float:
        """Return the seconds to wait with what comes now."""
        return sum(each.delay for each in self.faults)

    def _pace(self, much: bool) -> None:
        """Read no more for now where much waits, and go on where it does not."""
        door = cast(_Door, self)
        if much:
            door.transport.pauseProducing()
        else:
            door.readOn()
