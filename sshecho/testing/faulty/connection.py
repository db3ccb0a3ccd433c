"""The connection service, for servers that misbehave."""

from __future__ import annotations

from sshecho.ssh.channel import Channel
from sshecho.ssh.connection import Connection
from sshecho.ssh.session import SessionChannel
from sshecho.testing.faulty.session import FaultySession
from sshecho.testing.faulty.transport import FaultyTransport


class FaultyConnection(Connection):
    """Keeps windows and data from the client when a fault says so."""

    transport: FaultyTransport
    session: type[SessionChannel] = FaultySession

    def serviceStarted(self) -> None:
        """Begin; sessions are of our own kind."""
        super().serviceStarted()
        self.transport.avatar.channelLookup[b"session"] = self.session

    def sendData(self, channel: Channel, data: bytes) -> None:
        """Send a session's data, as far as faults let it."""
        allowed, ends = self._allowed(len(data))
        super().sendData(channel, data[:allowed])
        self._dropIf(ends)

    def sendExtendedData(self, channel: Channel, dataType: int, data: bytes) -> None:
        """Send a session's errors, as far as faults let them."""
        allowed, ends = self._allowed(len(data))
        super().sendExtendedData(channel, dataType, data[:allowed])
        self._dropIf(ends)

    def _allowed(self, size: int) -> tuple[int, str]:
        """Return how many of so many bytes may go out, and the fault that cuts behind them."""
        for fault in self.transport.faults:
            allowed = fault.carries(self.transport, size)
            if allowed is not None:
                return allowed, str(fault)
        return size, ""

    def _dropIf(self, fault: str) -> None:
        if fault:
            self.transport.drop(fault)

    def adjustWindow(self, channel: Channel, bytesToAdd: int) -> None:
        """Let the client send more, unless a fault keeps its window as it is."""
        if not any(fault.stalls for fault in self.transport.faults):
            super().adjustWindow(channel, bytesToAdd)
