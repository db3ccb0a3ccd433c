"""Connecting: makes a transport for a socket that is connected already."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IReactorFDSet

from sshecho.service.listening import AnyFactory

Client = Any
"""A client's address as `socket.accept` returns it: a text, or a list of a host and a port."""


def connect(
    connection: socket.socket, client: Client, factory: AnyFactory, reactor: IReactorFDSet
) -> None:
    """Join a socket to a protocol, as a port of Twisted's does with one that it accepts.

    `adoptStreamConnection` would copy the descriptor, and ask the system for what we know.

    Args:
        connection: the socket.
        client: the client's address.
        factory: what builds the protocol; None from it closes the socket.
        reactor: what watches the socket.
    """
    protocol = factory.buildProtocol(decoded(connection.family, client))
    if protocol is None:
        connection.close()
        return
    transport: tcp.Server
    if connection.family == socket.AF_UNIX:
        transport = unix.Server(connection, protocol, client, None, 0, reactor)
    else:
        transport = tcp.Server(connection, protocol, tuple(client), None, 0, reactor)  # type: ignore[arg-type]
    transport.repstr = f"<{type(protocol).__name__} of {client}>"
    protocol.makeConnection(transport)


def encoded(address: IAddress) -> tuple[int, Client]:
    """Return an address as JSON can have it; see `decoded`."""
    if isinstance(address, IPv4Address | IPv6Address):
        family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
        return family, (address.host, address.port)
    return socket.AF_UNIX, os.fsdecode(getattr(address, "name", None) or b"")


def decoded(family: int, client: Client) -> IAddress:
    """Return the address of a client, of a family, as `socket.accept` returns it."""
    if family == socket.AF_UNIX:
        return UNIXAddress(os.fsencode(client) or None)
    return (IPv6Address if family == socket.AF_INET6 else IPv4Address)("TCP", *client)
