"""The history: the lines that were ended, to go through one by one and to search."""

from __future__ import annotations

from typing import Final

MAX_HISTORY: Final = 64 * 1024
"""How many characters the lines of a history hold together."""
MAX_HISTORY_LINES: Final = 1000
MAX_QUERY: Final = 256
"""How many characters one can search for."""


class History:
    """The lines so far, and the one that is being written behind them.

    Attributes:
        lines: the lines, oldest first.
        at: which one is shown: an index, or how many there are for the one being written.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.at = 0
        self._size = 0
        self._draft = ""

    def add(self, line: str) -> None:
        """Keep a line, unless it is empty or the last one again, and begin another."""
        if line and (not self.lines or self.lines[-1] != line):
            self.lines.append(line)
            self._size += len(line)
            while self._size > MAX_HISTORY or len(self.lines) > MAX_HISTORY_LINES:
                self._size -= len(self.lines.pop(0))
        self.leave()

    def leave(self) -> None:
        """Go behind the last line, to an empty one."""
        self.at = len(self.lines)
        self._draft = ""

    def goTo(self, at: int, line: str) -> str | None:
        """Go to another line.

        Args:
            at: as the attribute.
            line: the one on the screen, kept if it is the one being written.

        Returns:
            The line that is there; None if there is none.
        """
        if not 0 <= at <= len(self.lines):
            return None
        if self.at == len(self.lines):
            self._draft = line
        self.at = at
        return self.lines[at] if at < len(self.lines) else self._draft


class Search:
    """An incremental search, from the newest line to the oldest (readline's ^R).

    Attributes:
        origin: the line and the cursor where the search began.
        at: which line of the history is found; None so far.
        text, cursor: the line found last, and where in it; at first the origin.
    """

    def __init__(self, history: History, text: str, cursor: int) -> None:
        self.origin = self.text, self.cursor = text, cursor
        self.at: int | None = None
        self._lines = history.lines
        self._query = ""
        self._failed = False

    @property
    def prompt(self) -> str:
        """What stands before the line meanwhile."""
        return f"({'failed ' * self._failed}reverse-i-search)`{self._query}': "

    def extend(self, text: str) -> None:
        """Search for more."""
        self._query += text[: MAX_QUERY - len(self._query)]
        if not self._failed:  # what has failed fails with more, too
            self._search(len(self._lines) - 1 if self.at is None else self.at)

    def shorten(self) -> None:
        """Search for less, from the newest line again."""
        self._query = self._query[:-1]
        self.text, self.cursor = self.origin
        self.at = None
        self._failed = False
        if self._query:
            self._search(len(self._lines) - 1)

    def further(self) -> None:
        """Search for the same in older lines, and for another line than the one found."""
        if self._query and not self._failed and self.at is not None:
            self._search(self.at - 1, self.text)

    def _search(self, newest: int, unlike: str | None = None) -> None:
        for at in range(newest, -1, -1):
            found = self._lines[at].find(self._query)
            if found >= 0 and self._lines[at] != unlike:
                self.at, self.text, self.cursor = at, self._lines[at], found
                return
        self._failed = True
