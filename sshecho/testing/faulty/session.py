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
        return self._faulty(super().usualEnd())

    def endWith(self, request: tuple[bytes, bytes]) -> None:
        """End, and tell how: as a fault has it, whatever the program says."""
        super().endWith(self._faulty(request))

    def _faulty(self, ending: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
        """Return how it ends: the fault that came last counts."""
        faults = [each for each in self.conn.transport.faults if each.ending is not None]
        if not faults:
            return ending
        self.conn.transport.tellFault(faults[-1])
        return faults[-1].ending or ending
