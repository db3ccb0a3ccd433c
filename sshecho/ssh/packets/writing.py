"""Writing without waiting for the poll."""

from __future__ import annotations

from twisted.internet.interfaces import ITransport
from twisted.internet.tcp import Connection


def writeNow(transport: ITransport, data: bytes) -> None:
    """Write at once what the system takes, if nothing waits before it, and leave the rest.

    Twisted itself keeps what is written for the next turn of the reactor, and has the system's
    poll changed twice for it: more than it costs to send a line.
    """
    if (
        isinstance(transport, Connection)
        and transport.connected
        and not transport.dataBuffer
        and not transport._tempDataBuffer
    ):
        sent = transport.writeSomeData(data)
        if isinstance(sent, int):  # else the connection is lost, as the next turn will find
            if sent == len(data):
                return
            data = data[sent:]
    transport.write(data)
