"""The line buffer: the text of a line, the cursor in it, and what was last killed of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sshecho.ssh.editor.characters import after, before, characters

MAX_LINE: Final = 64 * 1024
"""How many bytes of UTF-8 a line holds."""
MAX_WORD: Final = 64
"""How far a word reaches, in code points: so that a key looks at no more of them."""
_SPACES: Final = " \t\n"


class LineBuffer:
    """A line that is edited.

    Attributes:
        text: the line.
        cursor: an index into it, where a character begins or the line ends.
        gathering: whether the last key was a kill, to which the next adds.
    """

    def __init__(self) -> None:
        self.text = ""
        self.cursor = 0
        self.gathering = False
        self._killed = ""

    def replace(self, text: str, cursor: int) -> None:
        """Take another line."""
        self.text, self.cursor = text, cursor

    def insert(self, text: str) -> bool:
        """Insert at the cursor as much of a text as fits; return whether all of it did."""
        fitting = text
        if 4 * (len(self.text) + len(text)) > MAX_LINE:  # it takes some counting
            room = MAX_LINE - len(self.text.encode())
            encoded = text[: room + 1].encode()
            if len(encoded) > room:
                fitting = encoded[:room].decode(errors="ignore")
        self._splice(self.cursor, self.cursor, fitting)
        return len(fitting) == len(text)

    def cut(self, start: int, end: int) -> None:
        """Take a part out."""
        self._splice(start, end, "")

    def kill(self, start: int, end: int) -> None:
        """Take a part out that begins or ends at the cursor, and keep it for `yank`."""
        part, kept = self.text[start:end], self._killed if self.gathering else ""
        if part:
            self._killed = part + kept if start < self.cursor else kept + part
            self.cut(start, end)
        self.gathering = True

    def yank(self) -> bool:
        """Insert what was killed last; return whether all of it did fit."""
        return self.insert(self._killed)

    def transpose(self) -> None:
        """Let the characters before and at the cursor change places, or the last two."""
        middle = self.left() if self.cursor == len(self.text) else self.cursor
        start, end = before(self.text, middle), after(self.text, middle)
        if start < middle:
            self._splice(start, end, self.text[middle:end] + self.text[start:middle])

    def _splice(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        # What is put side by side can become one character, which the cursor must not be inside.
        place = start + len(text)
        self.cursor = after(self.text, before(self.text, place)) if place else 0

    # Where the cursor could go.

    def left(self) -> int:
        """Return where the character before the cursor begins."""
        return before(self.text, self.cursor)

    def right(self) -> int:
        """Return where the character at the cursor ends."""
        return after(self.text, self.cursor)

    def wordLeft(self) -> int:
        """Return where the word before the cursor begins: one of letters and digits."""
        start = max(self.cursor - MAX_WORD, 0)
        passed = list(characters(self.text[start : self.cursor]))
        return self.cursor - _reach(reversed(passed))

    def wordRight(self) -> int:
        """Return where the word behind the cursor ends."""
        return self.cursor + _reach(characters(self.text[self.cursor : self.cursor + MAX_WORD]))

    def argumentLeft(self) -> int:
        """Return where what is between spaces begins before the cursor."""
        passed = self.text[: self.cursor].rstrip(_SPACES)
        return max(map(passed.rfind, _SPACES)) + 1


def _reach(passed: Iterable[str]) -> int:
    """Return how many code points it is to the end of the first word."""
    reach, inWord = 0, False
    for character in passed:
        if character[0].isalnum():
            inWord = True
        elif inWord:
            break
        reach += len(character)
    return reach
