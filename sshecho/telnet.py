"""As much of Telnet as a line door needs: every option is refused (RFC 854, RFC 1143)."""

from __future__ import annotations

import re

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
MAX_SUBNEGOTIATION = 1024
"""How many bytes a subnegotiation may hold."""

_SPECIAL = re.compile(rb"[\xff\r]")


class TelnetError(Exception):
    """A client that breaks off Telnet's rules."""


class Telnet:
    """Takes Telnet's commands out of what a client sends.

    Conch's Telnet parses one byte at a time, bounds nothing and rewrites line ends; an echo
    must give back what came in. Here a reply is due for an option only, and only a refusal.
    """

    def __init__(self) -> None:
        self._rest = b""  # a command that is not complete yet
        self._afterReturn = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what a client sent.

        Args:
            data: bytes in any pieces.

        Returns:
            The data among them, and what to answer.

        Raises:
            TelnetError: when a subnegotiation is longer than `MAX_SUBNEGOTIATION`.
        """
        data = self._rest + data
        self._rest = b""
        kept, replies = bytearray(), bytearray()
        at = 0
        while at < len(data):
            if self._afterReturn:
                self._afterReturn = False
                at += data[at] == 0  # CR NUL is a CR
                continue
            special = _SPECIAL.search(data, at)
            end = special.start() if special else len(data)
            kept += data[at:end]
            at = end
            if special is None:
                break
            if data[at] != IAC:
                kept += b"\r"
                self._afterReturn = True
                at += 1
                continue
            length = self._command(data, at)
            if length == 0:
                self._rest = data[at:]
                break
            command = data[at : at + length]
            at += length
            if command[1] == IAC:
                kept.append(IAC)
            elif command[1] == WILL:
                replies += bytes((IAC, DONT, command[2]))
            elif command[1] == DO:
                replies += bytes((IAC, WONT, command[2]))
        return bytes(kept), bytes(replies)

    @staticmethod
    def _command(data: bytes, at: int) -> int:
        """Return how long the command that begins there is, 0 when it is not complete."""
        available = len(data) - at
        if available < 2:
            return 0
        if data[at + 1] in (WILL, WONT, DO, DONT):
            return 3 if available >= 3 else 0
        if data[at + 1] != SB:
            return 2
        end = at + 2
        while (end := data.find(IAC, end)) != -1 and end + 1 < len(data):
            if data[end + 1] == SE:
                break
            end += 2
        else:
            end = -1
        # One that is not complete may end with the IAC of its end.
        held = available - 3 if end == -1 else end - at - 2
        if held > MAX_SUBNEGOTIATION:
            raise TelnetError("a subnegotiation of more than 1 KiB")
        return 0 if end == -1 else end + 2 - at

    @staticmethod
    def escape(data: bytes) -> bytes:
        """Return data as it goes out to a client that speaks Telnet: 0xFF is doubled."""
        return data.replace(b"\xff", b"\xff\xff")
