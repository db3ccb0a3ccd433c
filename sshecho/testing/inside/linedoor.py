"""The line door, with a memory of what it sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sshecho.linesession import LineSession
from sshecho.session import Session
from sshecho.testing.faulty.line import FaultyLine

if TYPE_CHECKING:
    from sshecho.testing.inside.house import House


class SeenLineSession(LineSession):
    """A session at the line door.

    Attributes:
        line: the connection.
        input: the first bytes that came.
        eof: whether the client has closed its side.
    """

    input = b""
    eof = False

    def __init__(self, session: Session, line: SeenLine) -> None:
        super().__init__(session, line)
        self.line = line
        line.house.recorder.opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Keep the first of it, and pass it on."""
        self.input = self.line.house.settings.kept(self.input, data)
        super().dataReceived(data)


class SeenLine(FaultyLine):
    """A connection to the line door."""

    session = SeenLineSession

    def __init__(self, house: House, *arguments: Any) -> None:  # noqa: ANN401 - as LineLogin's
        super().__init__(house.inForce, *arguments)
        self.house = house

    def connectionMade(self) -> None:
        """Begin."""
        self.house.recorder.connected(self)
        super().connectionMade()

    def readConnectionLost(self) -> None:
        """Keep that no more comes."""
        if isinstance(self._session, SeenLineSession):
            self._session.eof = True
        super().readConnectionLost()
