"""The client: libssh2, the same for each server and no kin of any."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ssh2.error_codes import LIBSSH2_ERROR_EAGAIN
from ssh2.exceptions import SSH2Error
from ssh2.session import (
    LIBSSH2_METHOD_CRYPT_CS,
    LIBSSH2_METHOD_CRYPT_SC,
    LIBSSH2_METHOD_HOSTKEY,
    LIBSSH2_METHOD_KEX,
    LIBSSH2_METHOD_MAC_CS,
    LIBSSH2_METHOD_MAC_SC,
    Session,
)

from benchmarks.site import HOST, Site

CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr"
MACS = "hmac-sha2-256-etm@openssh.com,hmac-sha2-256"
METHODS = {
    LIBSSH2_METHOD_KEX: "curve25519-sha256,kex-strict-c-v00@openssh.com",
    LIBSSH2_METHOD_HOSTKEY: "ssh-ed25519",
    LIBSSH2_METHOD_CRYPT_CS: CIPHERS,
    LIBSSH2_METHOD_CRYPT_SC: CIPHERS,
    LIBSSH2_METHOD_MAC_CS: MACS,
    LIBSSH2_METHOD_MAC_SC: MACS,
}
"""What is asked for, in this order: each server has the first that it can do."""
LINE = b"x" * 31 + b"\n"
PACKET = b"x" * 32_700
"""As much as libssh2 puts into one packet of 32 KiB."""
IN_FLIGHT = 8 * len(PACKET)
PATIENCE = 60
"""Seconds to wait for what should take none."""


class EchoSession:
    """A login with a shell and no terminal, on a connection of its own.

    Raises:
        OSError, SSH2Error: there is no such session to be had; so too from its methods.
    """

    def __init__(self, site: Site) -> None:
        self.socket = socket.create_connection((HOST, site.port), PATIENCE)
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.session = Session()
            self.session.set_timeout(PATIENCE * 1000)
            for method, names in METHODS.items():
                self.session.method_pref(method, names)
            self.session.handshake(self.socket)
            self.session.userauth_publickey_fromfile(site.user, str(site.userKey))
            self.channel = self.session.open_session()
            self.channel.shell()
        except BaseException:
            self.socket.close()
            raise

    def agreed(self) -> str:
        """Return the cipher and the MAC that the server's data comes with."""
        cipher = self.session.methods(LIBSSH2_METHOD_CRYPT_SC)
        mac = self.session.methods(LIBSSH2_METHOD_MAC_SC)
        return cipher if "gcm" in cipher else f"{cipher} and {mac}"

    def echo(self, line: bytes = LINE) -> None:
        """Send a line and wait for its echo."""
        self.channel.write(line)
        self.receive(len(line))

    def echoMany(self, size: int) -> None:
        """Send bytes in full packets, and read their echo while at most IN_FLIGHT are under way."""
        sent = received = 0
        while received < size:
            if sent < size and sent - received < IN_FLIGHT:
                packet = PACKET[: size - sent]
                self.channel.write(packet)
                sent += len(packet)
            else:
                received += self.read(sent - received)

    def receive(self, size: int) -> None:
        """Read so many bytes."""
        while size:
            size -= self.read(size)

    def read(self, limit: int) -> int:
        """Read at least a byte; return how many."""
        size, _ = self.channel.read(min(limit, len(PACKET)))
        if not size:
            raise ConnectionError("the session ended")
        return int(size)

    def send(self, line: bytes = LINE) -> None:
        """Send a line, and don't wait."""
        self.session.set_blocking(False)
        if self.channel.write(line)[1] < len(line):
            raise ConnectionError("a line did not go into the socket's buffer")

    def poll(self, limit: int) -> int:
        """Return how many bytes of echo there are by now, up to a limit."""
        size, _ = self.channel.read(limit)
        if not size and self.channel.eof():
            raise ConnectionError("the session ended")
        return 0 if size == LIBSSH2_ERROR_EAGAIN else int(size)

    def close(self) -> None:
        """Close the channel and the connection, whatever state they are in."""
        self.session.set_blocking(True)
        try:
            self.channel.close()
            self.session.disconnect()
        except (SSH2Error, OSError):
            pass  # the server was first
        finally:
            self.socket.close()


@contextmanager
def sessions(site: Site, count: int) -> Iterator[list[EchoSession]]:
    """Log in so many times, one behind the other, each with a line echoed; close them all."""
    opened: list[EchoSession] = []
    try:
        for _ in range(count):
            opened.append(EchoSession(site))
            opened[-1].echo()
        yield opened
    finally:
        for session in opened:
            session.close()
