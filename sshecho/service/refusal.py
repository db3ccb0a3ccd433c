"""The refusal: what a client gets that is not let in."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import INegotiated, ITCPTransport
from twisted.internet.protocol import Protocol


class Refusal(Protocol):
    """Sends a client away.

    Args:
        why: what to say, without its end.
    """

    def __init__(self, why: str) -> None:
        self._line = f"{why[0].upper()}{why[1:]}, goodbye.\r\n".encode()

    def connectionMade(self) -> None:
        """Say why, and close."""
        transport = cast(ITCPTransport, self.transport)
        if INegotiated.providedBy(transport):  # TLS would wait for the client to begin
            transport.abortConnection()
        else:
            transport.write(self._line)
            transport.loseConnection()
