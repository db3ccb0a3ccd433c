"""A session of a client with manners, at either door: libssh2, and a plain socket."""

from __future__ import annotations

import os
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import cycle

from attacking.attacker import PATIENCE, Target
from benchmarks.client import IN_FLIGHT, PACKET
from ssh2.session import LIBSSH2_METHOD_CRYPT_CS, LIBSSH2_METHOD_CRYPT_SC
from ssh2.session import Session as LibSSH2

from sshecho.ssh.algorithms import MODERN

_CIPHERS = cycle([name.decode() for name in MODERN.ciphers])
_NO_LINGER = struct.pack("ii", 1, 0)


class EchoError(Exception):
    """What came back is not what was sent."""


class Session(ABC):
    """A login with an echo, on a connection of its own.

    Attributes:
        socket: the connection.

    Raises:
        OSError, SSH2Error: there is no such session to be had; so too from its methods.
    """

    socket: socket.socket

    def fileno(self) -> int:
        """Return the connection's descriptor, to wait for."""
        return self.socket.fileno()

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send data."""

    @abstractmethod
    def read(self, limit: int) -> bytes:
        """Wait for data; return at most so many bytes, and none at the end."""

    @abstractmethod
    def take(self, limit: int) -> bytes:
        """Return what has come on a connection that can be read, which may be nothing yet.

        Raises:
            ConnectionError: at the end.
        """

    @abstractmethod
    def finish(self) -> None:
        """Say that this was all, and see that the server has nothing more to say either.

        Raises:
            EchoError: when it has, or ends in another way than well.
        """

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        self.socket.close()

    def echo(self, data: bytes) -> None:
        """Send data in pieces, and compare what comes back, while at most IN_FLIGHT is under way.

        Raises:
            EchoError: at the first piece that differs.
        """
        sent = back = 0
        while back < len(data):
            if sent < len(data) and sent - back < IN_FLIGHT:
                piece = data[sent : sent + len(PACKET)]
                self.write(piece)
                sent += len(piece)
            else:
                piece = self.read(sent - back)
                if not piece:
                    raise ConnectionError("the session was cut")
                if piece != data[back : back + len(piece)]:
                    raise EchoError(f"what came back behind byte {back} is not what was sent")
                back += len(piece)

    def expectEnd(self) -> None:
        """Wait for the end.

        Raises:
            EchoError: when more comes before it.
        """
        if more := self.read(len(PACKET)):
            raise EchoError(f"{len(more)} bytes came that were not sent")


class SSHSession(Session):
    """A shell without a terminal at the SSH door, with the next of the server's ciphers."""

    def __init__(self, target: Target) -> None:
        self.socket, self._session = handshake(target)
        try:
            self._session.userauth_password(target.user.decode(), target.password.decode())
            self._channel = self._session.open_session()
            self._channel.shell()
        except BaseException:
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Send data."""
        self._channel.write(data)

    def read(self, limit: int) -> bytes:
        """Wait for data; return at most so many bytes, and none at the end."""
        data: bytes = self._channel.read(min(limit, len(PACKET)))[1]
        return data

    def take(self, limit: int) -> bytes:
        """Return what has come: a packet need not be complete, or the session's."""
        self._session.set_blocking(False)
        data: bytes = self._channel.read(limit)[1]
        self._session.set_blocking(True)
        if not data and self._channel.eof():
            raise ConnectionError("the session was cut")
        return data

    def finish(self) -> None:
        """Send an EOF, and see that one comes back, with exit status 0."""
        self._channel.send_eof()
        self.expectEnd()
        self._channel.close()
        self._channel.wait_closed()
        if status := self._channel.get_exit_status():
            raise EchoError(f"the session ended with status {status}")
        self._session.disconnect()

    def close(self) -> None:
        """Close the connection, whatever state it is in.

        Not before libssh2 has let go of it: it would say goodbye to whoever gets the descriptor's
        number next.
        """
        self._channel = self._session = None
        super().close()


class LineSession(Session):
    """A session at the line door."""

    def __init__(self, target: Target) -> None:
        self.socket = target.lineSession()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        """Send data."""
        self.socket.sendall(data)

    def read(self, limit: int) -> bytes:
        """Wait for data; return at most so many bytes, and none at the end."""
        return self.socket.recv(min(limit, len(PACKET)))

    def take(self, limit: int) -> bytes:
        """Return what has come."""
        data = self.socket.recv(limit)
        if not data:
            raise ConnectionError("the session was cut")
        return data

    def finish(self) -> None:
        """Close our side, and see that the server closes its own."""
        self.socket.shutdown(socket.SHUT_WR)
        self.expectEnd()


DOORS: Mapping[str, Callable[[Target], Session]] = {"SSH": SSHSession, "line": LineSession}


def handshake(target: Target) -> tuple[socket.socket, LibSSH2]:
    """Return a connection to the SSH door with keys agreed on."""
    connection, session = target.connect(target.sshPort), newSession()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    session.handshake(connection)
    return connection, session


def newSession() -> LibSSH2:
    """Return libssh2's side of a connection that is yet to begin."""
    session = LibSSH2()
    session.set_timeout(PATIENCE * 1000)
    cipher = next(_CIPHERS)
    session.method_pref(LIBSSH2_METHOD_CRYPT_CS, cipher)
    session.method_pref(LIBSSH2_METHOD_CRYPT_SC, cipher)
    return session


def reset(connection: socket.socket) -> None:
    """Break a connection off, without a goodbye.

    Its descriptor stays taken for as long as libssh2's session holds the socket.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), connection.fileno(), inheritable=False)
