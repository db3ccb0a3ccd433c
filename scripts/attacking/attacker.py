"""The client on a real socket, at the pace of whoever uses it."""

from __future__ import annotations

import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, cast

from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.connection import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_GLOBAL_REQUEST,
)
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import MSG_SERVICE_REQUEST
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST, MSG_USERAUTH_SUCCESS
from twisted.internet.task import Clock

from attacking.client import Client, Outbox, number

PATIENCE = 60
"""Seconds to wait for what should take none."""
LARGEST_WINDOW = (1 << 32) - 1
PACKET = 1 << 15
"""Bytes that the client takes in a packet."""
KEEPALIVE = MSG_GLOBAL_REQUEST, NS(b"keepalive@openssh.com") + b"\1"
"""A message that a server has to answer."""
LOGGED_IN = b"Login successful, please proceed.\r\n"
"""What the line door answers to a login."""


@dataclass(frozen=True)
class Target:
    """A server on this machine, and who comes to it.

    Attributes:
        host: its address.
        sshPort, linePort: its doors; None for one that it has not.
        source: the address to come from.
        user, password: who gets in.
        key: the private key that gets in, in place of a password.
    """

    host: str = "127.0.0.1"
    sshPort: int | None = None
    linePort: int | None = None
    source: str = "127.0.0.1"
    user: bytes = b"user"
    password: bytes = b"pass"
    key: Key | None = None

    def connect(self, port: int | None) -> socket.socket:
        """Return a connection to a door."""
        assert port is not None
        return socket.create_connection((self.host, port), PATIENCE, (self.source, 0))

    def lineSession(self) -> socket.socket:
        """Return a session at the line door."""
        connection = self.connect(self.linePort)
        connection.sendall(self.user + b" " + self.password + b"\n")
        if receive(connection, len(LOGGED_IN)) != LOGGED_IN:
            raise ConnectionError("not let in")
        return connection


def receive(connection: socket.socket, count: int) -> bytes:
    """Return so many bytes, or fewer at the end."""
    data = bytearray()
    while len(data) < count and (more := connection.recv(min(1 << 20, count - len(data)))):
        data += more
    return bytes(data)


class Attacker:
    """An SSH connection that does what its user says; keys are agreed on.

    Args:
        target: whom it goes for.

    Attributes:
        socket: the connection.
        client: what makes packets and takes them.
        greeting: what was sent until there were keys; any other connection may begin with it.
        channel: the server's number of the session's channel.
        window: bytes that the session takes at first.

    Raises:
        OSError: when the server closes, here and in each method.
    """

    channel: int
    window: int

    def __init__(self, target: Target) -> None:
        self._target = target
        self.socket = target.connect(target.sshPort)
        self._clock = Clock()
        self._wire = Outbox()
        self.client = Client(self._clock)
        self.client.makeConnection(cast(Any, self._wire))
        self.greeting = b""
        while not self.client.secure:
            self.greeting += bytes(self._wire.written)
            self.flush().read()

    @property
    def packets(self) -> list[tuple[int, bytes]]:
        """What has come, but for key exchanges: number and payload."""
        return self.client.packets

    def flush(self) -> Attacker:
        """Send what was written."""
        if self._wire.written:  # to send nothing would wait for room too
            self.socket.sendall(self._wire.take())
        return self

    def sealed(self, messageType: int, *parts: bytes) -> bytes:
        """Return a packet's bytes, which have to be sent next."""
        self.client.sendPacket(messageType, b"".join(parts))
        return self._wire.take()

    def send(self, messageType: int, *parts: bytes) -> Attacker:
        """Send a packet."""
        self.socket.sendall(self.sealed(messageType, *parts))
        return self

    def read(self) -> None:
        """Take what comes next.

        Raises:
            ConnectionError: at the end.
        """
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("closed")
        self.client.dataReceived(data)
        self._clock.advance(0)

    def until(self, *numbers: int) -> bytes:
        """Read until a message has come, drop what was before it, and return its payload.

        Args:
            numbers: what to wait for.
        """
        while True:
            while self.packets:
                messageType, payload = self.packets.pop(0)
                if messageType in numbers:
                    return payload
            self.flush().read()

    def userauth(self) -> Attacker:
        """Ask for the service that lets in."""
        return self.send(MSG_SERVICE_REQUEST, NS(b"ssh-userauth"))

    def request(self, method: bytes, *parts: bytes) -> bytes:
        """Return the packet of a login request, which has to be sent next."""
        head = NS(self._target.user) + NS(b"ssh-connection") + NS(method)
        return self.sealed(MSG_USERAUTH_REQUEST, head, *parts)

    def guess(self, password: bytes) -> bytes:
        """Return the packet of a login by password, which has to be sent next."""
        return self.request(b"password", b"\0", NS(password))

    def login(self) -> Attacker:
        """Log in, by what the target takes."""
        self.userauth()
        if self._target.key is None:
            self.socket.sendall(self.guess(self._target.password))
        else:
            self.socket.sendall(self._signed(self._target.key))
        self.until(MSG_USERAUTH_SUCCESS)
        return self

    def _signed(self, key: Key) -> bytes:
        algorithm = key.supportedSignatureAlgorithms()[0]
        shown = b"\1" + NS(algorithm) + NS(key.public().blob())
        head = NS(self._target.user) + NS(b"ssh-connection") + NS(b"publickey")
        assert self.client.sessionID is not None
        message = NS(self.client.sessionID) + bytes([MSG_USERAUTH_REQUEST]) + head + shown
        return self.request(b"publickey", shown, NS(key.sign(message, algorithm)))

    def shell(self, window: int = LARGEST_WINDOW) -> Attacker:
        """Open a session with a shell.

        Args:
            window: bytes that may be sent to us.
        """
        return self.session(window).ask(b"shell")

    def terminal(self) -> Attacker:
        """Open a session with a shell at a terminal."""
        size = map(number, (80, 24, 0, 0))
        return self.session().ask(b"pty-req", NS(b"xterm"), *size, NS(b"\0")).ask(b"shell")

    def session(self, window: int = LARGEST_WINDOW) -> Attacker:
        """Open a session that nothing runs in yet."""
        self.open(7, window)
        confirmation = self.until(MSG_CHANNEL_OPEN_CONFIRMATION)
        self.channel, self.window = struct.unpack(">2L", confirmation[4:12])
        return self

    def open(self, mine: int, window: int = LARGEST_WINDOW) -> Attacker:
        """Ask for a channel.

        Args:
            mine: our number of it.
            window: bytes that may be sent to us.
        """
        numbers = (number(mine), number(window), number(PACKET))
        return self.send(MSG_CHANNEL_OPEN, NS(b"session"), *numbers)

    def ask(self, name: bytes, *parts: bytes) -> Attacker:
        """Ask the session for something, without an answer."""
        return self.send(MSG_CHANNEL_REQUEST, number(self.channel), NS(name), b"\0", *parts)

    def data(self, data: bytes) -> bytes:
        """Return the packet that sends data to the session, which has to be sent next."""
        return self.sealed(MSG_CHANNEL_DATA, number(self.channel), NS(data))

    def grant(self, count: int) -> Attacker:
        """Let the session send more."""
        return self.send(MSG_CHANNEL_WINDOW_ADJUST, number(self.channel), number(count))

    def readData(self, count: int) -> bytes:
        """Return so many bytes of the session's, granting nothing."""
        data = bytearray()
        while len(data) < count:
            data += getNS(self.until(MSG_CHANNEL_DATA)[4:])[0]
        return bytes(data)

    def storm(self, packets: bytes) -> None:
        """Send sealed packets at the server's pace, and drop what comes meanwhile."""
        at = 0
        while at < len(packets):
            readable, writable, _ = select.select([self.socket], [self.socket], [], PATIENCE)
            if readable and not self.socket.recv(1 << 18):
                raise ConnectionError("closed")
            if writable:
                at += self.socket.send(packets[at : at + (1 << 16)])


def offer(connection: socket.socket, data: bytes, total: int, patience: float = 1.0) -> int:
    """Send data again and again, without reading; return how many bytes were taken.

    Args:
        connection: where.
        data: what is sent.
        total: bytes after which it is enough.
        patience: seconds after which nothing more is taken.
    """
    connection.settimeout(patience)
    sent, at = 0, 0
    try:
        while sent < total:
            count = connection.send(data[at:])
            sent += count
            at = (at + count) % len(data)
    except OSError:
        pass
    connection.settimeout(PATIENCE)
    return sent


def closedWithin(connection: socket.socket, seconds: float) -> bool:
    """Return whether the other side closes in that time; what it says is dropped."""
    end = time.monotonic() + seconds
    try:
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(1 << 16):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False
