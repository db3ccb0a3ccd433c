"""The echo: what a login gets. It knows neither SSH nor Cred."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from sshecho.session import ISessionTransport


@implementer(IHalfCloseableProtocol)
class Echo(Protocol):
    """Byte for byte: what comes in goes out, at once, in order, none lost, none added.

    A session that was opened with a command gets the command and a newline instead.
    """

    def connectionMade(self) -> None:
        """Say the command, or begin to echo."""
        self.link = cast(ISessionTransport, self.transport)
        if self.link.session.command is not None:
            self.link.write(self.link.session.command + b"\n")
            self.link.loseConnection()
            return
        # Who does not read is not read from: the side that writes paces the side that reads.
        self.link.registerProducer(self.link, True)

    def dataReceived(self, data: bytes) -> None:
        """Send it back."""
        self.link.write(data)

    def readConnectionLost(self) -> None:
        """Nothing more will come: close once all that is owed has gone out."""
        self.link.unregisterProducer()
        self.link.loseConnection()

    def writeConnectionLost(self) -> None:
        """Nobody listens any more; the transport says the rest through connectionLost."""
