"""The screen: shows a text that is edited, wherever the terminal's cursor stands.

Of a text with more rows than the window it shows those around the cursor. What is drawn is what
has changed, and at most a window full of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sshecho.ssh.editor.characters import before
from sshecho.ssh.editor.layout import Layout

MAX_SIDE: Final = 1024
"""Columns and rows of the largest window; a client may say that it has more."""
CLEAR: Final = "\x1b[H\x1b[2J"
CLEAR_BELOW: Final = "\x1b[J"


class Screen:
    """A window of a terminal.

    Args:
        draw: takes what the terminal must show.
        columns: the width of the window in characters.
        rows: its height.
    """

    def __init__(self, draw: Callable[[str], None], columns: int, rows: int) -> None:
        self._draw = draw
        self._layout = Layout(min(columns, MAX_SIDE))
        self._rows = min(rows, MAX_SIDE)
        self.forget()

    def forget(self) -> None:
        """Begin anew where the terminal's cursor stands."""
        self._known = False  # whether the terminal shows what the layout says
        self._cursor = 0
        self._top = 0  # the first row that is in the window
        self._row = self._column = 0  # of the terminal's cursor, below that row

    def clear(self) -> None:
        """Leave nothing but what is shown next."""
        self._draw(CLEAR)
        self.forget()

    def hide(self) -> None:
        """Take the text away, so that something can be shown in its place."""
        self._draw(f"{self._up(self._row)}\r{CLEAR_BELOW}")
        self.forget()

    def resize(self, columns: int, rows: int) -> None:
        """Let the next `show` draw for another size.

        Some terminals wrap anew what they show and some do not, so the cursor may be in the row
        that it was in, or in the one that the new width brings. The lower is believed: what is
        above the text may lose a row, but no piece of the text is left behind.
        """
        text, self._layout = self._layout.text, Layout(min(columns, MAX_SIDE))
        self._layout.replace(text)
        self._rows = min(rows, MAX_SIDE)
        if self._known:
            row, _ = self._layout.place(self._cursor)
            self._row = min(max(self._row, row), self._rows - 1)
            self._top = 0
            self._known = False

    def show(self, text: str, cursor: int) -> None:
        """Let the window show a text.

        Args:
            text: may hold tabs and newlines, and no other control characters.
            cursor: an index into it.
        """
        shown = len(self._layout.text)
        first = self._layout.replace(text) if text != self._layout.text else None
        row, column = self._layout.place(cursor)
        top = self._topFor(row)
        drawn = ""
        if not self._known or not self._reaches(first, top):
            start = self._layout.start(top)
            assert start is not None  # the cursor is in the window
            drawn = f"{self._up(self._row)}\r{CLEAR_BELOW}" + self._paint(start, top, 0, top)
        elif first is not None:
            there = self._layout.place(first)
            atEnd = first == shown and there == (self._top + self._row, self._column)
            if there[1] == 0 and not atEnd:
                # The row before it may end elsewhere now: the character before draws its end.
                first = before(text, first)
                there = self._layout.place(first)
            drawn = self._motion(there[0] - self._top, there[1])
            if first < shown:
                drawn += CLEAR_BELOW
            drawn += self._paint(first, *there, top)
        drawn += self._motion(row - top, column)
        self._known, self._cursor, self._top = True, cursor, top
        if drawn:
            self._draw(drawn)

    def _topFor(self, row: int) -> int:
        """Return the first row to show so that the cursor's is in the window, and it is full."""
        top = max(min(self._top, row), row - self._rows + 1)
        if top and self._layout.start(top + self._rows - 1) is None:
            end, _ = self._layout.place(len(self._layout.text))
            top = max(end - self._rows + 1, 0)
        return top

    def _reaches(self, first: int | None, top: int) -> bool:
        """Whether drawing from an index on brings about a window that begins with a row."""
        if first is None or top < self._top:
            return top == self._top
        row, _ = self._layout.place(first)
        return top <= row < self._top + self._rows

    def _paint(self, first: int, row: int, column: int, top: int) -> str:
        """Return what draws the text from an index on, to the end of the window."""
        drawn = []
        while True:
            following = self._layout.start(row + 1)
            end = len(self._layout.text) if following is None else following
            goesOn = following is not None and row < top + self._rows - 1
            drawn.append(self._layout.draw(first, end, column, goesOn))
            if following is None or not goesOn:
                break
            first, row, column = following, row + 1, 0
        self._row, self._column = row - top, -1  # it may wait at the margin, which is no column
        if following is None:
            _, self._column = self._layout.place(end)
        return "".join(drawn)

    def _motion(self, row: int, column: int) -> str:
        """Return what moves the terminal's cursor."""
        if (row, column) == (self._row, self._column):
            return ""
        down = f"\x1b[{row - self._row}B" if row > self._row else ""
        right = f"\x1b[{column}C" if column else ""
        moved = f"{self._up(self._row - row)}{down}\r{right}"
        self._row, self._column = row, column
        return moved

    @staticmethod
    def _up(rows: int) -> str:
        return f"\x1b[{rows}A" if rows > 0 else ""
