"""The ssh-connection service: channels over one connection (RFC 4254)."""

from __future__ import annotations

import struct

from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.connection import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_SUCCESS,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_RESOURCE_SHORTAGE,
    SSHConnection,
)
from twisted.conch.ssh.transport import DISCONNECT_PROTOCOL_ERROR
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger, LogLevel
from zope.interface import implementer

from sshecho.ssh.channel import Channel
from sshecho.ssh.session import SessionChannel
from sshecho.ssh.transport import Transport

_DATA = struct.Struct(">2L")

MAX_SESSIONS = 10
"""How many channels a connection may have open."""
MIN_PACKET = 256
"""Bytes that a client must take in one packet: smaller ones are mostly padding."""


class _Faults(Logger):
    """Logs what went wrong; Conch tells of every step of a channel, which nobody reads."""

    def emit(self, level: LogLevel, format: str | None = None, **kwargs: object) -> None:  # noqa: A002
        """Log an event, if it is bad enough."""
        if level >= LogLevel.error:
            super().emit(level, format, **kwargs)


@implementer(IPushProducer)
class Connection(SSHConnection):
    """Conch's service, with replies in order and windows that wait for the reader."""

    _log = _Faults()
    transport: Transport  # type: ignore[assignment]  # in place of Conch's
    channels: dict[int, SessionChannel]

    def ssh_CHANNEL_OPEN(self, packet: bytes) -> None:
        """Open a channel of a kind that the avatar has; refuse any other, and go on.

        Payload (RFC 4254, section 5.1): kind, sender's number, window, largest packet.
        """
        kind, rest = getNS(packet)
        sender, _, maxPacket = struct.unpack(">3L", rest[:12])
        if kind not in self.transport.avatar.channelLookup:
            why = b"only sessions are served here, nothing is forwarded"
            self._refuse(sender, OPEN_ADMINISTRATIVELY_PROHIBITED, why)
        elif len(self.channels) >= MAX_SESSIONS:
            self._refuse(sender, OPEN_RESOURCE_SHORTAGE, b"too many sessions on one connection")
        elif maxPacket < MIN_PACKET:
            self._refuse(sender, OPEN_RESOURCE_SHORTAGE, b"packets would have to be too small")
        else:
            super().ssh_CHANNEL_OPEN(packet)

    def _refuse(self, sender: int, code: int, why: bytes) -> None:
        self.transport.sendPacket(
            MSG_CHANNEL_OPEN_FAILURE, struct.pack(">2L", sender, code) + NS(why) + NS(b"")
        )

    def ssh_CHANNEL_OPEN_CONFIRMATION(self, packet: bytes) -> None:
        """End the connection: we open no channels, so there is none to confirm or to refuse."""
        self.transport.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, b"no channel was asked for")

    ssh_CHANNEL_OPEN_FAILURE = ssh_CHANNEL_OPEN_CONFIRMATION

    def ssh_CHANNEL_REQUEST(self, packet: bytes) -> None:
        """Answer a channel's request, and only then begin what it asked for.

        Payload (RFC 4254, section 5.4): our number, name, whether to answer, then the name's.

        Conch runs a program before it says that it will, so the program's output, and even its
        end, would come before the answer.
        """
        (number,) = struct.unpack(">L", packet[:4])
        name, rest = getNS(packet[4:])
        channel = self.channels[number]
        if channel.localClosed:
            return  # the client has not heard yet that it is closed
        try:
            granted = channel.requestReceived(name, rest[1:])
        except (struct.error, ValueError):  # cut short, or a name that is not ASCII
            granted = False
        if rest[:1] != b"\0" and not channel.localClosed:
            answer = MSG_CHANNEL_SUCCESS if granted else MSG_CHANNEL_FAILURE
            self.transport.sendPacket(
                answer, struct.pack(">L", self.channelsToRemoteChannel[channel])
            )
        channel.begin()

    def ssh_CHANNEL_DATA(self, packet: bytes) -> None:
        """Pass on what a session is sent, and let the client send more once half is used up.

        Payload (RFC 4254, section 5.2): our number, the data.

        Conch copies the data twice, and hands it on in a logging context that nobody reads.

        Raises:
            ValueError: when it is cut short.
        """
        number, size = _DATA.unpack_from(packet)
        data = packet[8:]
        if len(data) != size:
            raise ValueError("cut short")
        channel = self.channels[number]
        if size > channel.localWindowLeft or size > channel.localMaxPacket:
            self.sendClose(channel)  # more than it was granted
            return
        channel.localWindowLeft -= size
        if channel.localWindowLeft < channel.localWindowSize // 2:
            self.adjustWindow(channel, channel.localWindowSize - channel.localWindowLeft)
        channel.dataReceived(data)

    def sendData(self, channel: Channel, data: bytes) -> None:
        """Send a session's data, and count it."""
        if not channel.localClosed:
            self.transport.traffic.sent += len(data)
            head = _DATA.pack(self.channelsToRemoteChannel[channel], len(data))
            self.transport.sendPacket(MSG_CHANNEL_DATA, head + data)

    def sendExtendedData(self, channel: Channel, dataType: int, data: bytes) -> None:
        """Send a session's errors, and count them."""
        self.transport.traffic.sent += len(data)
        super().sendExtendedData(channel, dataType, data)

    def pauseProducing(self) -> None:
        """Let every session wait: the client has more to take than it takes."""
        for channel in list(self.channels.values()):
            channel.stopWriting()

    def resumeProducing(self) -> None:
        """Let the sessions go on, for as long as the client takes what they say."""
        for channel in list(self.channels.values()):
            channel.goOn()

    def stopProducing(self) -> None:
        """Nothing to do: serviceStopped says it."""

    def adjustWindow(self, channel: Channel, bytesToAdd: int) -> None:
        """Let the client send more, unless the channel waits for its own output to be read."""
        if not channel.paused:
            super().adjustWindow(channel, bytesToAdd)
