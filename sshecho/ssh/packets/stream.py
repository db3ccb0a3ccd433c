"""The binary packet protocol (RFC 4253, section 6): bytes to messages, and messages to bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from twisted.conch.ssh.transport import DISCONNECT_PROTOCOL_ERROR

from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.protection import Clear, Protection

LARGEST = 35000
"""Bytes of a packet that every side has to take (RFC 4253, section 6.1)."""
_LEAST_PADDING = 4
_SEQUENCES = (1 << 32) - 1
_MOST_PIECES = 256  # of a packet: each costs memory above its bytes


class Incoming:
    """Cuts what comes into messages.

    Attributes:
        sequence: the number of the next packet.
        carried: bytes that came under the present key.
        largest: bytes that a packet may have, and what it inflates to.
        inflate: undoes compression, of a payload of at most so many bytes; None without any.
    """

    __slots__ = (
        "_held",
        "_length",
        "_pieces",
        "_protection",
        "_wanted",
        "carried",
        "inflate",
        "largest",
        "sequence",
    )

    def __init__(self) -> None:
        self._protection: Protection = Clear()
        self._pieces: list[bytes] = []  # what has come of the next packet
        self._held = 0  # bytes of it
        self._wanted = 0  # bytes of it without which nothing can be done
        self._length = 0  # of its body, once that is known
        self.sequence = 0
        self.carried = 0
        self.largest = LARGEST
        self.inflate: Callable[[bytes, int], bytes] | None = None

    def protectWith(self, protection: Protection, *, recount: bool) -> None:
        """Change the key, from the next packet on.

        Args:
            protection: what opens the packets.
            recount: whether their numbers begin again (strict key exchange).
        """
        self._protection = protection
        self.carried = 0
        if recount:
            self.sequence = 0

    def messages(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the messages that are whole now: number and payload.

        Each may change the key for the next.

        Args:
            data: what has come.

        Raises:
            ProtocolError: for what is no packet, or was changed on its way.
        """
        self._pieces.append(data)
        self._held += len(data)
        if self._held < self._wanted:
            if len(self._pieces) > _MOST_PIECES:
                self._pieces = [b"".join(self._pieces)]
            return
        buffer = data if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        start, end = 0, len(buffer)
        while True:
            protection = self._protection
            if not self._length:
                if end - start < protection.head:
                    self._wanted = protection.head
                    break
                head = buffer[start : start + protection.head]
                self._length = self._checked(protection.length(self.sequence, head), protection)
            size = 4 + self._length + protection.tag
            if end - start < size:
                self._wanted = size
                break
            whole = buffer if end == size else buffer[start : start + size]
            body = protection.open(self.sequence, whole)
            padding = body[0]
            if padding < _LEAST_PADDING or padding + 2 > self._length:
                raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "bad padding")
            start += size
            self.carried += size
            self.sequence = (self.sequence + 1) & _SEQUENCES
            self._length = 0
            if self.inflate is None:
                yield body[1], body[2:-padding]
            else:
                payload = self.inflate(body[1:-padding], self.largest)
                yield payload[0], payload[1:]
        self._held = end - start
        self._pieces = [buffer[start:]] if start < end else []

    def _checked(self, length: int, protection: Protection) -> int:
        """Return a length that can be right.

        Raises:
            ProtocolError: for any other, before anything of it is waited for.
        """
        if not _LEAST_PADDING + 2 <= length <= self.largest:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "bad packet length")
        if (length + protection.counted) % protection.block:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "bad packet length")
        return length


class Outgoing:
    """Makes packets of messages.

    Attributes:
        sequence: the number of the next packet.
        carried: bytes that went out under the present key.
        deflate: compresses a payload; None without compression.
    """

    __slots__ = ("_protection", "carried", "deflate", "sequence")

    def __init__(self) -> None:
        self._protection: Protection = Clear()
        self.sequence = 0
        self.carried = 0
        self.deflate: Callable[[bytes], bytes] | None = None

    def protectWith(self, protection: Protection, *, recount: bool) -> None:
        """Change the key, from the next packet on; see `Incoming.protectWith`."""
        self._protection = protection
        self.carried = 0
        if recount:
            self.sequence = 0

    def packet(self, number: int, payload: bytes) -> tuple[bytes, ...]:
        """Return a message's packet, in pieces that are to be joined."""
        if self.deflate is not None:
            deflated = self.deflate(b"%c%b" % (number, payload))
            number, payload = deflated[0], deflated[1:]
        protection = self._protection
        block = protection.block
        padding = block - (protection.counted + 2 + len(payload)) % block
        if padding < _LEAST_PADDING:
            padding += block
        body = b"%c%c%b%b" % (padding, number, payload, _noise.take(padding))
        pieces = protection.seal(self.sequence, len(body).to_bytes(4, "big"), body)
        self.sequence = (self.sequence + 1) & _SEQUENCES
        self.carried += 4 + len(body) + protection.tag
        return pieces


class _Noise:
    """Random bytes for paddings, by the page: to ask the system for each packet is dear."""

    _PAGE = 4096

    def __init__(self) -> None:
        self._page = b""
        self._used = self._PAGE

    def take(self, count: int) -> bytes:
        """Return so many bytes, which nobody gets again."""
        start = self._used
        self._used = start + count
        if self._used > self._PAGE:
            self._page = os.urandom(self._PAGE)
            start, self._used = 0, count
        return self._page[start : start + count]


_noise = _Noise()
