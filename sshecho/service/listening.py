"""Listening: what stands in for the reactor, so that a door sees its connections first."""

from __future__ import annotations

from collections.abc import Callable
from socket import AddressFamily
from typing import Any

from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLContextFactory,
    IReactorCore,
    IReactorSocket,
    IReactorSSL,
    IReactorTCP,
    IReactorUNIX,
)
from zope.interface import implementer

AnyFactory = Any
"""A factory of protocols: each way to listen has its own type for it."""


@implementer(IReactorTCP, IReactorSSL, IReactorUNIX, IReactorSocket)
class Listening:
    """A reactor whose ports build their protocols with a factory around what they were given.

    That one comes before TLS: it sees each connection as it is on the wire.

    Args:
        reactor: what listens, and does all the rest.
        around: returns the factory to listen with, given the one that an endpoint has.
    """

    def __init__(self, reactor: IReactorCore, around: Callable[[AnyFactory], AnyFactory]) -> None:
        self._reactor = reactor
        self._around = around

    def listenTCP(
        self, port: int, factory: AnyFactory, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Listen for TCP connections."""
        reactor = IReactorTCP(self._reactor)
        return reactor.listenTCP(port, self._around(factory), backlog, interface)

    def listenSSL(
        self,
        port: int,
        factory: AnyFactory,
        contextFactory: IOpenSSLContextFactory,
        backlog: int = 50,
        interface: str = "",
    ) -> IListeningPort:
        """Listen for TCP connections that speak TLS."""
        from twisted.protocols.tls import TLSMemoryBIOFactory  # pyOpenSSL takes its time

        return self.listenTCP(
            port, TLSMemoryBIOFactory(contextFactory, False, factory), backlog, interface
        )

    def listenUNIX(
        self,
        address: str,
        factory: AnyFactory,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool = False,
    ) -> IListeningPort:
        """Listen at a UNIX socket."""
        reactor = IReactorUNIX(self._reactor)
        return reactor.listenUNIX(address, self._around(factory), backlog, mode, wantPID)

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: AddressFamily, factory: AnyFactory
    ) -> IListeningPort:
        """Listen at a socket that is there."""
        reactor = IReactorSocket(self._reactor)
        return reactor.adoptStreamPort(fileDescriptor, addressFamily, self._around(factory))

    def __getattr__(self, name: str) -> object:
        return getattr(self._reactor, name)
