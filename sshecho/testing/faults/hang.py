"""``hang=STAGE``: from a stage on nothing is answered; the connection stays open."""

from __future__ import annotations

from sshecho.testing.faults.fault import Connection, StageFault


class Hang(StageFault):
    """Hangs until the client leaves, without a time-out of the server's."""

    name = "hang"
    usage = "hang=version|kex|auth|session"

    def strike(self, connection: Connection) -> None:
        """Hang."""
        connection.hang()
