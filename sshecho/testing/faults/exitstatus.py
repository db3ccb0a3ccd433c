"""``exit=STATUS``: sessions end with this exit status, whatever ran in them."""

from __future__ import annotations

from sshecho.ssh.channel import statusRequest
from sshecho.testing.faults.fault import NumberFault


class Exit(NumberFault):
    """Tells another exit status than the program's (RFC 4254, section 6.10)."""

    name = "exit"
    usage = "exit=STATUS"
    least, most = 0, (1 << 32) - 1

    @property
    def ending(self) -> tuple[bytes, bytes] | None:
        """How sessions end."""
        return statusRequest(self.number)
