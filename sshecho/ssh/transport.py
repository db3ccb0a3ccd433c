"""The SSH transport: version, key exchange and packets (RFC 4253)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from twisted.conch.ssh.transport import (
    DISCONNECT_BY_APPLICATION,
    DISCONNECT_PROTOCOL_ERROR,
    SSHServerTransport,
    messages,
)
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger, LogLevel
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho import __version__
from sshecho.service.limits import LINGER, LOGIN_GRACE
from sshecho.session import IStreamTransport
from sshecho.ssh.algorithms import COMPRESSIONS, USER_SIGNATURES

if TYPE_CHECKING:
    from sshecho.ssh.avatar import SSHAvatar
    from sshecho.ssh.factory import EchoSSHFactory
    from sshecho.ssh.login import Login

_FIRST_OF_A_SERVICE = 50

_log = Logger()


@dataclass
class Traffic:
    """How much the sessions of one connection have carried so far.

    Attributes:
        received: bytes of data from the client.
        sent: bytes of data to the client.
    """

    received: int = 0
    sent: int = 0


@implementer(IPushProducer)
class Transport(SSHServerTransport, TimeoutMixin):
    """Conch's transport with the factory's policy, paced by what the client reads.

    A message that can't be read ends the connection, with the code for it and no traceback; and
    a login is logged out whatever else breaks as its connection ends.
    """

    transport: IStreamTransport
    sessionID: bytes
    avatar: SSHAvatar
    login: Login
    factory: EchoSSHFactory
    version = b"sshecho_" + __version__.encode("ascii")
    ourVersionString = b"SSH-2.0-" + version
    supportedCompressions = COMPRESSIONS
    closing = False  # whether a goodbye has been said by either side, or the connection is gone
    _full = False  # whether the client has more to take than it takes
    strictKeyExchange = False  # Conch's packets have none
    extensions: Mapping[bytes, bytes] = MappingProxyType({})  # those that the client was told of
    _paced = False

    def connectionMade(self) -> None:
        """Begin, and give the client its time to log in."""
        self.begun = self.factory.clock.seconds()
        self.traffic = Traffic()
        self.setTimeout(LOGIN_GRACE)
        super().connectionMade()

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        """Stop the service, and log out whoever is in."""
        self.closing = True
        self.setTimeout(None)
        service, self.service = self.service, None
        try:
            if service is not None:
                service.serviceStopped()
        finally:
            if hasattr(self, "avatar"):
                self.logoutFunction()

    def loggedIn(self) -> None:
        """Let the client be as slow as it likes."""
        if not self.closing:
            self.setTimeout(None)

    def callLater(self, period: float, func: Callable[[], object]) -> IDelayedCall:
        """Count time with our clock: TimeoutMixin asks for this."""
        return self.factory.clock.callLater(period, func)

    def timeoutConnection(self) -> None:
        """Too slow to log in, or to take our goodbye."""
        if self.closing:
            self.transport.abortConnection()
        else:
            self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"too slow to log in")

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Hand a message to whoever handles it.

        Conch logs what it can't handle whole, passwords included, and lets errors escape.
        """
        if self.closing:
            return
        if not self._paced:
            # From its first message on, a client that does not read is not read from. Not
            # before: over TLS our version may have to wait for a read.
            self._paced = True
            self.transport.registerProducer(self, True)
        handler = self._handler(messageNum)
        if handler is None:
            self.sendUnimplemented()
            return
        if messageNum >= _FIRST_OF_A_SERVICE and self._keyExchangeState != self._KEY_EXCHANGE_NONE:
            # What we had to answer would wait for keys that may never come (section 7.1).
            self.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, b"only key exchange is due now")
            return
        try:
            handler(payload)
        except Exception:
            _log.failure("A message can't be read", level=LogLevel.debug)
            self.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, b"malformed message")

    def _handler(self, number: int) -> Callable[[bytes], object] | None:
        owner = self if number < _FIRST_OF_A_SERVICE else self.service
        names = messages if number < _FIRST_OF_A_SERVICE else getattr(owner, "protocolMessages", {})
        name = names.get(number, "MSG_")
        handler: Callable[[bytes], object] | None = getattr(owner, f"ssh_{name[4:]}", None)
        return handler

    @property
    def paused(self) -> bool:
        """Whether the sessions have to wait: for the client to read, or for new keys."""
        return self._full or self._keyExchangeState != self._KEY_EXCHANGE_NONE

    def sendKexInit(self) -> None:
        """Begin a key exchange, and let the sessions wait: Conch keeps all that they send."""
        super().sendKexInit()
        if IPushProducer.providedBy(self.service):
            IPushProducer(self.service).pauseProducing()

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """Use the new keys, if there are any, and let the sessions go on."""
        if not hasattr(self.nextEncryptions, "decryptor"):
            self.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, b"there are no new keys")
            return
        super().ssh_NEWKEYS(packet)
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

    def sendExtInfo(self, extensions: list[tuple[bytes, bytes]]) -> None:
        """Tell the client what it may sign with (RFC 8308, section 3.1).

        Conch lists what the host keys sign with, so that a client with an RSA key and a server
        with none would not find together. A certificate is named by what its key signs with.
        """
        if self._peerSupportsExtensions:
            users = {b"server-sig-algs": b",".join(USER_SIGNATURES)}
            self.extensions = {**dict(extensions), **users}
            super().sendExtInfo(list(self.extensions.items()))

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        """Say why, and close once that has gone out."""
        self._prepareToClose()
        super().sendDisconnect(reason, desc)

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        """Close: the client says that it is leaving."""
        self._prepareToClose()
        super().ssh_DISCONNECT(packet)

    def _prepareToClose(self) -> None:
        # A connection whose producer is paused would wait for it instead of closing, and one
        # whose client reads nothing would wait for ever.
        if self.closing:
            return
        self.closing = True
        self.transport.unregisterProducer()
        self.setTimeout(LINGER)

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Keep quiet: a client that says goodbye is no error, as it is in Conch's log."""
