"""The SSH door's transport: its policy, a time to log in, and the pace of what the client reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION, DISCONNECT_PROTOCOL_ERROR
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from sshecho import __version__
from sshecho.service.limits import LOGIN_GRACE
from sshecho.ssh.algorithms import USER_SIGNATURES
from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.server import ServerTransport

if TYPE_CHECKING:
    from sshecho.ssh.avatar import SSHAvatar
    from sshecho.ssh.factory import EchoSSHFactory
    from sshecho.ssh.login import Login

_EXTENSIONS = MappingProxyType({b"server-sig-algs": b",".join(USER_SIGNATURES)})
_FIRST_OF_CONNECTION = 80
_LARGEST_FROM_USERS = 256 * 1024  # bytes of a packet, as in OpenSSH: commands can be long


@dataclass(slots=True)
class Traffic:
    """How much the sessions of one connection have carried so far.

    Attributes:
        received: bytes of data from the client.
        sent: bytes of data to the client.
    """

    received: int = 0
    sent: int = 0


@implementer(IPushProducer)
class Transport(ServerTransport):
    """The packet layer with the factory's policy, paced by what the client reads.

    A login is logged out whatever else breaks as its connection ends.
    """

    __slots__ = ("begun", "login", "traffic")

    sessionID: bytes
    avatar: SSHAvatar
    login: Login
    factory: EchoSSHFactory
    ourVersionString = b"SSH-2.0-sshecho_" + __version__.encode("ascii")
    extensions: Mapping[bytes, bytes] = MappingProxyType({})  # those that the client was told of
    _full = False  # whether the client has more to take than it takes
    _loggedIn = False
    _paced = False

    def connectionMade(self) -> None:
        """Begin, and give the client its time to log in."""
        self.begun = self.factory.clock.seconds()
        self.traffic = Traffic()
        self.setTimeout(LOGIN_GRACE)
        super().connectionMade()

    def loggedIn(self) -> None:
        """Let the client be as slow as it likes, and send larger packets."""
        self._loggedIn = True
        self.incoming.largest = _LARGEST_FROM_USERS
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
            self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"too slow to log in")

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Begin a key exchange; from the first one on, go at the client's pace.

        Not before: over TLS our version may have to wait for a read.
        """
        if not self._paced:
            self._paced = True
            self.transport.registerProducer(self, True)
        super().ssh_KEXINIT(packet)

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
        if not self._full:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Nothing to do: connectionLost says it."""

    def firstKeysAgreed(self) -> None:
        """Tell the client what its users may sign with (RFC 8308, section 3.1).

        A certificate is named by what its key signs with.
        """
        if self._peerSupportsExtensions:
            self.extensions = _EXTENSIONS
            self.sendExtInfo(list(self.extensions.items()))

    def prepareToClose(self) -> None:
        """Close for good.

        A connection whose producer is paused would wait for it instead of closing.
        """
        super().prepareToClose()
        if self._paced:
            self.transport.unregisterProducer()
