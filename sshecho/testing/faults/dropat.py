"""``drop-at=STAGE``: at a stage the connection is closed, without a word."""

from __future__ import annotations

from sshecho.testing.faults.fault import Connection, StageFault


class DropAt(StageFault):
    """Closes the connection as a server does whose process has died: there is no DISCONNECT."""

    name = "drop-at"
    usage = "drop-at=version|kex|auth|session"

    def strike(self, connection: Connection) -> None:
        """Close."""
        connection.drop(str(self))
