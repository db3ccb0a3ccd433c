"""What the server says of itself: its audit log as it grows, and what it complains of."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

_EVENT = re.compile(rb'"event": "([a-z.]+)"')
_COMPLAINT = re.compile(r"Traceback|\d\d:\d\d:\d\d (error|critical): ")


class Events:
    """Counts the events of an audit log.

    Args:
        path: the log.

    Attributes:
        counts: by the events' names, as of the last look.
    """

    def __init__(self, path: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._file = path.open("rb")
        self._rest = b""

    def look(self) -> None:
        """Count what has been written since the last look."""
        lines, _, self._rest = (self._rest + self._file.read()).rpartition(b"\n")
        self.counts.update(name.decode() for name in _EVENT.findall(lines))

    @property
    def connections(self) -> int:
        """How many are open."""
        return self.counts["connection.open"] - self.counts["connection.close"]

    @property
    def logins(self) -> int:
        """How many users are in."""
        return self.counts["login.ok"] - self.counts["logout"]

    def close(self) -> None:
        """Close the log."""
        self._file.close()


def complaints(said: Path) -> list[str]:
    """Return the lines on the terminal that tell of errors."""
    with said.open(errors="replace") as lines:
        return [line.rstrip("\n") for line in lines if _COMPLAINT.match(line)]
