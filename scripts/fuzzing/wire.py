"""A connection in memory, which its door takes for one of a reactor's."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IProtocol, IPushProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from sshecho.service.sockets import LARGEST_READ

HOST = IPv4Address("TCP", "192.0.2.1", 22)


class Wire:
    """The transport of a door's protocol, and the client's end of it.

    As under a reactor, nothing is read while the protocol pauses it; a client that does not read
    pauses whoever paces the writing; and a connection that is to close does so a turn later.

    Args:
        protocol: the door's.
        clock: the door's.
        peer: the client's address.

    Attributes:
        lost: whether the protocol was told that the connection is gone.
        closing: whether the protocol has closed its side, or all of it.
        arrived: what the client has sent and the protocol has not read.
        received: bytes that the protocol has read.
        sent: bytes that it has written.
        afterEnd: bytes that it wrote when it had closed its side.
    """

    disconnecting = closing = lost = False

    def __init__(self, protocol: IProtocol, clock: Clock, peer: IAddress) -> None:
        self._protocol = protocol
        self._clock = clock
        self._peer = peer
        self.arrived = bytearray()
        self.received = self.sent = self.afterEnd = 0
        self._written = bytearray()
        self._reading = True
        self._aborted = False
        self._inputEnded = self._endTold = False
        self._full = self._producerPaused = False
        self._producer: IPushProducer | None = None
        protocol.makeConnection(cast(Any, self))

    # The client's end.

    def deliver(self, data: bytes) -> None:
        """Send what the protocol is to read."""
        self.arrived += data

    def take(self) -> bytes:
        """Return what the protocol has written since the last time."""
        data = bytes(self._written)
        self._written.clear()
        return data

    def endInput(self) -> None:
        """Close the client's side, behind what it has sent."""
        self._inputEnded = True

    def fill(self) -> None:
        """Read nothing any more: what the protocol writes from now on stays with it."""
        self._full = True

    def drain(self) -> None:
        """Read again."""
        self._full = False
        if self._producer is not None and self._producerPaused:
            self._producerPaused = False
            self._producer.resumeProducing()

    def lose(self) -> None:
        """Break the connection."""
        if not self.lost:
            self.lost = True
            self._producer = None
            self.arrived.clear()
            self._protocol.connectionLost(Failure(ConnectionDone()))

    def settle(self) -> None:
        """Let everything happen that happens at once."""
        while True:
            self._clock.advance(0)
            if self.lost or not self.turn():
                break

    def turn(self) -> bool:
        """Do what a reactor would do next; return whether there was anything."""
        if self._aborted or (self.disconnecting and not self._full):
            self.lose()
        elif self._reading and self.arrived and not self.disconnecting:
            data = bytes(self.arrived[:LARGEST_READ])
            del self.arrived[:LARGEST_READ]
            self.received += len(data)
            self._protocol.dataReceived(data)
        elif self._reading and self._inputEnded and not self._endTold:
            self._endTold = True
            if IHalfCloseableProtocol.providedBy(self._protocol):
                IHalfCloseableProtocol(self._protocol).readConnectionLost()
            else:
                self.lose()
        else:
            return False
        return True

    # The protocol's end: ITCPTransport, IConsumer and IPushProducer, as far as they are used.

    def write(self, data: bytes) -> None:
        """Send to the client."""
        if self.lost:
            return
        self.sent += len(data)
        if self.closing:
            self.afterEnd += len(data)
        self._written += data
        if self._full and data and self._producer is not None and not self._producerPaused:
            self._producerPaused = True
            self._producer.pauseProducing()

    def writeSequence(self, data: list[bytes]) -> None:
        """Send to the client."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once the client has read everything."""
        self.disconnecting = self.closing = True

    def loseWriteConnection(self) -> None:
        """Close our side."""
        self.closing = True

    def abortConnection(self) -> None:
        """Close at once."""
        self._aborted = self.disconnecting = self.closing = True

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Let the client pace a producer."""
        assert self._producer is None, "a second producer"
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None
        self._producerPaused = False

    def pauseProducing(self) -> None:
        """Read nothing."""
        self._reading = False

    def resumeProducing(self) -> None:
        """Read on."""
        self._reading = True

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def getPeer(self) -> IAddress:
        """Return the client's address."""
        return self._peer

    def getHost(self) -> IAddress:
        """Return the door's address."""
        return HOST
