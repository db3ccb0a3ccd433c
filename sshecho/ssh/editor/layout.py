"""The layout: in which row and column each character of a text stands, and how rows are drawn."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

from sshecho.ssh.editor.characters import boundary, characters, disputed, width

TAB_STOP: Final = 8
UNSEEN: Final = "\u25cc"
"""Stands for what can't be seen by itself, such as an accent without a letter: a dotted circle."""


class Layout:
    """A text that is wrapped at the margin, and at its newlines.

    Rows are worked out as far as someone asks, and kept for as long as what stands in them is
    the same: so a change costs what is new, and not what is long.

    Attributes:
        text: the text.
        columns: how many of them a row has.
    """

    def __init__(self, columns: int) -> None:
        self.text = ""
        self.columns = columns
        self._starts = [0]  # where rows begin; the last of them may go on and on
        self._complete = False  # whether they are all the rows there are

    def replace(self, text: str) -> int:
        """Take another text; return where it begins to be another."""
        common = _common(self.text, text)
        first = min(boundary(self.text, common), boundary(text, common))
        self.text = text
        # A row that begins with what has changed may no longer begin there.
        del self._starts[max(bisect_left(self._starts, first), 1) :]
        self._complete = False
        return first

    def start(self, row: int) -> int | None:
        """Return where a row begins; None if there are fewer."""
        while len(self._starts) <= row and not self._complete:
            self._nextRow()
        return self._starts[row] if row < len(self._starts) else None

    def place(self, index: int) -> tuple[int, int]:
        """Return the row and the column of a character, or of the end."""
        while self._starts[-1] <= index and not self._complete:
            self._nextRow()
        row = bisect_right(self._starts, index) - 1
        column, at = 0, self._starts[row]
        if _plain(self.text[at:index]):
            return row, index - at
        for character in characters(self.text, at):
            at += len(character)
            if at > index:
                break
            column += self._cells(character, column)
        return row, column

    def _nextRow(self) -> None:
        start = at = self._starts[-1]
        # Behind the row there could be an accent, which goes to the row's last letter.
        if _plain(self.text[at : at + self.columns + 1]):
            at += self.columns
            if at > len(self.text):
                self._complete = True
            else:
                self._starts.append(at)
            return
        column = 0
        for character in characters(self.text, start):
            column += self._cells(character, column)
            if column > self.columns:
                break
            at += len(character)
            if character == "\n" or column == self.columns:
                break
        else:
            self._complete = True
            return
        self._starts.append(at)

    def _cells(self, character: str, column: int) -> int:
        if character == "\n":
            return 0
        if character == "\t":
            return min(TAB_STOP - column % TAB_STOP, self.columns - column)
        return min(width(character) or 1, self.columns)

    def draw(self, first: int, end: int, column: int, goesOn: bool) -> str:
        """Return what draws a row, or the rest of one.

        Args:
            first: where to begin in the text.
            end: where the row ends.
            column: where the terminal's cursor is.
            goesOn: whether the terminal's cursor goes on to the next row. Where the text wraps,
                it is the terminal that wraps it, so that what is copied from it is one line.
        """
        text = self.text[first:end]
        wrap = " \r"  # the space goes to the next row, and the cursor back to where it begins
        if _plain(text):
            drawn = text
            column += len(text)
        else:
            pieces = []
            for character in characters(text):
                cells = self._cells(character, column)
                column += cells
                wrap = " \r"
                if character == "\n":
                    column, wrap = self.columns, "\r\n"
                elif character == "\t":
                    pieces.append(" " * cells)
                elif width(character) == 0:
                    pieces.append(UNSEEN)
                elif disputed(character):
                    # However wide the terminal takes it to be, what follows is in its place.
                    pieces.append(f"\x1b[?7l{character}\x1b[?7h")
                    if column < self.columns:
                        pieces.append(f"\x1b[{column + 1}G\x1b[K")
                    wrap = "\r\n"
                else:
                    pieces.append(character)
            drawn = "".join(pieces)
        if not goesOn:
            return drawn
        return drawn + (" " * (self.columns - column) + " \r" if column < self.columns else wrap)


def _plain(text: str) -> bool:
    """Whether each code point is a character in a column of its own."""
    return text.isascii() and text.isprintable()


def _common(one: str, other: str) -> int:
    """Return how many code points two texts have in common at their beginning."""
    if other.startswith(one):  # the usual case: something is typed at the end
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
