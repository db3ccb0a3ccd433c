"""The ssh-connection service: channels over one connection (RFC 4254)."""

from __future__ import annotations

import struct

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_SUCCESS,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_RESOURCE_SHORTAGE,
    OPEN_UNKNOWN_CHANNEL_TYPE,
    SSHConnection,
)
from twisted.conch.ssh.transport import DISCONNECT_PROTOCOL_ERROR
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger, LogLevel
from zope.interface import implementer

from sshecho.service.closing import SERVER_ENDS
from sshecho.ssh.channel import Channel
from sshecho.ssh.session import SessionChannel
from sshecho.ssh.transport import Transport
from sshecho.wire import Reader

_DATA = struct.Struct(">2L")
_FORWARDING = (
    b"direct-tcpip",
    b"direct-streamlocal@openssh.com",
    b"forwarded-tcpip",
    b"forwarded-streamlocal@openssh.com",
    b"tun@openssh.com",
    b"x11",
)

_FORWARDINGS = (b"tcpip-forward", b"streamlocal-forward@openssh.com")  # as global requests
_REFUSALS = (b"x11-req", b"auth-agent-req@openssh.com", b"pty-req", b"shell", b"exec")
"""Requests of a channel of which it is told when they are refused; subsystems are told by name."""
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
    _ending = False  # whether no session is to be opened any more

    def ssh_GLOBAL_REQUEST(self, packet: bytes) -> None:
        """Answer a request that is no channel's.

        Payload (RFC 4254, section 4): name, whether to answer, then the name's.

        Raises:
            ValueError: when it is cut short.
        """
        reader = Reader(packet)
        name, _ = reader.string(), reader.number(1)
        if name in _FORWARDINGS:
            self.transport.visit.refused(name.decode())
        super().ssh_GLOBAL_REQUEST(packet)

    def ssh_REQUEST_SUCCESS(self, packet: bytes) -> None:
        """Take the answer to a probe, all that we ask.

        Raises:
            ValueError: when nothing was asked.
        """
        self.transport.probeAnswered()

    ssh_REQUEST_FAILURE = ssh_REQUEST_SUCCESS

    def ssh_CHANNEL_OPEN(self, packet: bytes) -> None:
        """Open a channel of a kind that the avatar has; refuse any other, and go on.

        Payload (RFC 4254, section 5.1): kind, sender's number, window, largest packet.

        Raises:
            ValueError: when it is cut short.
        """
        reader = Reader(packet)
        kind, sender, _, maxPacket = reader.string(), *(reader.number(4) for _ in range(3))
        if self._ending:
            self._refuse(sender, OPEN_ADMINISTRATIVELY_PROHIBITED, SERVER_ENDS.encode())
        elif kind in _FORWARDING:
            self.transport.visit.refused(kind.decode())
            why = b"only sessions are served here, nothing is forwarded"
            self._refuse(sender, OPEN_ADMINISTRATIVELY_PROHIBITED, why)
        elif kind not in self.transport.avatar.channelLookup:
            self.transport.visit.refused(f"a channel {kind.decode(errors='backslashreplace')}")
            self._refuse(sender, OPEN_UNKNOWN_CHANNEL_TYPE, b"only sessions are served here")
        elif len(self.channels) >= self.transport.limits.maxSessions:
            self.transport.visit.reached("max-sessions", "too many sessions")
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
        """End the connection: we ask for no channel, and for nothing of one that is answered."""
        self.transport.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, b"nothing was asked")

    ssh_CHANNEL_OPEN_FAILURE = ssh_CHANNEL_OPEN_CONFIRMATION
    ssh_CHANNEL_SUCCESS = ssh_CHANNEL_OPEN_CONFIRMATION
    ssh_CHANNEL_FAILURE = ssh_CHANNEL_OPEN_CONFIRMATION

    def ssh_CHANNEL_REQUEST(self, packet: bytes) -> None:
        """Answer a channel's request, and only then begin what it asked for.

        Payload (RFC 4254, section 5.4): our number, name, whether to answer, then the name's.

        Conch runs a program before it says that it will, so the program's output, and even its
        end, would come before the answer.

        Raises:
            ValueError: when what comes before the name's own is cut short.
        """
        reader = Reader(packet)
        number, name, answer = reader.number(4), reader.string(), reader.number(1)
        channel = self.channels[number]
        if channel.localClosed:
            return  # the client has not heard yet that it is closed
        try:
            granted = channel.requestReceived(name, packet[reader.at :])
        except ValueError:  # cut short, or a name that is not ASCII
            granted = False
        if not granted and name in _REFUSALS:
            self.transport.visit.refused(name.decode())
        if answer and not channel.localClosed:
            self.transport.sendPacket(
                MSG_CHANNEL_SUCCESS if granted else MSG_CHANNEL_FAILURE,
                struct.pack(">L", self.channelsToRemoteChannel[channel]),
            )
        channel.begin()

    def ssh_CHANNEL_DATA(self, packet: bytes) -> None:
        """Pass on what a session is sent, and let the client send more once half is used up.

        Payload (RFC 4254, section 5.2): our number, the data.

        Conch copies the data twice, and hands it on in a logging context that nobody reads.

        Raises:
            ValueError: when it is cut short, or longer than it says.
        """
        number, size = _DATA.unpack_from(packet)
        data = packet[8:]
        if len(data) != size:
            raise ValueError("not as long as it says")
        channel = self.channels[number]
        if self._granted(channel, size):
            channel.dataReceived(data)

    def ssh_CHANNEL_EXTENDED_DATA(self, packet: bytes) -> None:
        """Pass on what a session is sent beside its data.

        Payload (RFC 4254, section 5.2): our number, what kind of data, the data.

        Raises:
            ValueError: when it is cut short, or longer than it says.
        """
        reader = Reader(packet)
        number, kind, data = reader.number(4), reader.number(4), reader.string()
        reader.end()
        channel = self.channels[number]
        if self._granted(channel, len(data)):
            channel.extReceived(kind, data)

    def _granted(self, channel: SessionChannel, size: int) -> bool:
        """Count what came against the window; end the session of a client that had no leave."""
        if size > channel.localWindowLeft or size > channel.localMaxPacket:
            channel.abortConnection()
            return False
        channel.localWindowLeft -= size
        if channel.localWindowLeft <= channel.localWindowSize // 2:
            self.adjustWindow(channel, channel.localWindowSize - channel.localWindowLeft)
        return True

    def ssh_CHANNEL_WINDOW_ADJUST(self, packet: bytes) -> None:
        """Send a session's client more (RFC 4254, section 5.2): our number, how many bytes.

        Raises:
            ValueError: when it is of another length, or the window would be too large.
        """
        _checkLength(packet, 8)
        super().ssh_CHANNEL_WINDOW_ADJUST(packet)

    def ssh_CHANNEL_EOF(self, packet: bytes) -> None:
        """Tell a session that its client has said all (RFC 4254, section 5.3): our number.

        Raises:
            ValueError: when it is of another length.
        """
        _checkLength(packet, 4)
        super().ssh_CHANNEL_EOF(packet)

    def ssh_CHANNEL_CLOSE(self, packet: bytes) -> None:
        """End a session (RFC 4254, section 5.3): our number.

        Raises:
            ValueError: when it is of another length.
        """
        _checkLength(packet, 4)
        super().ssh_CHANNEL_CLOSE(packet)

    def sendData(self, channel: Channel, data: bytes) -> None:
        """Send a session's data, and count it."""
        if not channel.localClosed:
            self._countSent(channel, len(data))
            head = _DATA.pack(self.channelsToRemoteChannel[channel], len(data))
            self.transport.sendPacket(MSG_CHANNEL_DATA, head + data)

    def sendExtendedData(self, channel: Channel, dataType: int, data: bytes) -> None:
        """Send a session's errors, and count them."""
        if not channel.localClosed:
            self._countSent(channel, len(data))
            super().sendExtendedData(channel, dataType, data)

    def _countSent(self, channel: Channel, size: int) -> None:
        traffic = self.transport.traffic
        traffic.sent += size
        traffic.moved = self.transport.factory.clock.seconds()
        channel.sent += size

    def endSessions(self) -> None:
        """End every session once it has answered all that has come, and then the connection."""
        self._ending = True
        for channel in list(self.channels.values()):
            channel.finish()
        self._goDownIfEnded()

    def sendClose(self, channel: Channel) -> None:
        """Close a session's channel, and the connection with the last if it is to end."""
        super().sendClose(channel)
        self._goDownIfEnded()

    def _goDownIfEnded(self) -> None:
        ended = all(channel.localClosed for channel in self.channels.values())
        if self._ending and ended and not self.transport.exchangingKeys:
            self.transport.goDown()

    def pauseProducing(self) -> None:
        """Let every session wait: the client has more to take than it takes."""
        for channel in list(self.channels.values()):
            channel.stopWriting()

    def resumeProducing(self) -> None:
        """Let the sessions go on, for as long as the client takes what they say."""
        for channel in list(self.channels.values()):
            channel.goOn()
        self._goDownIfEnded()  # what was said last may have waited for new keys

    def stopProducing(self) -> None:
        """Nothing to do: serviceStopped says it."""

    def adjustWindow(self, channel: Channel, bytesToAdd: int) -> None:
        """Let the client send more, unless the channel waits for its own output to be read."""
        if not channel.paused:
            super().adjustWindow(channel, bytesToAdd)


def _checkLength(packet: bytes, length: int) -> None:
    if len(packet) != length:
        raise ValueError(f"it is not {length} bytes long")
