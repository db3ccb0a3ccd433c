"""The line door, for servers that misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from sshecho.cred.realm import IProtocolAvatar
from sshecho.line import LineLogin
from sshecho.service.limits import Limits
from sshecho.service.visit import Visit
from sshecho.testing.faults.fault import Fault
from sshecho.testing.faulty.inforce import InForce
from sshecho.testing.faulty.late import Late


class FaultyLine(LineLogin):
    """Shows the faults that are in force for its connection, of those that a line can have.

    Args:
        inForce: the server's faults.
        portal: where the login is checked.
        clock: what time-outs are counted with.
        visit: what is counted and told of it.
        limits: what it may ask for.

    Attributes:
        user: who the client says it is, without the faults that it chooses; None until it has.
        own: the faults that it has chosen so.
    """

    def __init__(
        self, inForce: InForce, portal: Portal, clock: IReactorTime, visit: Visit, limits: Limits
    ) -> None:
        super().__init__(portal, clock, visit, limits)
        self._inForce = inForce
        self._hangs = False
        self._queue = Late(clock, lambda: sum(each.delay for each in self.faults))
        self.user: bytes | None = None
        self.own: list[Fault] = []

    @property
    def faults(self) -> Iterator[Fault]:
        """The faults to show now."""
        return self._inForce.of(self)

    def connectionMade(self) -> None:
        """Begin, unless a fault has other plans."""
        self._inForce.enters(self)
        super().connectionMade()
        self._reaches("version")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Do nothing more of what is late."""
        self._queue.stop()
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        """Take what has come, as late as things are done here."""
        self._queue.do(lambda: self._unlessHanging(super(FaultyLine, self).dataReceived, data))

    def readConnectionLost(self) -> None:
        """The client sends no more: whoever hangs, hangs until then."""
        if self._hangs:
            self.transport.abortConnection()
        else:
            self._queue.do(lambda: self._unlessHanging(super(FaultyLine, self).readConnectionLost))

    def _unlessHanging(self, do: Callable[..., None], *arguments: bytes) -> None:
        if not self._hangs:
            do(*arguments)

    async def _login(self, line: bytes) -> None:
        name, space, password = line.partition(b" ")
        self.user, self.own, mistake = self._inForce.split(name)
        if mistake:
            self._deny(self.user, mistake)
            return
        if self._reaches("auth"):
            return
        for fault in self.faults:
            if fault.denies():
                self.tellFault(fault)
                self._deny(self.user, f"the fault {fault}")
                return
        await super()._login(self.user + space + password)

    def _accept(self, avatar: IProtocolAvatar, logout: Callable[[], None]) -> None:
        self._reaches("session")
        super()._accept(avatar, logout)

    def _reaches(self, stage: str) -> bool:
        return any(fault.reaches(self, stage) for fault in self.faults)

    def send(self, data: bytes) -> None:
        """Send a session's data, as far as faults let it."""
        if self._hangs:
            return
        for fault in self.faults:
            allowed = fault.carries(self, len(data))
            if allowed is not None:
                super().send(data[:allowed])
                self.drop(str(fault))
                return
        super().send(data)

    # What faults do.

    def tellFault(self, fault: Fault) -> None:
        """Tell that a fault was seen."""
        self._visit.tell("fault", f"{self._visit.peer} sees the fault {fault}", fault=str(fault))

    def hang(self) -> None:
        """Answer nothing any more."""
        self._hangs = True
        self.setTimeout(None)

    def drop(self, why: str) -> None:
        """Close without a word, once what was sent has gone out."""
        if not self.closing:
            self._visit.ends(f"the fault {why}")
            self._goodbye(b"")

    def spoil(self, data: bytes) -> None:
        """Send bytes that are not what the client waits for."""
        self.transport.write(data)

    def showBanner(self, text: bytes) -> None:
        """Nothing to do: this door shows nothing before the login."""

    def showAnotherHostKey(self) -> None:
        """Nothing to do: this door has no key."""
