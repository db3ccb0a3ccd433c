"""Sockets that whoever started us has opened, as systemd does (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
from typing import Any, cast

from twisted.internet import tcp, unix
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorCore,
    IReactorSocket,
)
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

NOT_HANDED_OVER = (
    "no such socket was handed over (systemd says which in LISTEN_PID and LISTEN_FDS, and names "
    "each in LISTEN_FDNAMES)"
)
"""Why a ``systemd:`` endpoint can't be had."""


class Sparing:
    """A reactor that leaves listening sockets which others hold too as they are.

    Their family is their own, whatever an endpoint's ``domain`` is: where a machine has no IPv6,
    systemd opens an IPv4 socket in its place.

    Args:
        reactor: what listens, and does all the rest.
    """

    def __init__(self, reactor: IReactorCore) -> None:
        self._reactor = reactor
        directlyProvides(self, providedBy(reactor))

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory
    ) -> IListeningPort:
        """Listen at a socket that is there.

        Raises:
            OSError: when there is none.
            ValueError: when it is another kind of socket.
        """
        family = _family(fileDescriptor)
        if family != socket.AF_UNIX:
            adopt: Any = IReactorSocket(self._reactor).adoptStreamPort
            return cast(IListeningPort, adopt(fileDescriptor, family, factory))
        port = _UNIXPort._fromListeningDescriptor(self._reactor, fileDescriptor, factory)
        port.startListening()
        return cast(IListeningPort, port)

    def __getattr__(self, name: str) -> object:
        return getattr(self._reactor, name)


def _family(descriptor: int) -> socket.AddressFamily:
    """Return the family of a listening socket.

    Raises:
        OSError: when there is no socket.
        ValueError: when it is another kind of socket.
    """
    with socket.socket(fileno=os.dup(descriptor)) as handle:
        streams = handle.type == socket.SOCK_STREAM
        if not streams or not handle.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ValueError("the socket does not listen (it takes ListenStream= and Accept=no)")
        family = handle.family
    if family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        raise ValueError("the socket is neither one of IP nor a UNIX socket")
    return family


class _UNIXPort(unix.Port):
    """A UNIX socket that stays as it is.

    Twisted would let everybody connect to it, lower its backlog, and at the end shut it down and
    remove its name, so that the holder's next server would get nobody.
    """

    _shouldShutdown = False

    def startListening(self) -> None:
        """Begin to accept."""
        cast(IProtocolFactory, self.factory).doStart()
        self.socket = cast(socket.socket, self._preexistingSocket)
        self._preexistingSocket = None
        self.fileno = self.socket.fileno  # type: ignore[method-assign]
        self.connected = True
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        """Close our end of it."""
        tcp.Port.connectionLost(self, reason)
