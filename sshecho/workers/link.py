"""The link: the socket between the parent and a worker, for messages and for open sockets."""

from __future__ import annotations

import errno
import json
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorFDSet,
    IReactorTime,
    IReadWriteDescriptor,
)
from twisted.internet.main import CONNECTION_DONE
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

Word = object
"""A part of a message: whatever JSON has."""
Message = list[Any]
"""What is said: what it is about, and what belongs to that."""

SOON: Final = 0.02
"""Seconds that a message waits for others to go with."""

CARRIES: Final = "enter"
"""The message that a socket comes with."""

_READ = 1 << 16
_ROOM = socket.CMSG_LEN(4)  # for one descriptor
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_LATER = (errno.EAGAIN, errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM)

_log = Logger()


@implementer(IReadWriteDescriptor)
class Link:
    """One end of the link. What goes in at one end comes out at the other, in order.

    Args:
        reactor: what watches the socket.
        end: the socket, which is ours from now on.
        received: called with each message, and the descriptor of the socket that came with it,
            or None.
        lost: called once when the other end is closed.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        end: socket.socket,
        received: Callable[[Message, int | None], None],
        lost: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._socket: socket.socket | None = end
        self._received = received
        self._lost = lost
        self._lines: list[str] = []  # to go out, soon
        self._unsent: deque[tuple[bytes | memoryview, socket.socket | None]] = deque()
        self._input = bytearray()  # a line that has come in part
        self._descriptors: deque[int | None] = deque()  # one that was lost is None
        self._flushing: IDelayedCall | None = None
        self._closed: Callable[[], None] | None = None
        end.setblocking(False)
        reactor.addReader(self)

    def send(self, *message: Word, soon: bool = False) -> None:
        """Send a message.

        Args:
            message: see `Message`.
            soon: whether it may wait a little, for others to go with it.
        """
        self._lines.append(json.dumps(message, ensure_ascii=False))
        if not soon:
            self.flush()
        elif self._flushing is None:
            self._flushing = self._clock.callLater(SOON, self.flush)

    def sendSocket(self, carried: socket.socket, *message: Word) -> None:
        """Send the message `CARRIES` and a socket, which is closed here once it is on its way."""
        self.flush()
        self._unsent.append((json.dumps((CARRIES, *message)).encode() + b"\n", carried))
        self._write()

    def flush(self) -> None:
        """Send what waits."""
        if self._flushing is not None:
            if self._flushing.active():
                self._flushing.cancel()
            self._flushing = None
        if self._lines:
            text = "\n".join([*self._lines, ""])
            self._lines.clear()
            # Cut off piece by piece as it is sent, which must not copy the rest each time.
            self._unsent.append((memoryview(text.encode("utf-8", "surrogatepass")), None))
            self._write()

    def close(self, closed: Callable[[], None]) -> None:
        """Close this end once all that was sent has gone out.

        Args:
            closed: called then.
        """
        if self._socket is None:
            closed()
            return
        self._closed = closed
        self.flush()
        self._write()

    def _write(self) -> None:
        if self._socket is None:
            self._drop()
            return
        try:
            while self._unsent:
                data, carried = self._unsent[0]
                if carried is None:
                    sent = self._socket.send(data)
                else:
                    sent = socket.send_fds(self._socket, [data], [carried.fileno()])
                    carried.close()
                self._unsent.popleft()
                if sent < len(data):
                    self._unsent.appendleft((data[sent:], None))
        except OSError as error:
            if error.errno in _LATER:
                self._reactor.addWriter(self)
            else:  # a part of what was said is lost: the other end has to end, and reading tells
                self._drop()
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)
        else:
            self._reactor.removeWriter(self)
            if self._closed is not None:
                self._close()

    def _drop(self) -> None:
        for _, carried in self._unsent:
            if carried is not None:
                carried.close()
        self._unsent.clear()

    # IReadWriteDescriptor.

    def fileno(self) -> int:
        """Return the socket's number, -1 when it is closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        """Return what the log calls it."""
        return "workers"

    def doWrite(self) -> None:
        """Send what could not be sent before."""
        self._write()

    def doRead(self) -> Failure | None:
        """Take what has come."""
        assert self._socket is not None
        try:
            # Python's recv_fds does not pass flags on.
            data, carried, flags, _ = self._socket.recvmsg(_READ, _ROOM, _CLOSE_ON_EXEC)
        except BlockingIOError:
            return None
        except OSError:
            data, carried, flags = b"", [], 0
        if carried:
            [(_, _, number)] = carried
            self._descriptors.append(int.from_bytes(number, sys.byteorder))
        elif flags & socket.MSG_CTRUNC:
            _log.error("A connection is lost: the system allows too few descriptors (ulimit -n)")
            self._descriptors.append(None)
        if not data:
            return Failure(CONNECTION_DONE)
        *ends, rest = data.split(b"\n")
        for end in ends:
            line = bytes(self._input + end)
            self._input.clear()
            self._take(json.loads(line))
        self._input += rest
        return None

    def _take(self, message: Message) -> None:
        carried = self._descriptors.popleft() if message[0] == CARRIES else None
        try:
            self._received(message, carried)
        except Exception:  # which must not end the link
            _log.failure("A message could not be handled")

    def connectionLost(self, reason: Failure) -> None:
        """Tell that the other end is closed."""
        if self._socket is not None:
            self._close()
            self._lost()

    def _close(self) -> None:
        if self._socket is None:
            return
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._socket.close()
        self._socket = None
        self._drop()
        if self._closed is not None:
            self._closed()
