"""The doors: what listens, at which endpoint, for whom."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IReactorCore
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from sshecho import __version__
from sshecho.people import peerName
from sshecho.service.descriptors import Exhaustion
from sshecho.service.events import happened
from sshecho.service.gate import Gate
from sshecho.service.inherited import NOT_HANDED_OVER, Sparing
from sshecho.service.notify import READY, STOPPING, notify, status
from sshecho.service.start import StartError

_KNOWN_ADDRESSES = ("tcp", "tcp4", "tcp6", "ssl")
"""Endpoints of which we know where their clients come from."""

_BACKLOG = 128
"""Connections that wait to be accepted. With more, a flood keeps the reactor busy accepting; with
less, such as Twisted's 50, it soon keeps the others out."""

_NOT_FOR_OTHERS = "the demonstration login is for loopback addresses only; give --auth"


class Door(Service):
    """One endpoint and what answers there.

    Args:
        kind: ``ssh`` or ``line``.
        description: a Twisted server endpoint, such as ``tcp:2222:interface=127.0.0.1``.
        factory: what builds the protocols.
        reactor: what listens.
        loopbackOnly: whether to refuse every address that others could reach.

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
        loopbackOnly: bool,
    ) -> None:
        self.kind = kind
        self._description = description
        self._factory = factory
        self._loopbackOnly = loopbackOnly
        self._port: IListeningPort | None = None
        try:
            self._endpoint = serverFromString(Sparing(reactor), description)
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
        if self._loopbackOnly and self._description.partition(":")[0] not in _KNOWN_ADDRESSES:
            raise self._startError(_NOT_FOR_OTHERS)
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
            raise self._startError(_NOT_FOR_OTHERS)
        listener = getattr(self._port, "socket", None)
        inherited = isinstance(self._endpoint, AdoptedStreamServerEndpoint)
        chosen = inherited or "backlog=" in self._description
        if isinstance(listener, socket.socket) and not chosen:
            listener.listen(_BACKLOG)

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
        return self._description.startswith("ssl:")

    def __str__(self) -> str:
        """Return where it listens, as people write it."""
        return peerName(self.address)

    def stopService(self) -> Deferred[None] | None:
        """Listen no more."""
        super().stopService()
        port, self._port = self._port, None
        return port.stopListening() if port is not None else None


def _reason(error: BaseException | None) -> str:
    if isinstance(error, CannotListenError):
        error = error.socketError
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


class House(MultiService):
    """All the doors.

    Args:
        doors: in the order in which to open them.
        gate: who may come in.
        announce: called with the doors once all of them are open.
        companions: services that start before the doors open, and stop when all have left.
    """

    def __init__(
        self,
        doors: Sequence[Door],
        gate: Gate,
        announce: Callable[[Sequence[Door]], None],
        companions: Sequence[Service] = (),
    ) -> None:
        super().__init__()
        self.doors = doors
        self.gate = gate
        self._announce = announce
        self._companions = companions
        self._exhaustion = Exhaustion(gate)
        for door in doors:
            door.setServiceParent(self)

    def startService(self) -> None:
        """Open the doors that are still closed, and say so."""
        for companion in self._companions:
            companion.startService()
        globalLogPublisher.addObserver(self._exhaustion)
        super().startService()
        doors = [{"kind": door.kind, "address": str(door)} for door in self.doors]
        told = {"version": __version__, "pid": os.getpid(), "doors": doors}
        happened("server.start", f"sshecho {__version__} is open", **told)
        self._announce(self.doors)
        notify(READY, status(", ".join(f"{door.kind} door at {door}" for door in self.doors)))

    def stopService(self) -> Deferred[None]:
        """Close the doors, have everybody leave, and say so."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        notify(STOPPING, status("the clients are leaving"))
        await super().stopService()
        await self.gate.close()
        globalLogPublisher.removeObserver(self._exhaustion)
        happened("server.stop", "sshecho is closed")
        for companion in reversed(self._companions):
            companion.stopService()
