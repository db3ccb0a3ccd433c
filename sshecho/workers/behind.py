"""Behind a door: what its endpoint does to the connections that the parent accepts there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IReactorCore

from sshecho.service.doors import endpointBehindProxies, endpointKind
from sshecho.service.listening import AnyFactory, Listening
from sshecho.service.start import StartError

_SYSTEMD = "systemd"


class _Behind(Listening):
    """Keeps what an endpoint would listen with, and does not listen."""

    factory: AnyFactory = None

    def listenTCP(self, port: int, factory: AnyFactory, *_: object, **__: object) -> Any:  # noqa: ANN401
        self.factory = factory

    def listenUNIX(self, address: str, factory: AnyFactory, *_: object, **__: object) -> Any:  # noqa: ANN401
        self.factory = factory


def behind(
    endpoint: str,
    factory: AnyFactory,
    behindProxy: Callable[[AnyFactory], AnyFactory],
    reactor: IReactorCore,
) -> AnyFactory:
    """Return what builds the protocols of an endpoint's connections: with TLS, where it has that.

    Args:
        endpoint: a Twisted server endpoint at which the parent listens.
        factory: what builds the protocols behind it.
        behindProxy: returns what takes connections from proxies, and has a factory build the rest.
        reactor: what watches the connections.

    Raises:
        StartError: when that is not known.
    """
    listensAt = endpointBehindProxies(endpoint)
    if listensAt is not None:
        return behindProxy(behind(listensAt, factory, behindProxy, reactor))
    if endpointKind(endpoint) == _SYSTEMD:  # those sockets are the parent's
        return factory
    listening = _Behind(reactor, lambda each: each)
    serverFromString(listening, endpoint).listen(factory)
    if listening.factory is None:
        raise StartError(f"{endpoint}: --workers can't serve behind such an endpoint")
    return listening.factory
