"""The line door: the first line is ``user pass``, and then comes the echo."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto

from twisted.cred.credentials import Anonymous, ICredentials, UsernamePassword
from twisted.cred.error import LoginFailed, UnhandledCredentials
from twisted.cred.portal import Portal
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    INegotiated,
    IProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho.cred.realm import ANONYMOUS_USER, IProtocolAvatar
from sshecho.people import because, peerName, tell, userName
from sshecho.service.limits import LINGER, LOGIN_GRACE
from sshecho.session import ISessionTransport, IStreamTransport, Session, endInput
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


class _State(Enum):
    LOGIN = auto()  # waiting for the first line
    CHECKING = auto()  # the portal has it
    SESSION = auto()
    GOODBYE = auto()  # told to go; what still arrives is dropped
    CLOSED = auto()


@implementer(IHalfCloseableProtocol)
class LineLogin(Protocol, TimeoutMixin):
    """One connection to the line door.

    Args:
        portal: where the login is checked.
        clock: what time-outs are counted with.
    """

    transport: IStreamTransport

    def __init__(self, portal: Portal, clock: IReactorTime) -> None:
        self._portal = portal
        self._clock = clock
        self._state = _State.LOGIN
        self._buffer = b""
        self._readClosed = False
        self._telnet: Telnet | None = None
        self._greeted = False  # whether the first byte has come, which decides about Telnet
        self._application: IProtocol | None = None
        self._checking: Deferred[None] | None = None
        self._logout: Callable[[], None] | None = None

    def connectionMade(self) -> None:
        """Begin to wait for the first line."""
        self.setTimeout(LOGIN_GRACE)
        # Who asks for Telnet's options and does not read the answers is not read from.
        self.transport.registerProducer(self.transport, True)

    def callLater(self, period: float, func: Callable[[], object]) -> IDelayedCall:
        """Count time with our clock: TimeoutMixin asks for this."""
        return self._clock.callLater(period, func)

    def timeoutConnection(self) -> None:
        """Too slow to log in, or to go."""
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Take the first line to the portal, and the rest to the application."""
        data = self._decode(data)
        if self._state is _State.SESSION:
            self._buffer += data
            self.deliver()
        elif self._state in (_State.LOGIN, _State.CHECKING):
            self._buffer += data
            if self._state is _State.LOGIN:
                self._findLine()
            # Read on meanwhile, so that a client that breaks off is noticed, but not for ever.
            if self._state is _State.CHECKING and len(self._buffer) > MAX_WAITING:
                self.transport.pauseProducing()

    def encode(self, data: bytes) -> bytes:
        """Return data as it goes out to this client."""
        return data if self._telnet is None else Telnet.escape(data)

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
        elif self._readClosed:
            self._goodbye(DENIED if line else b"")

    async def _login(self, line: bytes) -> None:
        user, space, password = line.partition(b" ")
        credentials: ICredentials = UsernamePassword(user, password)
        if not space:
            if user != ANONYMOUS_USER:
                self._deny(user, "no password")
                return
            credentials = Anonymous()
        try:
            _, avatar, logout = await self._portal.login(credentials, None, IProtocolAvatar)
        except UnhandledCredentials:
            self._deny(user, f"no checker takes {'passwords' if space else 'anonymous logins'}")
        except LoginFailed as error:
            self._deny(user, str(error))
        else:
            self._accept(IProtocolAvatar(avatar), logout)

    def _broken(self, reason: Failure) -> None:
        if self._state is _State.CLOSED and reason.check(CancelledError):
            return  # whoever wanted in has left
        if self._state is _State.CHECKING:
            _log.failure("A login broke, and was denied", reason)
            self._deny(b"", "an error")
        elif self._state is _State.SESSION:
            _log.failure("An application broke as its session began", reason)
            self._goodbye(b"")
        else:
            _log.failure("A login broke, whose client had left", reason)

    def _deny(self, user: bytes, why: str) -> None:
        self._report(user, "denied", why)
        if self._state is _State.CHECKING:
            self.transport.resumeProducing()
            self._goodbye(DENIED)

    def _accept(self, avatar: IProtocolAvatar, logout: Callable[[], None]) -> None:
        if self._state is not _State.CHECKING:  # gone, or told to go, before the answer
            logout()
            return
        self._report(avatar.user, "logged in")
        self._logout = logout
        self.setTimeout(None)
        peer = peerName(self.transport.getPeer())
        self._state = _State.SESSION
        self.transport.unregisterProducer()  # from here on the application paces the client
        self._link = _Link(self, Session(user=avatar.user, door="line", peer=peer))
        self._link.write(ACCEPTED)
        self.transport.resumeProducing()
        self._application = avatar.application()
        self._application.makeConnection(self._link)
        self.deliver()

    def deliver(self) -> None:
        """Pass on what has come, and that nothing more will, unless the application waits."""
        if self._application is None or self._link.paused:
            return
        waiting, self._buffer = self._buffer, b""
        if waiting:
            self._application.dataReceived(waiting)
        if self._readClosed and not self._link.paused:
            self._readClosed = False  # say it once
            endInput(self._application, self.transport)

    def _goodbye(self, farewell: bytes) -> None:
        """Say a last line and close, so that it arrives even if the client is still sending.

        Closing at once while bytes are unread makes the kernel send a reset, which can overtake
        the line: so our side is closed first, and what arrives is dropped for a while.
        """
        self._state = _State.GOODBYE
        self._buffer = b""
        self.transport.unregisterProducer()
        self.transport.write(farewell)
        halfClose = getattr(self.transport, "loseWriteConnection", None)
        if halfClose is None or self._readClosed or INegotiated.providedBy(self.transport):
            self.transport.loseConnection()
        else:
            halfClose()
            self.setTimeout(LINGER)

    def readConnectionLost(self) -> None:
        """The client sends no more: it still gets its answer, and all of its echo."""
        self._readClosed = True
        if self._state is _State.LOGIN:
            self._findLine()
        elif self._state is _State.GOODBYE:
            self.transport.loseConnection()
        elif self._state is _State.SESSION:
            self.deliver()

    def writeConnectionLost(self) -> None:
        """Our side is closed; connectionLost says the rest."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Log out whoever is in, whatever the application does."""
        self._state = _State.CLOSED
        self.setTimeout(None)
        if self._checking is not None:
            self._checking.cancel()
        application, self._application = self._application, None
        try:
            if application is not None:
                application.connectionLost(reason)
        finally:
            if self._logout is not None:
                self._logout()

    def _report(self, user: bytes, what: str, why: str = "") -> None:
        tell(
            "line: {user} {what} from {peer}{why}",
            user=userName(user),
            what=what,
            peer=peerName(self.transport.getPeer()),
            why=because(why),
        )


@implementer(ISessionTransport)
class _Link:
    """The transport of the application: the connection's, with a session, and Telnet spoken."""

    def __init__(self, door: LineLogin, session: Session) -> None:
        self._door = door
        self.session = session
        self.paused = False

    def write(self, data: bytes) -> None:
        self._door.transport.write(self._door.encode(data))

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def writeError(self, data: bytes) -> None:
        self.write(data)

    def exit(self, _status: int) -> None:
        self._door.transport.loseConnection()

    def pauseProducing(self) -> None:
        self.paused = True
        self._door.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.paused = False
        self._door.deliver()
        if not self.paused:
            self._door.transport.resumeProducing()

    def __getattr__(self, name: str) -> object:
        return getattr(self._door.transport, name)


class LineFactory(Factory):
    """Builds the protocol of each connection to the line door.

    Args:
        portal: where logins are checked.
        clock: what time-outs are counted with.
    """

    noisy = False

    def __init__(self, portal: Portal, clock: IReactorTime) -> None:
        self._portal = portal
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> LineLogin:
        """Return the protocol of a new connection."""
        protocol = LineLogin(self._portal, self._clock)
        protocol.factory = self
        return protocol
