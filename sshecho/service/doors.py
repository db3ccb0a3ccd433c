"""The doors: what listens, at which endpoint, for whom."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IReactorCore
from twisted.python.failure import Failure

from sshecho.people import peerName
from sshecho.service.inherited import NOT_HANDED_OVER, Sparing
from sshecho.service.listening import AnyFactory, Listening
from sshecho.service.start import StartError

if TYPE_CHECKING:
    from twisted.internet.tcp import Port

_KNOWN_ADDRESSES = ("tcp", "tcp4", "tcp6", "ssl")
"""Endpoints of which we know where their clients come from."""

_BACKLOG = 128
"""Connections that wait to be accepted. With more, a flood keeps the reactor busy accepting; with
less, such as Twisted's 50, it soon keeps the others out."""


class Door(Service):
    """One endpoint and what answers there.

    Args:
        kind: ``ssh`` or ``line``.
        description: a Twisted server endpoint, such as ``tcp:2222:interface=127.0.0.1``.
        factory: what builds the protocols.
        reactor: what listens.
        loopbackOnly: why every address that others could reach is refused; empty if none is.
        behindProxy: returns what takes a door's connections from proxies, given the kind of the
            door and its factory; None if there are no proxies.
        transport: what stands in for the transport of its connections, if anything does.

    Attributes:
        proxied: whether it is for proxies.

    Raises:
        StartError: when the description is not one of an endpoint.
    """

    def __init__(
        self,
        kind: str,
        description: str,
        factory: IProtocolFactory,
        reactor: IReactorCore,
        *,
        loopbackOnly: str = "",
        behindProxy: Callable[[str, AnyFactory], AnyFactory] | None = None,
        transport: Callable[..., object] | None = None,
    ) -> None:
        self.kind = kind
        self._description = description
        behind = endpointBehindProxies(description)
        self.proxied = behind is not None
        self._listensAt = description if behind is None else behind
        reactor = cast(IReactorCore, Sparing(reactor))
        if self.proxied:
            if behindProxy is None:
                raise self._startError("a PROXY header from anyone would be believed")
            reactor = cast(IReactorCore, Listening(reactor, partial(behindProxy, kind)))
        self._factory = factory
        self._loopbackOnly = loopbackOnly
        self._transport = transport
        self._rests = False
        self._port: IListeningPort | None = None
        try:
            self._endpoint = serverFromString(reactor, self._listensAt)
        except OSError as error:  # a certificate, say
            raise self._startError(_reason(error)) from None
        except LookupError:
            raise self._startError(NOT_HANDED_OVER) from None
        except Exception as error:
            example = "tcp:8000:interface=127.0.0.1"
            why = f"not a Twisted server endpoint such as {example} ({_reason(error)})"
            raise self._startError(why) from None

    def _startError(self, why: str) -> StartError:
        return StartError(f"the {self.kind} door at {self._description}: {why}")

    def privilegedStartService(self) -> None:
        """Listen.

        Raises:
            StartError: when that can't be done, or may not be.
        """
        if self._loopbackOnly and endpointKind(self._description) not in _KNOWN_ADDRESSES:
            raise self._startError(self._loopbackOnly)
        outcome: list[IListeningPort | Failure] = []
        self._endpoint.listen(self._factory).addBoth(outcome.append)
        if not outcome:
            raise self._startError("endpoints that don't listen at once are not supported")
        if isinstance(outcome[0], Failure):
            raise self._startError(_reason(outcome[0].value))
        self._port = outcome[0]
        if self._loopbackOnly and not self._isLoopback(self._port):
            self._port.stopListening()
            self._port = None
            raise self._startError(self._loopbackOnly)
        listener = getattr(self._port, "socket", None)
        inherited = isinstance(self._endpoint, AdoptedStreamServerEndpoint)
        chosen = inherited or "backlog=" in self._description
        if isinstance(listener, socket.socket) and not chosen:
            listener.listen(_BACKLOG)
        if self._transport is not None:
            self._port.transport = self._transport  # type: ignore[attr-defined]
        if self._rests:
            self.rest(rests=True)

    def rest(self, *, rests: bool) -> None:
        """Let connections wait in the system's queue for now, or accept them again."""
        self._rests = rests
        port = cast("Port | None", self._port)
        if port is not None and rests:
            port.stopReading()
        elif port is not None:
            port.startReading()

    def _isLoopback(self, port: IListeningPort) -> bool:
        host = getattr(port.getHost(), "host", None)
        return host is not None and ip_address(host).is_loopback

    def startService(self) -> None:
        """Listen, unless `privilegedStartService` was there first."""
        super().startService()
        if self._port is None:
            self.privilegedStartService()

    @property
    def address(self) -> IAddress:
        """Where it listens."""
        assert self._port is not None
        return self._port.getHost()

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS."""
        return endpointKind(self._listensAt) == "ssl"

    def __str__(self) -> str:
        """Return where it listens, as people write it."""
        return peerName(self.address)

    def stopService(self) -> Deferred[None] | None:
        """Listen no more."""
        super().stopService()
        port, self._port = self._port, None
        return port.stopListening() if port is not None else None


def endpointKind(description: str) -> str:
    """Return an endpoint's kind, such as ``tcp``, even if it is quoted as Twisted allows."""
    return description.partition(":")[0].replace("\\", "")


def endpointBehindProxies(description: str) -> str | None:
    """Return where an endpoint for proxies listens, ``haproxy:`` taken off; None for another."""
    return description.partition(":")[2] if endpointKind(description) == "haproxy" else None


def _reason(error: BaseException | None) -> str:
    if isinstance(error, CannotListenError):
        error = error.socketError
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
