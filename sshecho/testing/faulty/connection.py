"""The connection service, for servers that misbehave."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sshecho.ssh.channel import Channel
from sshecho.ssh.connection import Connection
from sshecho.ssh.session import SessionChannel
from sshecho.testing.faulty.inforce import cut
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
        self._sendCut(channel, data, partial(super().sendData, channel))

    def sendExtendedData(self, channel: Channel, dataType: int, data: bytes) -> None:
        """Send a session's errors, as far as faults let them."""
        self._sendCut(channel, data, partial(super().sendExtendedData, channel, dataType))

    def _sendCut(self, channel: Channel, data: bytes, send: Callable[[bytes], None]) -> None:
        if channel.localClosed or self.transport.isDropped:
            return
        allowed, fault = cut(self.transport.faults, self.transport, len(data))
        if allowed:
            send(data[:allowed])
        if fault is not None:
            self.transport.tellFault(fault)
            self.transport.drop(str(fault))

    def adjustWindow(self, channel: Channel, bytesToAdd: int) -> None:
        """Let the client send more, unless a fault keeps its window as it is."""
        if not any(fault.stalls for fault in self.transport.faults):
            super().adjustWindow(channel, bytesToAdd)

    def grantOwed(self) -> None:
        """Let the client send what it has been kept from, as far as sessions want it."""
        for channel in list(self.channels.values()):
            if not channel.paused:
                channel.resumeProducing()
