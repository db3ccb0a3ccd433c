"""An SSH client without manners: it sends what it is told to, when it is told to."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from twisted.conch.ssh.transport import MSG_KEXINIT, MSG_SERVICE_ACCEPT
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sshecho.ssh.algorithms import HOST_SIGNATURES
from sshecho.ssh.packets.client import ClientTransport

_FIRST_OF_A_SERVICE = 50


class Outbox:
    """A client's transport, which keeps what is written until that is to go."""

    disconnecting = False

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data

    def take(self) -> bytes:
        """Return what was written since the last time."""
        data = bytes(self.written)
        self.written.clear()
        return data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - pausing and the like do nothing
        return lambda *_: None


class Client(ClientTransport):
    """Keeps what it gets, and believes every host.

    Args:
        clock: what its time-outs are counted with.

    Attributes:
        packets: what has come, but for key exchanges: number and payload.
        secure: whether there are keys.
        exchanges: how many key exchanges there were.
        hostKey: the server's, as a blob.
        answers: whether it goes on with key exchanges that the server begins.
        unanswered: the server's KEXINIT, if it does not.
    """

    supportedPublicKeys = HOST_SIGNATURES
    answers = True
    unanswered = b""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def callLater(self, period: float, func: Callable[[], object]) -> IDelayedCall:
        """Count time with our clock: TimeoutMixin asks for this."""
        return self._clock.callLater(period, func)

    def connectionMade(self) -> None:
        """Begin."""
        self.packets: list[tuple[int, bytes]] = []
        self.secure = False
        self.exchanges = 0
        super().connectionMade()

    def keysAgreed(self, secret: bytes, exchangeHash: bytes) -> None:
        """Count it."""
        self.exchanges += 1
        super().keysAgreed(secret, exchangeHash)

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[bool]:
        """Believe it."""
        self.hostKey = hostKey
        return succeed(True)

    def connectionSecure(self) -> None:
        """Note that there are keys."""
        self.secure = True

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Log nothing: the packet is kept."""

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Keep it; do nothing else but exchange keys."""
        if not MSG_KEXINIT <= messageNum < _FIRST_OF_A_SERVICE:
            self.packets.append((messageNum, payload))
        if messageNum == MSG_KEXINIT and not self.answers:
            self.unanswered = payload
            return
        if messageNum < _FIRST_OF_A_SERVICE and messageNum != MSG_SERVICE_ACCEPT:
            super().dispatchMessage(messageNum, payload)


def number(value: int) -> bytes:
    """Return a uint32 as it is sent (RFC 4251, section 5)."""
    return struct.pack(">L", value)
