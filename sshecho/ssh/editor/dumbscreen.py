"""The dumb screen: shows a text that is edited on a terminal that knows no escape sequences.

All that such a terminal can do is go back by a column, and begin a new row. So an edit in a text
that needs more than one row has its end anew, as far as the cursor, in the next.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from operator import eq

from sshecho.ssh.editor.characters import boundary, characters, width
from sshecho.ssh.editor.screen import MAX_SIDE


class DumbScreen:
    """A window of a terminal, of which only the row is known in which the cursor is.

    Args:
        draw: takes what the terminal must show.
        columns: the width of the window in characters.
        rows: its height.
    """

    def __init__(self, draw: Callable[[str], None], columns: int, rows: int) -> None:
        self._draw = draw
        self.resize(columns, rows)
        self.forget()

    def forget(self) -> None:
        """Begin anew where the terminal's cursor stands."""
        self._text = ""
        self._cursor = 0

    def clear(self) -> None:
        """Begin a new row: the others can't be taken away."""
        self._draw("\r\n")
        self.forget()

    def hide(self) -> None:
        """Take the text away, so that something can be shown in its place."""
        self.show("", 0)

    def resize(self, columns: int, rows: int) -> None:
        """Let the next `show` draw for another size."""
        self._columns = min(columns, MAX_SIDE)
        self._most = self._columns * min(rows, MAX_SIDE)

    def show(self, text: str, cursor: int) -> None:
        """Let the terminal show a text.

        Args:
            text: may hold tabs and newlines, which are shown as spaces.
            cursor: an index into it.
        """
        text = text.replace("\t", " ").replace("\n", " ")
        old, at = self._text, self._cursor
        self._text, self._cursor = text, cursor
        if (old, at) == (text, cursor):
            return
        atEnd = at == len(old) and cursor == len(text)
        if atEnd and text.startswith(old) and len(text) - at <= self._most:
            self._draw(text[at:])
        elif self._fits(old) and self._fits(text):
            self._draw(_edit(old, at, text) + _back(text[cursor:]))
        else:
            self._draw(f"\r\n{text[max(cursor - self._columns + 1, 0) : cursor]}")

    def _fits(self, text: str) -> bool:
        return len(text) < self._columns and _width(text) < self._columns


def _edit(old: str, at: int, new: str) -> str:
    """Return what makes one text of another, with the cursor at its end."""
    same = sum(takewhile(bool, map(eq, old, new)))
    same = min(boundary(old, same), boundary(new, same))
    left = max(_width(old[same:]) - _width(new[same:]), 0)
    return f"{_back(old[same:at])}{old[at:same]}{new[same:]}{' ' * left}" + "\b" * left


def _back(text: str) -> str:
    return "\b" * _width(text)


def _width(text: str) -> int:
    return sum(map(width, characters(text)))
