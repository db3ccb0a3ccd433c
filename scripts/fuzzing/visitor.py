"""An SSH client in memory, which can send anything and keeps all that it gets."""

from __future__ import annotations

import struct
from typing import Any, cast

from attacking.client import Client, Outbox
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import MSG_CHANNEL_OPEN
from twisted.conch.ssh.transport import (
    MSG_DISCONNECT,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    MSG_SERVICE_REQUEST,
)
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST, MSG_USERAUTH_SUCCESS
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from fuzzing.house import House
from fuzzing.wire import Wire
from sshecho.ssh.packets.negotiation import STRICT_CLIENT, Names, Offer
from sshecho.ssh.packets.stream import Outgoing
from sshecho.ssh.transport import Transport

PEER = IPv4Address("TCP", "192.0.2.2", 5555)
OTHER = IPv4Address("TCP", "192.0.2.3", 5555)


class Peer(Client):
    """The client's side of the packet layer, which sees to it that the server keeps to its own.

    Attributes:
        offers: what it offers in its next key exchanges; None for everything.
        exchanging: whether it does its part in them.
        blind: whether the server has keys that it has not, because it did not.
    """

    offers: Offer | None = None
    exchanging = True
    blind = False

    def _ourOffer(self) -> Offer:
        return self.offers or super()._ourOffer()

    def _readMarkers(self, names: Names) -> None:
        super()._readMarkers(names)
        self.strictKeyExchange &= STRICT_CLIENT in self._offer.keyExchanges

    def beginAnew(self) -> None:
        """Take back what was said first."""
        self.outgoing = Outgoing()
        self.exchanging = False

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Keep it; do our part in key exchanges."""
        if messageNum == MSG_KEXINIT:
            self._offered = payload
        if self.exchanging or messageNum < MSG_KEXINIT:
            super().dispatchMessage(messageNum, payload)
        else:
            self.packets.append((messageNum, payload))
            self.blind = self.blind or messageNum == MSG_NEWKEYS

    def goOn(self) -> None:
        """Do our part in the key exchange that the server began last."""
        self.dispatchMessage(MSG_KEXINIT, self._offered)

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        """Read on: nothing is to come behind it."""

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        """Say that the server broke the protocol."""
        raise AssertionError(f"the server broke the protocol: {desc.decode()}")


class Visitor:
    """One SSH connection, from its client's side.

    Args:
        house: whom it visits.
        address: where it comes from.
        begin: whether it says its version and exchanges keys; otherwise `exchange` may do so.

    Attributes:
        server: the door's side.
        wire: what is between the two.
        peer: what makes packets and takes them.
        code: the reason in the server's DISCONNECT, once it has sent one that we could read.
    """

    code: int | None = None

    def __init__(self, house: House, address: IPv4Address = PEER, *, begin: bool = True) -> None:
        self.house = house
        server = house.ssh.buildProtocol(address)
        assert isinstance(server, Transport)
        self.server = server
        self.wire = Wire(server, house.clock, address)
        self._clock = Clock()  # it goes by turns only: whatever would take time never happens
        self.peer = Peer(self._clock)
        self._link = Outbox()
        self.peer.makeConnection(cast(Any, self._link))
        self._seen = 0
        if begin:
            self.settle()
            assert self.peer.secure
        else:
            self._link.take()
            self.peer.beginAnew()
            self.settle()

    # Sending.

    def packet(self, number: int, *parts: bytes) -> bytes:
        """Return the bytes of a packet, which have to be sent next."""
        return b"".join(self.peer.outgoing.packet(number, b"".join(parts)))

    def misshapen(self, padding: int, body: bytes, length: int | None = None) -> bytes:
        """Return the bytes of a packet of any shape, sealed as the others are.

        Args:
            padding: what it says of the length of its padding.
            body: its payload and padding.
            length: what it says of its own length; the right one if it's None.
        """
        outgoing = self.peer.outgoing
        whole = bytes([padding]) + body
        field = (len(whole) if length is None else length).to_bytes(4, "big")
        sealed = outgoing._protection.seal(outgoing.sequence, field, whole)
        outgoing.sequence += 1
        return b"".join(sealed)

    def send(self, number: int, *parts: bytes) -> Visitor:
        """Send a message, and let everything happen that it brings about."""
        return self.deliver(self.packet(number, *parts))

    def deliver(self, data: bytes) -> Visitor:
        """Send bytes, and let everything happen that they bring about."""
        self.wire.deliver(data)
        return self.settle()

    def exchange(self, offers: Offer | None = None) -> Visitor:
        """Say our version, and exchange keys for the first time.

        Args:
            offers: what to offer; None for everything.
        """
        self.peer.offers = offers
        self._link.write(self.peer.ourVersionString + b"\r\n")
        self.peer.sendKexInit()
        self.settle()
        if self.code is None:
            self.peer.exchanging = True
            self.peer.goOn()
        return self.settle()

    def rekey(self, offers: Offer | None = None) -> Visitor:
        """Change the keys."""
        self.peer.offers = offers
        self.peer.rekey()
        return self.settle()

    # What comes of it.

    def settle(self) -> Visitor:
        """Let everything happen that happens at once."""
        while True:
            self.wire.deliver(self._link.take())
            self.wire.settle()
            data = self.wire.take()
            if data and not self.peer.blind:
                self.peer.dataReceived(data)
                self._clock.advance(0)
            if not self._link.written:
                break
        self._readGoodbye()
        return self

    def _readGoodbye(self) -> None:
        """Note why the server leaves; nothing may come behind that."""
        for number, payload in self.peer.packets[self._seen :]:
            assert self.code is None, f"message {number} behind the goodbye"
            if number == MSG_DISCONNECT:
                self.code = struct.unpack(">L", payload[:4])[0]
        self._seen = len(self.peer.packets)

    def take(self) -> list[tuple[int, bytes]]:
        """Return the messages that have come since the last time."""
        packets, self.peer.packets, self._seen = self.peer.packets, [], 0
        return packets

    # What a good client does.

    def requestUserAuth(self) -> Visitor:
        """Ask for the login."""
        return self.send(MSG_SERVICE_REQUEST, NS(b"ssh-userauth"))

    def login(self) -> Visitor:
        """Log in."""
        self.requestUserAuth()
        password = NS(b"password") + b"\0" + NS(b"pass")
        self.send(MSG_USERAUTH_REQUEST, NS(b"user"), NS(b"ssh-connection"), password)
        assert self.take()[-1][0] == MSG_USERAUTH_SUCCESS
        return self

    def open(self, mine: int, window: int, maxPacket: int, kind: bytes = b"session") -> Visitor:
        """Ask for a channel."""
        return self.send(MSG_CHANNEL_OPEN, NS(kind), struct.pack(">3L", mine, window, maxPacket))

    def leave(self) -> None:
        """Break the connection; nothing may be left of it.

        Raises:
            AssertionError: when something is.
        """
        self.wire.lose()
        self.wire.settle()
        assert self.server.service is None
        self.house.checkEmpty()
