"""A relay to a server that hears what a client and the server agree on.

Both sides say what they have before anything is encrypted (RFC 4253, sections 4.2 and 7.1), so
this holds for every client, and asks neither side.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

HOST = "127.0.0.1"
_ENOUGH = 64 * 1024
"""Bytes of each side that are kept: a version and a KEXINIT take less."""
IMPLICIT = "implicit"
"""The MAC of a cipher that is its own (OpenSSH PROTOCOL, section 1.6)."""

_AEAD = re.compile(r"chacha20-poly1305@|aes\d+-gcm@")


@dataclass(frozen=True)
class Hello:
    """What one side has said of itself.

    Attributes:
        version: its software, from "SSH-2.0-software".
        names: the ten lists of its KEXINIT.
    """

    version: str
    names: list[list[str]]


@dataclass(frozen=True)
class Negotiated:
    """What the two sides agree on; the cipher and the MAC are those of the client's packets."""

    kex: str
    host_key: str
    cipher: str
    mac: str


def parse(said: bytes) -> Hello:
    """Return what the first bytes of one side say."""
    line, _, packets = said.partition(b"\n")
    payload = packets[5:]  # behind the packet's length and its padding's
    assert payload[:1] == b"\x14", "no KEXINIT"
    at = 17  # behind the message's number and the cookie
    names = []
    for _ in range(10):
        (size,) = struct.unpack_from(">L", payload, at)
        names.append(payload[at + 4 : at + 4 + size].decode("ascii").split(","))
        at += 4 + size
    return Hello(line.rstrip(b"\r").removeprefix(b"SSH-2.0-").decode("ascii"), names)


def agreed(client: Hello, server: Hello) -> Negotiated:
    """Return the first of each of the client's lists that the server has too."""

    def first(number: int) -> str:
        return next(name for name in client.names[number] if name in server.names[number])

    cipher = first(2)
    return Negotiated(first(0), first(1), cipher, IMPLICIT if _AEAD.match(cipher) else first(4))


class Wiretap:
    """The relay.

    Attributes:
        port: where clients are to connect.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._heard = {"client": b"", "server": b""}
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def client(self) -> Hello:
        """What the client has said."""
        return parse(self._heard["client"])

    @property
    def server(self) -> Hello:
        """What the server has said."""
        return parse(self._heard["server"])

    @property
    def negotiated(self) -> Negotiated:
        """What they agree on."""
        return agreed(self.client, self.server)

    def accept(self) -> None:
        """Relay one connection, until both sides have ended."""
        try:
            client, _ = self._listener.accept()
        except OSError:  # closed: no client has come
            return
        with client, socket.create_connection((HOST, self._server)) as server:
            back = _thread(lambda: self._copy("server", server, client))
            self._copy("client", client, server)
            back.join()

    def _copy(self, side: str, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(_ENOUGH):
                if len(self._heard[side]) < _ENOUGH:
                    self._heard[side] += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # one side has left; let the other know
            for end in (source, target):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _thread(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@contextmanager
def wiretap(server: int) -> Iterator[Wiretap]:
    """Relay one connection to a server's port, for the length of the block."""
    tap = Wiretap(server)
    relay = _thread(tap.accept)
    try:
        yield tap
    finally:
        tap.close()
        relay.join(10)
        assert not relay.is_alive(), "somebody is still connected"
