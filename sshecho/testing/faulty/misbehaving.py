"""What connections that misbehave have in common, at whichever door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

from twisted.internet import protocol

from sshecho.service.visit import Visit
from sshecho.session import IStreamTransport
from sshecho.testing.faults.fault import Fault
from sshecho.testing.faulty.inforce import InForce, Suspect
from sshecho.testing.faulty.late import Late


class _Door(Protocol):
    transport: IStreamTransport

    def readOn(self) -> None:
        """Read what comes next, if there is nothing against it."""


class Misbehaving(protocol.Protocol):
    """A connection's faults, and how late it is with all that it does.

    Attributes:
        visit: what is counted and told of it.
    """

    visit: Visit
    _inForce: InForce
    _queue: Late
    _hangs: bool

    @property
    def faults(self) -> Iterator[Fault]:
        """The faults to show now."""
        return self._inForce.of(cast(Suspect, self))

    def _reaches(self, stage: str) -> bool:
        """Have the faults strike that do so at a stage; return whether one did."""
        return any(fault.reaches(cast(Suspect, self), stage) for fault in self.faults)

    def denial(self) -> str:
        """Return why a login is denied that would be looked at now; empty text if it is not."""
        for fault in self.faults:
            if fault.denies():
                self.tellFault(fault)
                return f"the fault {fault}"
        return ""

    def tellFault(self, fault: Fault) -> None:
        """Tell that a fault was seen."""
        self.visit.tell("fault", f"{self.visit.peer} sees the fault {fault}", fault=str(fault))

    # What is late.

    def dataReceived(self, data: bytes) -> None:
        """Handle what has come, as late as things are done here."""
        self._queue.do(lambda: self._takeLate(data), len(data))

    def _takeLate(self, data: bytes) -> None:
        if not self._hangs:
            super().dataReceived(data)

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

    def _timeLeft(self, grace: float, since: float, now: float) -> float:
        """Return the seconds that are left to log in, where all is slow; 0 where it is not.

        Args:
            grace: seconds that there are for that.
            since: when the client did something last.
            now: the time.
        """
        delay = self._delay()
        return max(0.0, since + grace + delay - now) if delay else 0.0
