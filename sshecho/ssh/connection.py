"""The ssh-connection service: channels over one connection (RFC 4254)."""

from __future__ import annotations

from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.connection import (
    MSG_CHANNEL_OPEN_FAILURE,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    SSHConnection,
)

from sshecho.ssh.session import SessionChannel
from sshecho.ssh.transport import Transport


class Connection(SSHConnection):
    """Conch's service, with replies in order and windows that wait for the reader."""

    transport: Transport

    def ssh_CHANNEL_OPEN(self, packet: bytes) -> None:
        """Open a channel of a kind that the avatar has; refuse any other, and go on.

        Payload (RFC 4254, section 5.1): kind, sender's number, window, largest packet.
        """
        kind, rest = getNS(packet)
        if kind in self.transport.avatar.channelLookup:
            super().ssh_CHANNEL_OPEN(packet)
            return
        why = b"only sessions are served here, nothing is forwarded"
        self.transport.sendPacket(
            MSG_CHANNEL_OPEN_FAILURE,
            rest[:4] + OPEN_ADMINISTRATIVELY_PROHIBITED.to_bytes(4) + NS(why) + NS(b""),
        )

    def ssh_CHANNEL_REQUEST(self, packet: bytes) -> None:
        """Answer a channel's request, and only then begin what it asked for.

        Conch runs a program before it says that it will, so the program's output, and even its
        end, would come before the answer.
        """
        super().ssh_CHANNEL_REQUEST(packet)
        channel = self.channels.get(int.from_bytes(packet[:4]))
        if isinstance(channel, SessionChannel):
            channel.begin()

    def adjustWindow(self, channel: SessionChannel, bytesToAdd: int) -> None:
        """Let the client send more, unless the channel waits for its own output to be read."""
        if not channel.paused:
            super().adjustWindow(channel, bytesToAdd)
