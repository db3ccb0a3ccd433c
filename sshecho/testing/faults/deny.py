"""``deny=N``: the first N logins are denied, right or wrong."""

from __future__ import annotations

from sshecho.testing.faults.fault import NumberFault


class Deny(NumberFault):
    """Counts each try by a password, an answer or a signature; showing a key is none.

    For a whole server the first N of all connections are denied; by user name the first N of
    each connection.
    """

    name = "deny"
    usage = "deny=N"
    least, most = 1, 1_000_000

    def __init__(self, argument: str | None) -> None:
        super().__init__(argument)
        self._left = self.number

    def denies(self) -> bool:
        """Return whether this login is one of them."""
        if not self._left:
            return False
        self._left -= 1
        return True
