"""The line editor: what a person types becomes a line, and is seen as it becomes one.

It knows keys and columns, and neither SSH nor Twisted: text goes in, lines come out, and what
the terminal must show goes to a callable. Conch's recvline edits bytes, shows one keystroke a
packet and loses what is not ASCII, so it does not serve here.

What a read brings about is drawn once, at its end: however many keys are in it, they cost no
more than one drawing of the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from wcwidth import wcwidth

PROMPT: Final = "> "
MAX_LINE: Final = 64 * 1024
"""How many characters a line holds; what comes beyond them before Enter is dropped."""
MAX_HISTORY: Final = 64 * 1024
"""How many characters the lines of the history hold together."""
MAX_HISTORY_LINES: Final = 1000
MAX_MARKS: Final = 32
"""How many code points are taken for one character, its combining marks included."""
TAB: Final = " " * 4
"""What a tab inserts."""

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?P<sequence>\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|O[ -~]|[^\[O\x00-\x1f\x7f]))"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f-\x9f])"
    r"|(?P<unfinished>\x1b(?:\[[0-?]{0,32}[ -/]{0,8}|O)?\Z)"
    r"|(?P<stray>\x1b(?:\[[0-?]{0,32}[ -/]{0,8}|O)?)"
)


class EndOfInput:
    """The person has ended the input: ^D on an empty line."""


class Interrupt:
    """The person has given up the line: ^C."""


Event = str | EndOfInput | Interrupt
"""What becomes of what is typed: a line, or one of the two."""


class LineEditor:
    """Edits one line after another.

    Args:
        draw: takes what the terminal must show.
        columns: the width of the terminal in characters.
    """

    def __init__(self, draw: Callable[[str], None], columns: int) -> None:
        self._draw = draw
        self._columns = columns
        self._line = ""
        self._cursor = 0  # index into the line
        self._row = 0  # of the cursor, below the row of the prompt
        self._column = 0
        self._stale = False  # whether the screen shows another line than this
        self._moved = False  # whether it shows the cursor elsewhere
        self._cleared = False  # whether the screen is to be cleared first
        self._unparsed = ""
        self._history: list[str] = []
        self._historySize = 0
        self._browsing = 0  # index into the history; its length while a new line is edited
        self._draft = ""
        self._afterReturn = False

    # What the owner does.

    def feed(self, text: str) -> Iterator[Event]:
        """Edit; yield each line that is ended, each that is given up, and the end of the input.

        The caller shows what it will of a line, and then calls `show` for the next.
        """
        text = self._unparsed + text
        self._unparsed = ""
        at = 0
        overflowing = False
        while at < len(text):
            if len(self._line) >= MAX_LINE:
                end = re.search(r"[\r\n]", text[at:])
                dropped = end.start() if end else len(text) - at
                overflowing = overflowing or dropped > 0
                at += dropped
                if end is None:
                    break
            token = _TOKEN.match(text, at)
            assert token is not None  # between them the groups take every character
            at = token.end()
            if token["unfinished"]:
                self._unparsed = token["unfinished"]
            elif token["text"]:
                overflowing = self._insert(token["text"]) or overflowing
            elif token["sequence"]:
                self._key(token["sequence"])
            elif token["control"]:
                yield from self._control(token["control"])
            self._afterReturn = token["control"] == "\r"
        self.refresh()
        if overflowing:
            self._draw("\a")

    def show(self) -> None:
        """Draw the prompt and the line where the terminal's cursor stands."""
        self._row = self._column = 0
        self._stale = True
        self.refresh()

    def hide(self) -> None:
        """Take the prompt and the line away, so that something can be shown in their place."""
        self._draw(self._up(self._row) + "\r\x1b[J")
        self._row = self._column = 0

    def refresh(self) -> None:
        """Let the screen show the line and the cursor as they are."""
        if not self._stale and not self._moved:
            return
        place = self._advance(0, 0, PROMPT + self._line[: self._cursor])
        if self._stale:
            clear = "\x1b[H\x1b[2J" if self._cleared else self._up(self._row) + "\r"
            self._row, self._column = self._advance(*place, self._line[self._cursor :])
            self._draw(f"{clear}{PROMPT}{self._line}{self._wrap()}\x1b[J")
        up, down = self._up(self._row - place[0]), self._down(place[0] - self._row)
        right = f"\x1b[{place[1]}C" if place[1] else ""
        self._draw(f"{up}{down}\r{right}")
        self._row, self._column = place
        self._stale = self._moved = self._cleared = False

    def resize(self, columns: int) -> None:
        """Draw for another width from the next `refresh` on."""
        self._columns = columns
        self._stale = True

    # Keys.

    def _control(self, key: str) -> Iterator[Event]:
        if key in "\r\n":
            if key == "\r" or not self._afterReturn:
                yield self._enter()
        elif key == "\x04" and not self._line:
            self.refresh()
            yield EndOfInput()
        elif key == "\x03":
            self._end()
            self.refresh()
            self._draw("^C\r\n")
            self._reset()
            yield Interrupt()
        elif key == "\t":
            self._insert(TAB)
        elif key in _CONTROLS:
            _CONTROLS[key](self)

    def _key(self, sequence: str) -> None:
        action = _SEQUENCES.get(sequence)
        if action is not None:
            action(self)

    def _enter(self) -> str:
        line = self._line
        self._end()
        self.refresh()
        self._draw("\r\n")
        if line and (not self._history or self._history[-1] != line):
            self._history.append(line)
            self._historySize += len(line)
            while self._historySize > MAX_HISTORY or len(self._history) > MAX_HISTORY_LINES:
                self._historySize -= len(self._history.pop(0))
        self._reset()
        return line

    def _reset(self) -> None:
        self._line = self._draft = ""
        self._cursor = self._row = self._column = 0
        self._browsing = len(self._history)

    def _insert(self, text: str) -> bool:
        """Insert text at the cursor; return whether some of it did not fit."""
        room = MAX_LINE - len(self._line)
        fitting = "".join(c for c in text[:room] if wcwidth(c) >= 0)
        atEnd = self._cursor == len(self._line)
        self._line = self._line[: self._cursor] + fitting + self._line[self._cursor :]
        self._cursor += len(fitting)
        if atEnd and not self._stale and not self._moved:  # the usual case costs what is new
            self._row, self._column = self._advance(self._row, self._column, fitting)
            self._draw(fitting + self._wrap())
        else:
            self._stale = True
        return len(text) > room

    def _replace(self, line: str, cursor: int) -> None:
        self._line, self._cursor = line, cursor
        self._stale = True

    def _moveTo(self, cursor: int) -> None:
        if cursor != self._cursor:
            self._cursor = cursor
            self._moved = True

    def _left(self) -> None:
        self._moveTo(self._before(self._cursor))

    def _right(self) -> None:
        self._moveTo(self._after(self._cursor))

    def _home(self) -> None:
        self._moveTo(0)

    def _end(self) -> None:
        self._moveTo(len(self._line))

    def _cut(self, start: int, end: int) -> None:
        if start < end:
            self._replace(self._line[:start] + self._line[end:], start)

    def _backspace(self) -> None:
        self._cut(self._before(self._cursor), self._cursor)

    def _delete(self) -> None:
        self._cut(self._cursor, self._after(self._cursor))

    def _killToEnd(self) -> None:
        self._cut(self._cursor, len(self._line))

    def _killToStart(self) -> None:
        self._cut(0, self._cursor)

    def _killWord(self) -> None:
        before = self._line[: self._cursor].rstrip(" ")
        self._cut(before.rfind(" ") + 1, self._cursor)

    def _clearScreen(self) -> None:
        self._cleared = self._stale = True

    def _earlier(self) -> None:
        self._browse(self._browsing - 1)

    def _later(self) -> None:
        self._browse(self._browsing + 1)

    def _browse(self, index: int) -> None:
        if not 0 <= index <= len(self._history):
            return
        if self._browsing == len(self._history):
            self._draft = self._line
        self._browsing = index
        line = self._history[index] if index < len(self._history) else self._draft
        self._replace(line, len(line))

    def _before(self, index: int) -> int:
        """Return where the character before an index begins, its combining marks included."""
        first = max(index - MAX_MARKS, 0)
        index = max(index - 1, 0)
        while index > first and wcwidth(self._line[index]) == 0:
            index -= 1
        return index

    def _after(self, index: int) -> int:
        """Return where the character at an index ends, its combining marks included."""
        last = min(index + MAX_MARKS, len(self._line))
        index = min(index + 1, len(self._line))
        while index < last and wcwidth(self._line[index]) == 0:
            index += 1
        return index

    # The screen.

    def _advance(self, row: int, column: int, text: str) -> tuple[int, int]:
        """Return where the cursor stands after some text."""
        if text.isascii():
            rows, column = divmod(column + len(text), self._columns)
            return row + rows, column
        for character in text:
            width = wcwidth(character)
            if column + width > self._columns:
                row, column = row + 1, 0
            column += width
        if column == self._columns:
            row, column = row + 1, 0
        return row, column

    def _wrap(self) -> str:
        """Return what moves a cursor that waits at the right margin to the next row."""
        return " \r" if self._column == 0 and self._row else ""

    @staticmethod
    def _up(rows: int) -> str:
        return f"\x1b[{rows}A" if rows > 0 else ""

    @staticmethod
    def _down(rows: int) -> str:
        return f"\x1b[{rows}B" if rows > 0 else ""


_Action = Callable[[LineEditor], None]

_CONTROLS: Final[dict[str, _Action]] = {
    "\x01": LineEditor._home,
    "\x02": LineEditor._left,
    "\x04": LineEditor._delete,
    "\x05": LineEditor._end,
    "\x06": LineEditor._right,
    "\x08": LineEditor._backspace,
    "\x0b": LineEditor._killToEnd,
    "\x0c": LineEditor._clearScreen,
    "\x0e": LineEditor._later,
    "\x10": LineEditor._earlier,
    "\x15": LineEditor._killToStart,
    "\x17": LineEditor._killWord,
    "\x7f": LineEditor._backspace,
}

_SEQUENCES: Final[dict[str, _Action]] = {
    **dict.fromkeys(("\x1b[A", "\x1bOA"), LineEditor._earlier),
    **dict.fromkeys(("\x1b[B", "\x1bOB"), LineEditor._later),
    **dict.fromkeys(("\x1b[C", "\x1bOC"), LineEditor._right),
    **dict.fromkeys(("\x1b[D", "\x1bOD"), LineEditor._left),
    **dict.fromkeys(("\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"), LineEditor._home),
    **dict.fromkeys(("\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"), LineEditor._end),
    "\x1b[3~": LineEditor._delete,
}
