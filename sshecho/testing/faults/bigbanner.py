"""``big-banner[=BYTES]``: a banner of 32000 bytes, unless said, is shown before the login."""

from __future__ import annotations

from weakref import WeakSet

from sshecho.testing.faults.fault import Connection, NumberFault

USUAL = 32_000
"""Bytes: about as much as every client has to take in one packet (RFC 4253, section 6.1)."""
_LINE = b"All work and no play makes the banner a dull and rather long one\r\n"


class BigBanner(NumberFault):
    """Shows one banner, once a connection, as the client asks to be let in."""

    name = "big-banner"
    usage = "big-banner[=BYTES]"
    least, most = 1, 250_000

    def __init__(self, argument: str | None) -> None:
        super().__init__(str(USUAL) if argument is None else argument)
        self._argument = argument
        self._shown: WeakSet[Connection] = WeakSet()

    def reaches(self, connection: Connection, stage: str) -> bool:
        """Show it."""
        if stage == "auth" and connection not in self._shown:
            self._shown.add(connection)
            if connection.showBanner((_LINE * (self.number // len(_LINE) + 1))[: self.number]):
                connection.tellFault(self)
        return False
