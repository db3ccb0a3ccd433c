"""The line door's session: an application on the connection, each side at the other's pace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from twisted.internet.interfaces import IAddress, IProducer, IProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho.session import ISessionTransport, IStreamTransport, Session, endInput


class Connection(Protocol):
    """The connection, as its session sees it."""

    transport: IStreamTransport

    @property
    def closing(self) -> bool:
        """Whether nothing more goes out, or comes to the application."""

    def readOn(self) -> None:
        """Read what comes next, if there is nothing against it."""

    def paceBy(self, producer: IPushProducer | None) -> None:
        """Let the client's reading pace a producer; None: the connection itself."""

    def send(self, data: bytes) -> None:
        """Send a session's data."""

    def close(self) -> None:
        """End the session once all that was written has gone out."""

    def getPeer(self) -> IAddress:
        """Return the client's address."""

    def getHost(self) -> IAddress:
        """Return the address that the client connected to."""


@implementer(ISessionTransport)
class LineSession:
    """The transport of the application: the connection's, with a session.

    While the application is not ready for it, what comes is kept; the connection is not read from
    meanwhile, so that is not much.

    Args:
        session: what the application can ask about.
        connection: where it runs.

    Attributes:
        paused: whether the application has said to wait.
        received: bytes that it was given.
        sent: bytes that it has written.
    """

    def __init__(self, session: Session, connection: Connection) -> None:
        self.session = session
        self.paused = False
        self.received = self.sent = 0
        self._connection = connection
        self._application: IProtocol | None = None
        self._producer: IPushProducer | None = None
        self._waiting = b""
        self._inputEnded = False  # whether nothing more will come
        self._endTold = False

    def run(self, application: IProtocol) -> None:
        """Join an application to the client."""
        self._application = application
        application.makeConnection(self)
        self._deliver()

    # What the client sends.

    def dataReceived(self, data: bytes) -> None:
        """Pass on what has come."""
        self._waiting += data
        self._deliver()

    def endOfInput(self) -> None:
        """Pass on that nothing more will come."""
        self._inputEnded = True
        self._deliver()

    def connectionLost(self, reason: Failure) -> None:
        """Tell the application of the end, if it runs."""
        application, self._application = self._application, None
        if application is not None:
            application.connectionLost(reason)

    def _deliver(self) -> None:
        if self._application is None or self.paused or self.disconnecting:
            return
        waiting, self._waiting = self._waiting, b""
        if waiting:
            self.received += len(waiting)
            self._application.dataReceived(waiting)
        due = self._inputEnded and not self._endTold
        if due and not self.paused and not self.disconnecting:
            self._endTold = True
            endInput(self._application, self)

    # What the application does: the rest of ITransport is the connection's.

    @property
    def disconnecting(self) -> bool:
        """Whether it is closing."""
        return self._connection.closing

    def write(self, data: bytes) -> None:
        """Send the application's output, unless the session is over."""
        if self.disconnecting:
            return
        self.sent += len(data)
        self._connection.send(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send the application's output."""
        self.write(b"".join(data))

    def writeError(self, data: bytes) -> None:
        """Send the application's errors where its output goes: there is no other place."""
        self.write(data)

    def exit(self, _status: int) -> None:
        """End the session; the client can't be told a status."""
        self._connection.close()

    def endBySignal(self, _name: bytes) -> None:
        """End the session; the client can't be told of a signal."""
        self._connection.close()

    def loseConnection(self) -> None:
        """End the session."""
        self._connection.close()

    def stopProducing(self) -> None:
        """End the session."""
        self._connection.close()

    def pauseProducing(self) -> None:
        """Pass nothing on for now, and read nothing."""
        self.paused = True
        self._connection.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Pass on what has come meanwhile, and read on."""
        self.paused = False
        self._deliver()
        if not self.paused:
            self._connection.readOn()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Tell a producer to pause while the client does not read, and when to go on.

        Raises:
            RuntimeError: for a second producer, or one that has to be asked for each piece.
        """
        if self._producer is not None or not streaming:
            raise RuntimeError("a session takes one producer, and a streaming one")
        self._producer = IPushProducer(producer)
        self._connection.paceBy(self._producer)

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None
        self._connection.paceBy(None)

    def getPeer(self) -> IAddress:
        """Return the client's address."""
        return self._connection.getPeer()

    def getHost(self) -> IAddress:
        """Return the address that the client connected to."""
        return self._connection.getHost()

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection.transport, name)
