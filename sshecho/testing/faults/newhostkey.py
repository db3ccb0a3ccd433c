"""``new-host-key``: the server shows a host key that nobody knows."""

from __future__ import annotations

from sshecho.testing.faults.fault import Connection, Fault


class NewHostKey(Fault):
    """Has another key of the same kind stand in for each host key, as an impostor would."""

    name = usage = "new-host-key"

    @property
    def byUserName(self) -> bool:
        """Not by user name: the key is shown before that."""
        return False

    def reaches(self, connection: Connection, stage: str) -> bool:
        """Change the key before it is shown."""
        if stage == "version" and connection.showAnotherHostKey():
            connection.tellFault(self)
        return False
