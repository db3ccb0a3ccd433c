"""The channel: a stream to an application, and back, each side at the other's pace."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import EXTENDED_DATA_STDERR
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProducer, IProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure

from sshecho.session import endInput
from sshecho.wire import Reader

if TYPE_CHECKING:
    from sshecho.ssh.connection import Connection

_LARGEST_WINDOW = (1 << 32) - 1


def statusRequest(status: int) -> tuple[bytes, bytes]:
    """Return the name and the payload of the request that tells an exit status."""
    return b"exit-status", struct.pack(">L", status)


def signalRequest(name: bytes) -> tuple[bytes, bytes]:
    """Return the name and the payload of the request that tells a signal (section 6.10).

    Payload: the signal's name, whether a core was dumped, a message, its language.
    """
    return b"exit-signal", NS(name) + b"\0" + NS(b"") + NS(b"")


class Channel(SSHChannel):
    """Conch's channel as the transport of an application.

    Conch's SSHSession gives a program no way to slow down a client that sends more than it
    reads. Here the channel is a producer like any transport: while it is paused it keeps what
    still arrives, at most one window, and grants the client no more.

    Attributes:
        paused: whether the application has told the channel to wait, or there is none yet.
        received: bytes that have come.
        sent: bytes that have gone out.
    """

    # Beside the instance's dictionary: one of more than thirty attributes takes five times the
    # memory, and longer to look into.
    __slots__ = (
        "_application",
        "_end",
        "_eof",
        "_eofTold",
        "_kept",
        "_producer",
        "_stalled",
        "paused",
        "received",
        "sent",
    )

    conn: Connection
    _log = Logger()

    def channelOpen(self, specificData: bytes) -> None:
        """Begin to keep what comes."""
        self.paused = True
        self.received = self.sent = 0
        self._application: IProtocol | None = None
        self._kept: deque[bytes] | None = None  # what has come, and is not yet passed on
        self._eof = False  # whether it has come
        self._eofTold = False
        self._producer: IPushProducer | None = None
        self._stalled = self.conn.transport.paused
        self._end: tuple[bytes, bytes] | None = None  # how the session ends, once that is known

    def run(self, application: IProtocol) -> None:
        """Join an application to the client, which may have sent something already."""
        self._application = application
        self.paused = False
        with self._guarded():
            application.makeConnection(self)
        if not self.paused:
            self.resumeProducing()

    # What the client sends.

    def dataReceived(self, data: bytes) -> None:
        """Pass it on, or keep it while the application is not ready for it."""
        transport = self.conn.transport
        transport.traffic.received += len(data)
        transport.traffic.moved = transport.heard
        self.received += len(data)
        if not data or self.closing or self._eof:
            return
        if self.paused or self._kept:
            self._kept = self._kept or deque()
            self._kept.append(data)
        else:
            self._pass(data)

    def eofReceived(self) -> None:
        """Nothing more will come, but what is kept still has to be passed on."""
        self._eof = True
        self._deliver()

    def _pass(self, data: bytes) -> None:
        try:
            cast(IProtocol, self._application).dataReceived(data)
        except Exception:
            self._broke()

    def _deliver(self) -> None:
        """Pass on what is kept, for as long as the application wants it."""
        while self._kept and not self.paused and not self.closing:
            self._pass(self._kept.popleft())
        due = self._eof and not self._eofTold
        if due and not self._kept and not self.paused and not self.closing:
            self._eofTold = True
            with self._guarded():
                endInput(cast(IProtocol, self._application), self)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Let an application that breaks end its own session, and nobody else's."""
        try:
            yield
        except Exception:
            self._broke()

    def _broke(self) -> None:
        self._log.failure("An application broke, and its session is ended")
        self.exit(1)

    def extReceived(self, dataType: int, data: bytes) -> None:
        """Drop what a client has no business to send; Conch would log it."""

    def closeReceived(self) -> None:
        """The client wants no more of this session."""
        self.abortConnection()

    def closed(self) -> None:
        """Both sides have closed: tell the application, whatever state it is in."""
        self.closing = 1
        if self._application is None:
            return
        self.ended()
        with self._guarded():
            if self._producer is not None:
                self._producer.stopProducing()
        with self._guarded():
            self._application.connectionLost(Failure(ConnectionDone()))

    def ended(self) -> None:
        """Take note of the end of a session that had begun; may be overridden."""

    @property
    def exitStatus(self) -> int | None:
        """The exit status that the client was told; None for a signal, or when it has left."""
        if self._end is None or self._end[0] != b"exit-status":
            return None
        return int.from_bytes(self._end[1], "big")

    @property
    def exitSignal(self) -> bytes | None:
        """The name of the signal that the client was told of; None when there was none."""
        if self._end is None or self._end[0] != b"exit-signal":
            return None
        return Reader(self._end[1]).string()

    # What the application does: the rest of ITransport is Conch's.

    @property
    def disconnecting(self) -> bool:
        """Whether it is closing."""
        return bool(self.closing)

    def loseConnection(self) -> None:
        """End the session, once all that was written has gone out."""
        self.closing = 1
        if self.buf or self.extBuf or self.localClosed:
            return
        self._end = self._end or self.usualEnd()
        self.conn.sendRequest(self, *self._end)
        self.conn.sendEOF(self)
        self.conn.sendClose(self)

    def usualEnd(self) -> tuple[bytes, bytes]:
        """Return how a session ends of which nobody has said how; may be overridden."""
        return statusRequest(0)

    def abortConnection(self) -> None:
        """End the session now: what the client has not taken yet is dropped."""
        self.buf = b""
        self.extBuf = []
        self.closing = 1
        self.conn.sendClose(self)

    def exit(self, status: int) -> None:
        """End the session with an exit status (RFC 4254, section 6.10)."""
        self.endWith(statusRequest(status))

    def endBySignal(self, name: bytes) -> None:
        """End the session as a signal ends a program (RFC 4254, section 6.10).

        Args:
            name: the signal's, such as ``b"TERM"``.
        """
        self.endWith(signalRequest(name))

    def endWith(self, request: tuple[bytes, bytes]) -> None:
        """End the session, and tell how.

        Args:
            request: the name and the payload of the request that tells it.
        """
        if not self.closing:  # the first word counts
            self._end = self._end or request
        self.loseConnection()

    def finish(self) -> None:
        """End the session once all that has come is answered: the server ends.

        To the application it is as if the client had said all; the client is told of a signal.
        """
        if self._application is None or self._eofTold:
            self.endBySignal(b"TERM")
        elif not self.closing:
            self._end = signalRequest(b"TERM")
            self.eofReceived()

    def writeError(self, data: bytes) -> None:
        """Send to the client's standard error (RFC 4254, section 5.2)."""
        self.writeExtended(EXTENDED_DATA_STDERR, data)

    # What paces the two: IConsumer and IPushProducer.

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Tell a producer to pause when the client's window is full, and when to go on.

        Raises:
            RuntimeError: for a second producer, or one that has to be asked for each piece.
        """
        if self._producer is not None or not streaming:
            raise RuntimeError("a session takes one producer, and a streaming one")
        self._producer = cast(IPushProducer, producer)
        if self._stalled:
            self._producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None

    def stopWriting(self) -> None:
        """Let the producer wait: the client's window is full, or its connection."""
        self._stalled = True
        if self._producer is not None:
            with self._guarded():
                self._producer.pauseProducing()

    def addWindowBytes(self, data: int) -> None:
        """The client takes so many bytes more: send what waits, then let the producer go on.

        Raises:
            ValueError: when that makes a window larger than one can be (RFC 4254, section 5.2).
        """
        if self.remoteWindowLeft + data > _LARGEST_WINDOW:
            raise ValueError("there is no window of that size")
        super().addWindowBytes(data)
        # Not at startWriting, which comes before what waits is sent: a client could make that
        # grow by a window for each byte that it takes.
        self.goOn()

    def goOn(self) -> None:
        """Let the producer go on, if the client takes more and has got everything that waited."""
        if self._stalled and not self.buf and not self.extBuf and not self.conn.transport.paused:
            self._stalled = False
            if self._producer is not None:
                with self._guarded():
                    self._producer.resumeProducing()

    def pauseProducing(self) -> None:
        """Pass nothing on for now, and let the client send no more than its window."""
        self.paused = True

    def resumeProducing(self) -> None:
        """Pass on what has come meanwhile, and let the client send more."""
        self.paused = False
        self._deliver()
        owed = self.localWindowSize - self.localWindowLeft
        if not self.paused and owed > self.localWindowSize // 2:
            self.conn.adjustWindow(self, owed)

    def stopProducing(self) -> None:
        """End the session."""
        self.loseConnection()
