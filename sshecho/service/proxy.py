"""Behind proxies: connections at a ``haproxy:`` endpoint, whose clients a PROXY header names.

The header comes first, before TLS, and nothing begins before it has come: what the door builds has
the transport for itself from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocol,
    IReactorTime,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho.addresses import plainAddress
from sshecho.service.closing import SERVER_ENDS
from sshecho.service.gatekeeper import Arrived, Gatekeeper
from sshecho.service.listening import AnyFactory
from sshecho.service.proxyheader import BadHeaderError, Header, takeHeader
from sshecho.service.refusal import Refusal
from sshecho.service.sockets import SMALL_READ, readAtMost
from sshecho.service.visit import Visit, sourceOf
from sshecho.session import IStreamTransport

Network = IPv4Network | IPv6Network

_log = Logger()


class ProxyFactory(Factory):
    """Takes the connections of trusted proxies, and no others.

    Args:
        gate: who may come in.
        clock: what time-outs are counted with.
        trusted: the networks whose headers are believed.
        door: ``"ssh"`` or ``"line"``.
        factory: builds what follows behind the header.
    """

    noisy = False

    def __init__(
        self,
        gate: Gatekeeper,
        clock: IReactorTime,
        trusted: Sequence[Network],
        door: str,
        factory: AnyFactory,
    ) -> None:
        self.clock = clock
        self.factory = factory
        self._gate = gate
        self._trusted = trusted
        self._door = door

    def doStart(self) -> None:
        """Let the factory know that a port uses it."""
        super().doStart()
        self.factory.doStart()

    def doStop(self) -> None:
        """Let the factory know that the port uses it no more."""
        self.factory.doStop()
        super().doStop()

    def buildProtocol(  # type: ignore[override]  # which is for protocols that have a factory
        self, addr: IAddress | None
    ) -> Announcement | Refusal | None:
        """Return what waits for the header; None, which closes, for whoever is not trusted."""
        visit = enterByProxy(self._gate, self._trusted, self._door, addr)
        return Announcement(self, visit) if isinstance(visit, Visit) else visit


def enterByProxy(
    gate: Gatekeeper, trusted: Sequence[Network], door: str, address: IAddress | None
) -> Visit | Refusal | None:
    """Let a proxy's connection in, or not.

    Args:
        gate: who may come in.
        trusted: the networks of the proxies.
        door: ``"ssh"`` or ``"line"``.
        address: where the connection comes from.

    Returns:
        Its visit, the protocol that sends it away, or None for one to be closed at once: it comes
        from elsewhere.
    """
    if not _trusts(trusted, address):
        gate.reached("trusted-proxy", sourceOf(address), "a connection of no trusted proxy")
        return None
    return gate.enter(door, address, proxy=True)


def _trusts(trusted: Sequence[Network], address: IAddress | None) -> bool:
    try:
        ip = plainAddress(str(getattr(address, "host", None)))
    except ValueError:  # a socket of the machine's own, say
        return False
    return any(ip in network for network in trusted)


@implementer(IHalfCloseableProtocol)
class Announcement(Protocol):
    """One connection of a proxy, until its header has come and its client is let in.

    Args:
        factory: what builds the rest.
        visit: what is counted and told of it.
    """

    transport: IStreamTransport
    factory: ProxyFactory

    def __init__(self, factory: ProxyFactory, visit: Visit) -> None:
        self.factory = factory
        self._visit = visit
        self._data = b""
        self._over = False  # whether it is not for us any more
        self._arriving: Deferred[None] | None = None

    def connectionMade(self) -> None:
        """Begin to wait for the header."""
        self._visit.guest = self
        readAtMost(self.transport, SMALL_READ)
        left = self._visit.graceLeft
        self._timer = self.factory.clock.callLater(left, self._tooSlow)

    def dataReceived(self, data: bytes) -> None:
        """Look for the header; once it has come, ask whether its client may come in."""
        if self._over:
            return
        self._data += data
        if self._arriving is not None:
            return
        try:
            taken = takeHeader(self._data)
        except BadHeaderError as error:
            self._broken(str(error))
            return
        if taken is not None:
            header, self._data = taken
            self._arriving = Deferred.fromCoroutine(self._arrive(header))
            if not self._arriving.called:
                self.transport.pauseProducing()
            self._arriving.addErrback(self._failed)

    async def _arrive(self, header: Header) -> None:
        visit = self._visit
        why = ""
        if header.source is not None:
            why = await visit.comesFrom(header.source)
            visit.host = header.destination
        if self._over:
            return
        self._leaveAlone()
        arrived = Arrived(Refusal(why) if why else visit)
        protocol: IProtocol = self.factory.factory.buildProtocol(arrived)
        if why:
            visit.end(0, 0)
        self._handOver(protocol)

    def _handOver(self, protocol: IProtocol) -> None:
        """Let a protocol have the transport, and what came behind the header."""
        transport, data = self.transport, self._data
        self._data = b""
        transport.protocol = protocol  # type: ignore[attr-defined]  # as Twisted's have
        transport.resumeProducing()  # an end that came meanwhile is told again
        protocol.makeConnection(cast(ITransport, transport))
        if data:
            protocol.dataReceived(data)

    def _leaveAlone(self) -> None:
        self._over = True
        if self._timer.active():
            self._timer.cancel()

    def _failed(self, reason: Failure) -> None:
        if not reason.check(CancelledError):  # or the client has left meanwhile
            _log.failure("A connection behind a proxy broke, and is closed", reason)
            self.transport.abortConnection()

    def _tooSlow(self) -> None:
        self._visit.begin(self)
        self._visit.reached("login-grace", "no PROXY header in time")
        self.cut("no PROXY header in time")

    def _broken(self, why: str) -> None:
        """Tell of a proxy that is no good one; before that nobody has come."""
        self._visit.begin(self)
        self._visit.broke(why)
        self.cut(why)

    def cut(self, why: str) -> None:
        """Close at once."""
        self._visit.ends(why)
        self._leaveAlone()
        self.transport.abortConnection()

    evict = cut  # in this process it is known at once who has logged in

    dismiss = cut

    def dataSoFar(self) -> tuple[int, int]:
        """Return how many bytes of data there were: none yet."""
        return 0, 0

    def leave(self) -> None:
        """Close: nobody is there yet who is owed anything."""
        self.cut(SERVER_ENDS)

    def readConnectionLost(self) -> None:
        """Close when the header can't come any more; a check of the port's says nothing at all."""
        if self._over or self._arriving is not None:
            return
        if self._data:
            self._broken("a PROXY header that breaks off")
        else:
            self.cut("the proxy has gone")

    def writeConnectionLost(self) -> None:
        """Nothing is closed that way here."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Count it no more."""
        self._leaveAlone()
        if self._arriving is not None:
            self._arriving.cancel()
        self._visit.end(0, 0)
