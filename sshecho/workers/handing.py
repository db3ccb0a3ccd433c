"""Handing over: what the parent does with a connection that comes in."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IReactorFDSet
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Port, Server

from sshecho.service.refusal import Refusal
from sshecho.service.visit import Visit
from sshecho.workers.connecting import Client

Enter = Callable[[IAddress | None], Visit | Refusal | None]
Hand = Callable[[Visit, int, socket.socket, Client], None]
"""Gives a worker a visit, the number of its door, its socket, and its client's address."""


class _Handover(Protocol):
    """A connection that a worker is to have: it gets no transport here."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit

    def makeConnection(self, transport: object) -> None:
        """Nothing to do: `Handing.transport` has given the socket away."""


class Handing(Factory):
    """Lets connections in at the gate, and hands them over.

    Args:
        number: the door's, as the workers count them.
        enter: lets one in, or not, by its address; None is for one to be closed at once.
        hand: hands them over.
        tls: whether the door speaks TLS, which whoever is turned away would have to wait for.
    """

    noisy = False

    def __init__(self, number: int, enter: Enter, hand: Hand, *, tls: bool) -> None:
        self._number = number
        self._enter = enter
        self._hand = hand
        self._tls = tls

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Return what stands for a connection here; None for one to be closed at once."""
        visit = self._enter(addr)
        if isinstance(visit, Visit):
            return _Handover(visit)
        return None if self._tls else visit

    def transport(
        self,
        connection: socket.socket,
        protocol: Protocol,
        client: Client,
        port: Port,
        number: int,
        reactor: IReactorFDSet,
    ) -> Server | None:
        """Stand in for the transport that a port would make (its attribute ``transport``).

        Returns:
            A transport for whoever is turned away, or None where a worker has the connection.
        """
        if isinstance(protocol, _Handover):
            if connection.family == socket.AF_UNIX:  # a name that Linux keeps elsewhere is bytes
                client = os.fsdecode(client)
            self._hand(protocol.visit, self._number, connection, client)
            return None
        return type(port).transport(connection, protocol, client, port, number, reactor)
