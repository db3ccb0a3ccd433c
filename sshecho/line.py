"""The line door: the first line is ``user pass``, and then comes the echo."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from twisted.cred.credentials import Anonymous, ICredentials, UsernamePassword
from twisted.cred.error import LoginFailed, UnhandledCredentials
from twisted.cred.portal import Portal
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho.cred.outage import UncheckedLogin
from sshecho.cred.realm import ANONYMOUS_USER, IProtocolAvatar
from sshecho.cred.threads import SOURCE
from sshecho.linesession import LineSession
from sshecho.service.closing import MOST_DROPPED, SERVER_ENDS, sayGoodbye, until, untilQuiet
from sshecho.service.gatekeeper import Gatekeeper
from sshecho.service.limits import LINGER, Limits
from sshecho.service.penalties import PENALIZED
from sshecho.service.refusal import Refusal
from sshecho.service.sockets import LARGEST_READ, SMALL_READ, probe, readAtMost, unsent
from sshecho.service.visit import Visit
from sshecho.session import IStreamTransport, Session
from sshecho.telnet import IAC, Telnet, TelnetError

MAX_LOGIN_LINE = 1024
"""How many bytes the first line may hold, its end not counted."""

MAX_WAITING = 64 * 1024
"""Bytes behind the first line from which on no more are read while the login is checked."""

_log = Logger()

ACCEPTED = b"Login successful, please proceed.\r\n"
DENIED = b"Login denied, goodbye.\r\n"
TOO_LONG = b"Login line too long, goodbye.\r\n"
BAD_TELNET = b"Telnet subnegotiation too long, goodbye.\r\n"
GOING_DOWN = b"Server is going down, goodbye.\r\n"
ENDED = b"Ended by an operator, goodbye.\r\n"


class _State(Enum):
    LOGIN = auto()  # waiting for the first line
    CHECKING = auto()  # the portal has it
    SESSION = auto()
    GOODBYE = auto()  # told to go; what still arrives is dropped
    CLOSED = auto()


@implementer(IHalfCloseableProtocol, IPushProducer)
class LineLogin(Protocol, TimeoutMixin):
    """One connection to the line door.

    Args:
        portal: where the login is checked.
        clock: what time-outs are counted with.
        visit: what is counted and told of it.
        limits: what it may ask for.
    """

    transport: IStreamTransport
    session: type[LineSession] = LineSession

    def __init__(self, portal: Portal, clock: IReactorTime, visit: Visit, limits: Limits) -> None:
        self._portal = portal
        self._clock = clock
        self._visit = visit
        self._limits = limits
        self._moved = 0.0  # when a byte went either way
        self._dropped = 0  # bytes that came behind a goodbye
        self._unsent = 0  # bytes that the client had not taken when that was looked at last
        self._state = _State.LOGIN
        self._buffer = b""
        self._method = "password"
        self._halfClosed = False  # whether the client has closed its side
        self._full = False  # whether the client has more to take than it takes
        self._telnet: Telnet | None = None
        self._greeted = False  # whether the first byte has come, which decides about Telnet
        self._session: LineSession | None = None
        self._checking: Deferred[None] | None = None
        self._leaving: Deferred[None] | None = None
        self._logout: Callable[[], None] | None = None

    def connectionMade(self) -> None:
        """Begin to wait for the first line."""
        self._moved = self._clock.seconds()
        self.setTimeout(self._visit.graceLeft)
        if self._limits.keepalive is not None:
            probe(self.transport, self._limits.keepalive)
        readAtMost(self.transport, SMALL_READ)
        self._visit.begin(self)
        self.transport.registerProducer(self, True)

    def callLater(self, period: float, func: Callable[[], object]) -> IDelayedCall:
        """Count time with our clock: TimeoutMixin asks for this."""
        return self._clock.callLater(period, func)

    def timeoutConnection(self) -> None:
        """Too slow to log in, or to go; or the session is idle."""
        if self._state is _State.SESSION:
            self._checkIdle()
        elif self._state is not _State.GOODBYE:
            self._visit.reached("login-grace", "too slow to log in")
            self.cut("too slow to log in")
        else:
            before, self._unsent = self._unsent, unsent(self.transport)
            if self._unsent < before:  # whoever takes what is owed, however slowly, may
                self.setTimeout(LINGER)
            else:
                self.transport.abortConnection()

    def _checkIdle(self) -> None:
        timeout = self._limits.idleTimeout
        assert timeout is not None
        left = self._moved + timeout - self._clock.seconds()
        if left > 0:
            self.setTimeout(left)
        else:
            self._visit.reached("idle-timeout", "idle")
            self._visit.ends("idle")
            self._goodbye(b"")

    def cut(self, why: str) -> None:
        """Close at once."""
        self._visit.ends(why)
        self.transport.abortConnection()

    evict = cut  # in this process it is known at once who has logged in

    def dismiss(self, why: str) -> None:
        """Say that it is over, and close."""
        if not self.closing:
            self._visit.ends(why)
            self._goodbye(ENDED)

    def dataSoFar(self) -> tuple[int, int]:
        """Return how many bytes the session got so far, and how many it sent."""
        return (0, 0) if self._session is None else (self._session.received, self._session.sent)

    def leave(self) -> None:
        """Echo what has come, and close: the server ends."""
        self._visit.ends(SERVER_ENDS)
        self._leaving = Deferred.fromCoroutine(self._leave())
        self._leaving.addErrback(self._broken)

    async def _leave(self) -> None:
        if self._state is _State.SESSION:
            await untilQuiet(self._clock, lambda: self._moved, self._listens)
        if self._session is not None and self._state is _State.SESSION:
            self._session.endOfInput()
        elif self._state is not _State.GOODBYE:
            self._goodbye(GOING_DOWN)
        await until(self._clock, self._isOver)
        self.transport.loseConnection()

    def _listens(self) -> bool:
        return not (self._full or (self._session is not None and self._session.paused))

    def _isOver(self) -> bool:
        """Return whether the client has all that it is owed."""
        return self._state is _State.GOODBYE and not unsent(self.transport)

    # What paces the client: IPushProducer. Whoever does not read its answers is not read from.

    def pauseProducing(self) -> None:
        """Read nothing until the client has taken what is sent."""
        self._full = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Read on: the client has taken it."""
        self._full = False
        self.readOn()

    def stopProducing(self) -> None:
        """Nothing to do: connectionLost says it."""

    def readOn(self) -> None:
        """Read what comes next, if there is nothing against it."""
        if self._listens() and not self._halfClosed:
            self.transport.resumeProducing()

    def paceBy(self, producer: IPushProducer | None) -> None:
        """Let the client's reading pace a session's producer; None: the connection itself."""
        if not self.closing:
            self.transport.unregisterProducer()
            self.transport.registerProducer(producer or self, True)

    @property
    def closing(self) -> bool:
        """Whether nothing more goes out, or comes to the application."""
        return self._state in (_State.GOODBYE, _State.CLOSED)

    def dataReceived(self, data: bytes) -> None:
        """Take the first line to the portal, and the rest to the application."""
        self._moved = self._clock.seconds()
        data = self._decode(data)
        if self._session is not None and self._state is _State.SESSION:
            self._session.dataReceived(data)
        elif self._state in (_State.LOGIN, _State.CHECKING):
            self._buffer += data
            if self._state is _State.LOGIN:
                self._findLine()
            # Read on meanwhile, so that a client that breaks off is noticed, but not for ever.
            if self._state is _State.CHECKING and len(self._buffer) > MAX_WAITING:
                self.transport.pauseProducing()
        else:
            self._dropped += len(data)
            if self._dropped > MOST_DROPPED:
                self.transport.pauseProducing()

    def send(self, data: bytes) -> None:
        """Send a session's data."""
        self._moved = self._clock.seconds()
        self.transport.write(data if self._telnet is None else Telnet.escape(data))

    def _decode(self, data: bytes) -> bytes:
        if not self._greeted:
            self._greeted = True
            self._telnet = Telnet() if data[0] == IAC else None
        if self._telnet is None or self._state is _State.GOODBYE:
            return data
        try:
            data, replies = self._telnet.feed(data)
        except TelnetError:
            self._goodbye(BAD_TELNET)
            return b""
        if replies:
            self.transport.write(replies)
        return data

    def _findLine(self) -> None:
        line, newline, rest = self._buffer.partition(b"\n")
        line = line.removesuffix(b"\r") if newline else line
        if len(line) > MAX_LOGIN_LINE + (not newline):  # a CR whose LF is still to come
            self._goodbye(TOO_LONG)
        elif newline:
            self._buffer = rest
            self._state = _State.CHECKING
            self._checking = Deferred.fromCoroutine(self._login(line))
            self._checking.addErrback(self._broken)
        elif self._halfClosed:
            self._goodbye(DENIED if line else b"")

    async def _login(self, line: bytes) -> None:
        user, space, password = line.partition(b" ")
        self._method = "password" if space or user != ANONYMOUS_USER else "none"
        credentials: ICredentials = UsernamePassword(user, password)
        if not space:
            if user != ANONYMOUS_USER:
                self._deny(None, "no password")  # it may be the password that stands alone
                return
            credentials = Anonymous()
        if not self._visit.mayTry:
            self._deny(user, PENALIZED)
            return
        try:
            SOURCE.set(self._visit.source)
            _, avatar, logout = await self._portal.login(credentials, None, IProtocolAvatar)
        except UnhandledCredentials:
            self._deny(user, f"no checker takes {'passwords' if space else 'anonymous logins'}")
        except LoginFailed as error:
            self._deny(user, str(error), checked=not isinstance(error, UncheckedLogin))
        else:
            self._accept(IProtocolAvatar(avatar), logout)

    def _broken(self, reason: Failure) -> None:
        if self._state is _State.CLOSED and reason.check(CancelledError):
            return  # whoever wanted in has left
        if self._state is _State.CHECKING:
            _log.failure("A login broke, and was denied", reason)
            self._deny(None, "an error", checked=False)
        elif self._state is _State.SESSION:
            _log.failure("An application broke, and its session is ended", reason)
            self._goodbye(b"")
        else:
            _log.failure("A login broke, whose client had left", reason)

    def _deny(self, user: bytes | None, why: str, *, checked: bool = True) -> None:
        self._visit.denied(user, self._method, why, checked=checked)
        self._visit.ends("denied")
        if self._state is _State.CHECKING:
            self.transport.resumeProducing()
            self._goodbye(DENIED)

    def _accept(self, avatar: IProtocolAvatar, logout: Callable[[], None]) -> None:
        if self._state is not _State.CHECKING:  # gone, or told to go, before the answer
            logout()
            return
        if not self._visit.mayTry:  # others guessed meanwhile, and this may be a guess too
            logout()
            self._deny(avatar.user, PENALIZED)
            return
        self._logout = logout
        self._visit.entered(avatar.user, self._method)
        self.setTimeout(self._limits.idleTimeout)
        if self._telnet is None:
            readAtMost(self.transport, LARGEST_READ)
        self._state = _State.SESSION
        self._session = self.session(Session(avatar.user, "line", self._visit.peer), self)
        self.transport.write(ACCEPTED)
        self._visit.opened(f"{self._visit.name} began a session", request="shell")
        self.readOn()
        self._run(self._session, avatar)

    def _run(self, session: LineSession, avatar: IProtocolAvatar) -> None:
        early, self._buffer = self._buffer, b""
        session.dataReceived(early)
        if self._halfClosed:
            session.endOfInput()
        session.run(avatar.application())

    def close(self) -> None:
        """End the session once all that was written has gone out."""
        if self._state is _State.SESSION:
            self._goodbye(b"")

    def getPeer(self) -> IAddress:
        """Return the client's address, behind a proxy too."""
        return self._visit.address or self.transport.getPeer()

    def getHost(self) -> IAddress:
        """Return the address that the client connected to."""
        return self._visit.host or self.transport.getHost()

    def _goodbye(self, farewell: bytes) -> None:
        """Say a last line and close, so that it arrives even if the client is still sending."""
        self._state = _State.GOODBYE
        self._buffer = b""
        self.transport.unregisterProducer()
        self.transport.write(farewell)
        self._unsent = unsent(self.transport)
        self.setTimeout(LINGER)
        if self._halfClosed:
            self.transport.loseConnection()
        elif sayGoodbye(self.transport):
            self.transport.resumeProducing()  # to hear when the client closes too

    def readConnectionLost(self) -> None:
        """The client sends no more: it still gets its answer, and all of its echo."""
        if self._halfClosed:  # told again, as reading was resumed
            return
        self._halfClosed = True
        if self._state is _State.LOGIN:
            self._findLine()
        elif self._state is _State.GOODBYE:
            self.transport.loseConnection()
        elif self._session is not None:
            self._session.endOfInput()

    def writeConnectionLost(self) -> None:
        """Our side is closed; connectionLost says the rest."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Log out whoever is in, whatever the application does."""
        self._state = _State.CLOSED
        self.setTimeout(None)
        for waiting in (self._checking, self._leaving):
            if waiting is not None:
                waiting.cancel()
        received, sent = self.dataSoFar()
        try:
            if self._session is not None:
                self._session.connectionLost(reason)
        finally:
            try:
                if self._logout is not None:
                    self._loggedOut(self._logout, received, sent)
            finally:
                self._visit.end(received, sent)

    def _loggedOut(self, logout: Callable[[], None], received: int, sent: int) -> None:
        text = f"{self._visit.name} ended a session"
        try:
            logout()
        finally:
            self._visit.tell("session.close", text, request="shell", received=received, sent=sent)
            self._visit.loggedOut()


class LineFactory(Factory):
    """Builds the protocol of each connection to the line door.

    Args:
        portal: where logins are checked.
        clock: what time-outs are counted with.
        gate: who may come in.
    """

    protocol: Callable[..., LineLogin] = LineLogin
    noisy = False

    def __init__(self, portal: Portal, clock: IReactorTime, gate: Gatekeeper) -> None:
        self._portal = portal
        self._clock = clock
        self._gate = gate

    def buildProtocol(self, addr: IAddress | None) -> LineLogin | Refusal:
        """Return the protocol of a new connection."""
        visit = self._gate.enter("line", addr)
        if isinstance(visit, Refusal):
            return visit
        protocol = self.protocol(self._portal, self._clock, visit, self._gate.limits)
        protocol.factory = self
        return protocol
