"""Compression of payloads: zlib (RFC 4253, section 6.2), and zlib that waits for the login.

The latter, zlib@openssh.com, begins behind USERAUTH_SUCCESS, so that nothing that a stranger sends
is inflated (draft-miller-secsh-compression-delayed, section 3).
"""

from __future__ import annotations

import zlib

from twisted.conch.ssh.transport import DISCONNECT_COMPRESSION_ERROR
from twisted.conch.ssh.userauth import MSG_USERAUTH_SUCCESS

from sshecho.ssh.packets.errors import ProtocolError

NONE, ZLIB, DELAYED = b"none", b"zlib", b"zlib@openssh.com"
"""The names on the wire."""


class Compression:
    """What is done to payloads in both directions under one set of keys.

    Each set of keys has its own, and begins with nothing said. A payload is deflated up to a
    point from which the other side can inflate all of it, and the next goes on from there.

    Args:
        outgoing, incoming: the name of what each direction has.
        isClient: whether we are the side that logs in.
        loggedIn: whether that has been done already, under other keys.

    Attributes:
        loggedIn: whether USERAUTH_SUCCESS has gone by.
    """

    __slots__ = ("_deflater", "_inflater", "_isClient", "_now", "loggedIn")

    def __init__(self, outgoing: bytes, incoming: bytes, *, isClient: bool, loggedIn: bool) -> None:
        self._deflater = None if outgoing == NONE else zlib.compressobj()
        self._inflater = None if incoming == NONE else zlib.decompressobj()
        self._now = (outgoing == ZLIB, incoming == ZLIB)
        self._isClient = isClient
        self.loggedIn = loggedIn

    def deflate(self, payload: bytes) -> bytes:
        """Return what is sent for a payload, which begins with the message's number."""
        begun = self.loggedIn or self._now[0]
        if not self._isClient and payload[0] == MSG_USERAUTH_SUCCESS:
            self.loggedIn = True
        if self._deflater is None or not begun:
            return payload
        return self._deflater.compress(payload) + self._deflater.flush(zlib.Z_PARTIAL_FLUSH)

    def inflate(self, payload: bytes, largest: int) -> bytes:
        """Return the payload that was sent.

        Args:
            payload: what has come for it.
            largest: how many bytes it may have.

        Raises:
            ProtocolError: when it has more, or none, or nobody has deflated that.
        """
        if self._inflater is not None and (self.loggedIn or self._now[1]):
            payload = self._inflated(payload, largest)
        if self._isClient and payload[0] == MSG_USERAUTH_SUCCESS:
            self.loggedIn = True
        return payload

    def _inflated(self, deflated: bytes, largest: int) -> bytes:
        assert self._inflater is not None
        try:
            payload = self._inflater.decompress(deflated, largest + 1)
        except zlib.error:
            raise _bad("what was compressed is spoiled") from None
        if len(payload) > largest:
            raise _bad("what was compressed is too large")
        if not payload or self._inflater.eof:  # the stream goes on until there are other keys
            raise _bad("what was compressed is cut short")
        return payload


def _bad(why: str) -> ProtocolError:
    return ProtocolError(DISCONNECT_COMPRESSION_ERROR, why)
