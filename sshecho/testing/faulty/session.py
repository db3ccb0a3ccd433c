"""The session, for servers that misbehave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sshecho.ssh.session import SessionChannel

if TYPE_CHECKING:
    from sshecho.testing.faulty.connection import FaultyConnection


class FaultySession(SessionChannel):
    """Ends as a fault says."""

    conn: FaultyConnection

    def usualEnd(self) -> tuple[bytes, bytes]:
        """Return how it ends when nobody has said how."""
        return self._fault() or super().usualEnd()

    def endWith(self, request: tuple[bytes, bytes]) -> None:
        """End, and tell how: as a fault has it, whatever the program says."""
        super().endWith(self._fault() or request)

    def _fault(self) -> tuple[bytes, bytes] | None:
        for fault in self.conn.transport.faults:
            if fault.ending is not None:
                return fault.ending
        return None
