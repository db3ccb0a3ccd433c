"""The line door, for servers that misbehave."""

from __future__ import annotations

from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from sshecho.cred.realm import IProtocolAvatar
from sshecho.line import LineLogin
from sshecho.linesession import LineSession
from sshecho.service.limits import Limits
from sshecho.service.visit import Visit
from sshecho.testing.faults.fault import Fault
from sshecho.testing.faulty.inforce import InForce, cut
from sshecho.testing.faulty.late import Late
from sshecho.testing.faulty.misbehaving import Misbehaving


class FaultyLine(Misbehaving, LineLogin):
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
        self.visit = visit
        self._inForce = inForce
        self._hangs = False
        self._queue = Late(clock, self._delay, self._pace)
        self.user: bytes | None = None
        self.own: list[Fault] = []

    def connectionMade(self) -> None:
        """Begin, unless a fault has other plans."""
        self._inForce.enters(self)
        super().connectionMade()
        self._reaches("version")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Do first what is late: all of that has come."""
        self._queue.finish()
        super().connectionLost(reason)

    def timeoutConnection(self) -> None:
        """Give a client that does something its time to log in anew, where all is slow."""
        left = self._timeLeft(self._limits.loginGrace, self._moved, self._clock.seconds())
        if self._session is not None or self.closing or not left:
            super().timeoutConnection()
        else:
            self.setTimeout(left)

    def readConnectionLost(self) -> None:
        """The client sends no more: it is told so as late, and whoever hangs, hangs until then."""
        self._queue.do(self._endLate)

    def _endLate(self) -> None:
        if self._hangs and not self.closing:
            self._halfClosed = True
            self._goodbye(b"")
        else:
            super().readConnectionLost()

    def leave(self) -> None:
        """Close: the server ends, and whoever hangs is owed nothing."""
        if self._hangs and not self.closing:
            self._goodbye(b"")
        super().leave()

    async def _login(self, line: bytes) -> None:
        name, space, password = line.partition(b" ")
        self.user, self.own, mistake = self._inForce.split(name)
        self._inForce.enters(self)
        user = self.user if space else None  # it may be the password that stands alone
        if mistake:
            self._deny(user, mistake if space else "no password")
            return
        if self._reaches("auth"):
            return
        why = self.denial()
        if why:
            self._deny(user, why)
            return
        await super()._login(self.user + space + password)

    def _run(self, session: LineSession, avatar: IProtocolAvatar) -> None:
        if not self._reaches("session"):
            super()._run(session, avatar)

    def send(self, data: bytes) -> None:
        """Send a session's data, as far as faults let it."""
        if self._hangs:
            return
        allowed, fault = cut(self.faults, self, len(data))
        super().send(data[:allowed])
        if fault is not None:
            assert self._session is not None
            self._session.sent -= len(data) - allowed
            self.tellFault(fault)
            self.drop(str(fault))

    # What faults do.

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
        """Send bytes that are not what the client waits for.

        Over TLS they wait for the handshake, which a producer that is told to wait would not see.
        """
        self.transport.unregisterProducer()
        self.transport.write(data)

    def showBanner(self, text: bytes) -> bool:
        """This door shows nothing before the login."""
        return False

    def showAnotherHostKey(self) -> bool:
        """This door has no key."""
        return False

    def faultEnded(self) -> None:
        """Nothing to do: nothing is kept back here."""
