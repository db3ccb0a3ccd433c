"""``drop-after=BYTES``: the connection is cut right after so many bytes of its sessions' output."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from sshecho.testing.faults.fault import Connection, NumberFault


class DropAfter(NumberFault):
    """Counts what sessions send, standard error too, from the moment that it is in force."""

    name = "drop-after"
    usage = "drop-after=BYTES"
    least, most = 1, 1 << 32

    def __init__(self, argument: str | None) -> None:
        super().__init__(argument)
        self._left: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()

    def carries(self, connection: Connection, size: int) -> int | None:
        """Return how many of so many bytes may go out; None while there are more to come."""
        left = self._left.get(connection, self.number)
        self._left[connection] = max(0, left - size)
        return None if size < left else left
