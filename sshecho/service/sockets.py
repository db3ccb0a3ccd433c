"""Sockets: what Twisted's transports don't tell, or do, of the connection below them."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from contextlib import suppress

from twisted.internet.interfaces import ITransport
from twisted.internet.tcp import Connection

from sshecho.service.limits import PROBES

LARGEST_READ = Connection.bufferSize
"""Bytes that are read at once, unless there is a reason for less."""
SMALL_READ = 4096
"""Bytes that are read at once of those not logged in, and of what is dear to read."""


def connectionBelow(transport: object) -> Connection | None:
    """Return the TCP connection that a transport is, or that TLS stands on; None for others."""
    while transport is not None and not isinstance(transport, Connection):
        transport = getattr(transport, "transport", None)
    return transport


def unsent(transport: ITransport) -> int:
    """Return how many bytes the other side has not taken yet, as far as that is known."""
    connection = connectionBelow(transport)
    if connection is None:
        return 0
    waiting = len(connection.dataBuffer) - connection.offset + connection._tempDataLen
    with suppress(OSError, ValueError):  # a system that doesn't tell
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
        waiting += struct.unpack("i", answer)[0]
    return int(waiting)


def readAtMost(transport: ITransport, size: int) -> None:
    """Read at most so many bytes in a turn of the reactor."""
    connection = connectionBelow(transport)
    if connection is not None:
        connection.bufferSize = size


def probe(transport: ITransport, silence: float) -> None:
    """Have the system find out whether the other side is still there.

    Args:
        transport: the connection's.
        silence: seconds without a packet before a probe, and between two of them.
    """
    connection = connectionBelow(transport)
    if connection is None:
        return
    connection.setTcpKeepAlive(True)
    seconds = max(1, min(round(silence), 32767))
    options = {"TCP_KEEPIDLE": seconds, "TCP_KEEPINTVL": seconds, "TCP_KEEPCNT": PROBES}
    for name, value in options.items():
        if hasattr(socket, name):  # not every system has all
            with suppress(OSError):  # nor every kind of socket
                handle: socket.socket = connection.getHandle()
                handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
