"""The SSH door's transport: its policy, a time to log in, and the pace of what the client reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from twisted.conch.ssh.address import SSHTransportAddress
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import MSG_GLOBAL_REQUEST
from twisted.conch.ssh.transport import (
    DISCONNECT_BY_APPLICATION,
    DISCONNECT_COMPRESSION_ERROR,
    DISCONNECT_CONNECTION_LOST,
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_MAC_ERROR,
    DISCONNECT_PROTOCOL_ERROR,
    DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
)
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho import __version__
from sshecho.service.closing import SERVER_ENDS, until, untilQuiet
from sshecho.service.limits import PROBES, Limits
from sshecho.service.sockets import LARGEST_READ, SMALL_READ, readAtMost, unsent
from sshecho.service.visit import Visit
from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.server import ServerTransport
from sshecho.ssh.packets.transport import REKEY_INTERVAL

if TYPE_CHECKING:
    from sshecho.ssh.avatar import SSHAvatar
    from sshecho.ssh.connection import Connection
    from sshecho.ssh.factory import EchoSSHFactory
    from sshecho.ssh.login import Login

_FIRST_OF_CONNECTION = 80
_LARGEST_FROM_USERS = 256 * 1024  # bytes of a packet, as in OpenSSH: commands can be long
_MOST_BEFORE_LOGIN = 1 << 20  # bytes: a login needs a few thousand
_MOST_EXCHANGES = 20  # key exchanges that a client may begin for nothing, and one more a second
_WORTH_AN_EXCHANGE = 16 * 1024  # bytes that make a key exchange no more than due
_PROBE = NS(b"keepalive@openssh.com") + b"\1"
_BROKEN = (
    DISCONNECT_PROTOCOL_ERROR,
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_MAC_ERROR,
    DISCONNECT_COMPRESSION_ERROR,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
    DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED,
)

_log = Logger()


@dataclass(slots=True)
class Traffic:
    """How much the sessions of one connection have carried so far.

    Attributes:
        received: bytes of data from the client.
        sent: bytes of data to the client.
        moved: when the last of either went, in seconds since 1970.
    """

    moved: float
    received: int = 0
    sent: int = 0


@implementer(IPushProducer)
class Transport(ServerTransport):
    """The packet layer with the factory's policy, paced by what the client reads.

    A login is logged out whatever else breaks as its connection ends.
    """

    __slots__ = ("_keysSince", "begun", "heard", "limits", "login", "traffic", "visit")

    sessionID: bytes
    avatar: SSHAvatar
    login: Login
    visit: Visit
    limits: Limits
    factory: EchoSSHFactory
    ourVersionString = b"SSH-2.0-sshecho_" + __version__.encode("ascii")
    extensions: Mapping[bytes, bytes] = MappingProxyType({})  # those that the client was told of
    _full = False  # whether the client has more to take than it takes
    _loggedIn = False
    _paced = False
    _early = 0  # bytes that came before the login
    _exchanges = 0.0  # when all key exchanges that were begun for nothing are paid for
    _unanswered = 0  # probes in a row
    _probed = 0.0  # when the last was sent
    _awaited = 0  # answers that are still to come
    _leaving: Deferred[None] | None = None

    def connectionMade(self) -> None:
        """Begin, and give the client its time to log in."""
        self.begun = self.heard = self._keysSince = self.factory.clock.seconds()
        self.traffic = Traffic(self.begun)
        self.setTimeout(self.visit.graceLeft)
        self.visit.begin(self)
        readAtMost(self.transport, SMALL_READ)
        super().connectionMade()

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        """Tell of the end, whatever breaks in it."""
        if self._leaving is not None:
            self._leaving.cancel()
        try:
            super().connectionLost(reason)
        finally:
            if self.visit.hasLoggedIn:
                self.visit.loggedOut()
            self.visit.end(self.traffic.received, self.traffic.sent)

    def dataReceived(self, data: bytes) -> None:
        """Handle what has come; before the login not without end, and in its turn."""
        self.heard = self.factory.clock.seconds()
        if self._loggedIn or self.closing:
            self._take(data)
            return
        self._early += len(data)
        if self._early > _MOST_BEFORE_LOGIN:
            self.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, b"too much before the login")
        elif self._resting:
            self._take(data)
        else:
            self._late, self._resting = data, True
            self.visit.turns.take(self.visit.source, self._goOn)
            if self._resting:
                self.transport.pauseProducing()

    def later(self, work: Callable[[], object]) -> None:
        """Do something when the others had their turn."""
        self.visit.turns.later(self.visit.source, work)

    def loggedIn(self) -> None:
        """Let the client be as slow as it likes, and send larger packets."""
        self._loggedIn = True
        self.incoming.largest = _LARGEST_FROM_USERS
        readAtMost(self.transport, LARGEST_READ)
        self.traffic.moved = self.factory.clock.seconds()
        if not self.closing:
            self.awaitNext()

    def callLater(self, period: float, func: Callable[[], object]) -> IDelayedCall:
        """Count time with our clock: TimeoutMixin asks for this."""
        return self.factory.clock.callLater(period, func)

    def awaitNext(self) -> None:
        """Count the time anew; but the time to log in is one, whatever comes in it."""
        if self._loggedIn or self.closing:
            super().awaitNext()

    def timeoutConnection(self) -> None:
        """Too slow to log in, to exchange keys or to take our goodbye; or the keys are old."""
        if self._loggedIn or self.closing:
            super().timeoutConnection()
        else:
            self.visit.reached("login-grace", "too slow to log in")
            self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"too slow to log in")

    def sleep(self) -> None:
        """Count the time until keys are old, sessions idle, or the client is silent."""
        now = self.factory.clock.seconds()
        due = [self._keysSince + REKEY_INTERVAL]
        if self.limits.idleTimeout is not None:
            due.append(self.traffic.moved + self.limits.idleTimeout)
        if self.limits.keepalive is not None:
            due.append(max(self.heard, self._probed) + self.limits.keepalive)
        self.setTimeout(max(min(due) - now, 0.0))

    def wake(self) -> None:
        """See what is due: an end, a probe, or new keys."""
        now = self.factory.clock.seconds()
        limits = self.limits
        if limits.idleTimeout is not None and now >= self.traffic.moved + limits.idleTimeout:
            self.visit.reached("idle-timeout", "idle")
            self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"idle")
            return
        if self.heard >= self._probed:
            self._unanswered = 0
        silent = max(self.heard, self._probed)
        if limits.keepalive is not None and now >= silent + limits.keepalive:
            if self._unanswered == PROBES:
                self.visit.reached("keepalive", "no answer")
                self.sendDisconnect(DISCONNECT_CONNECTION_LOST, b"no answer")
                return
            self._unanswered += 1
            self._awaited += 1
            self._probed = now
            self.sendPacket(MSG_GLOBAL_REQUEST, _PROBE)
        if now >= self._keysSince + REKEY_INTERVAL:
            self._keysSince = now
            super().wake()
        else:
            self.sleep()

    def probeAnswered(self) -> None:
        """Take the answer to a probe, whatever it is.

        Raises:
            ValueError: when there was none.
        """
        if not self._awaited:
            raise ValueError("nothing was asked")
        self._awaited -= 1

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Begin a key exchange; from the first one on, go at the client's pace.

        Not before: over TLS our version may have to wait for a read.
        """
        if not self._paced:
            self._paced = True
            self.transport.registerProducer(self, True)
        self._payForExchange()
        super().ssh_KEXINIT(packet)

    def _payForExchange(self) -> None:
        """Count a key exchange that the client begins for nothing: it is dear.

        Raises:
            ProtocolError: when there were too many.
        """
        carried = self.incoming.carried + self.outgoing.carried
        if self.agreed is None or self.exchangingKeys or carried > _WORTH_AN_EXCHANGE:
            return
        now = self.factory.clock.seconds()
        self._exchanges = max(now, self._exchanges) + 1
        if self._exchanges - now > _MOST_EXCHANGES:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "too many key exchanges")

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """Take what follows with the new key, which is young."""
        self._keysSince = self.factory.clock.seconds()
        super().ssh_NEWKEYS(packet)

    def ssh_EXT_INFO(self, packet: bytes) -> None:
        """Keep what the client tells of itself, which it may do before the login only.

        That is right behind its first keys (RFC 8308, section 2.4), but we are not that strict.

        Raises:
            ProtocolError: when it is too late.
        """
        if self._loggedIn:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "extensions are not due any more")
        super().ssh_EXT_INFO(packet)

    def unhandled(self, messageNum: int) -> None:
        """Answer a message that nobody handles, but for a login behind the one that let in.

        That is passed over (RFC 4252, section 5.1).

        Raises:
            ProtocolError: when it is of the connection protocol, and nobody is logged in.
        """
        if messageNum == MSG_USERAUTH_REQUEST and self._loggedIn:
            return
        if messageNum >= _FIRST_OF_CONNECTION and not self._loggedIn:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "nothing of that before the login")
        super().unhandled(messageNum)

    @property
    def paused(self) -> bool:
        """Whether the sessions have to wait: for the client to read, or for new keys."""
        return self._full or self.exchangingKeys

    def sendKexInit(self) -> None:
        """Begin a key exchange, and let the sessions wait."""
        super().sendKexInit()
        if IPushProducer.providedBy(self.service):
            IPushProducer(self.service).pauseProducing()

    def keysAgreed(self, secret: bytes, exchangeHash: bytes) -> None:
        """Change our key, and let the sessions go on."""
        super().keysAgreed(secret, exchangeHash)
        if not self.paused and IPushProducer.providedBy(self.service):
            IPushProducer(self.service).resumeProducing()

    # IPushProducer, for the connection below: what paces a client is what it reads.

    def pauseProducing(self) -> None:
        """Read nothing, and let every session wait, until the client has taken what is sent."""
        self._full = True
        self.transport.pauseProducing()
        if IPushProducer.providedBy(self.service):
            IPushProducer(self.service).pauseProducing()

    def resumeProducing(self) -> None:
        """Go on: first the sessions, which may have more to say than the client takes."""
        self._full = False
        if not self.paused and IPushProducer.providedBy(self.service):
            IPushProducer(self.service).resumeProducing()
        if not self._resting:
            self.readOn()

    def readOn(self) -> None:
        """Read what comes next, unless the client has more to take than it takes."""
        if not self._full:
            super().readOn()

    def stopProducing(self) -> None:
        """Nothing to do: connectionLost says it."""

    def firstKeysAgreed(self) -> None:
        """Tell the client what its users may sign with (RFC 8308, section 3.1).

        A certificate is named by what its key signs with.
        """
        self.visit.secured()
        if self._peerSupportsExtensions:
            self.extensions = self.factory.extensions
            self.sendExtInfo(list(self.extensions.items()))

    def getPeer(self) -> SSHTransportAddress:
        """Return the client's address, behind a proxy too."""
        return SSHTransportAddress(self.visit.address)

    def getHost(self) -> SSHTransportAddress:
        """Return the address that the client connected to."""
        return SSHTransportAddress(self.visit.host or self.transport.getHost())

    # The end.

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        """Say why, tell of it, and close."""
        if not self.closing:
            tell = self.visit.broke if reason in _BROKEN else self.visit.ends
            tell(desc.decode(errors="replace"))
        super().sendDisconnect(reason, desc)

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Tell why the client leaves."""
        self.visit.ends(f"the client says: {description.decode(errors='replace')}")

    def leave(self) -> None:
        """Answer what has come, end the sessions and say goodbye: the server ends."""
        self.visit.ends(SERVER_ENDS)
        self._leaving = Deferred.fromCoroutine(self._leave())
        self._leaving.addErrback(self._brokeOff)

    async def _leave(self) -> None:
        if self._loggedIn:
            await untilQuiet(self.factory.clock, lambda: self.heard, self._listens)
        service = self.service
        if self._loggedIn and service is not None:
            cast("Connection", service).endSessions()
        else:
            self.goDown()
        await until(self.factory.clock, lambda: self.closing and not unsent(self.transport))
        self.transport.loseConnection()

    def _listens(self) -> bool:
        return not (self._full or self._resting)

    @staticmethod
    def _brokeOff(reason: Failure) -> None:
        if not reason.check(CancelledError):
            _log.failure("A connection could not be ended well", reason)

    def goDown(self) -> None:
        """Say that the server ends, and close."""
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"server is going down")

    def cut(self, why: str) -> None:
        """Close at once."""
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, why.encode())
        self.transport.abortConnection()

    evict = cut  # in this process it is known at once who has logged in

    def dismiss(self, why: str) -> None:
        """Say why, and close."""
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, why.encode())

    def dataSoFar(self) -> tuple[int, int]:
        """Return how many bytes the sessions got so far, and how many they sent."""
        return self.traffic.received, self.traffic.sent

    def prepareToClose(self) -> None:
        """Close for good.

        A connection whose producer is paused would wait for it instead of closing.
        """
        super().prepareToClose()
        if self._paced:
            self.transport.unregisterProducer()
