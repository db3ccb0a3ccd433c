"""The line editor proper: lines, events, and the keys that go beyond the line.

What a read brings about is drawn once, at its end: however many keys are in it, they cost no
more than one drawing of the window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sshecho.ssh.editor.characters import boundary
from sshecho.ssh.editor.edits import EDITS, KILLS
from sshecho.ssh.editor.history import History, Search
from sshecho.ssh.editor.keystrokes import ENTER, INTERRUPT, Keystrokes, Text
from sshecho.ssh.editor.layout import UNSEEN
from sshecho.ssh.editor.linebuffer import LineBuffer
from sshecho.ssh.editor.screen import Screen

PROMPT: Final = "> "
_PASTE_ON: Final = "\x1b[?2004h"
_PASTE_OFF: Final = "\x1b[?2004l"


class EndOfInput:
    """The person has ended the input: ^D on an empty line."""


class Interrupt:
    """The person has given up the line: ^C."""


class Breath:
    """Some keys have been pressed, and nothing has become of them yet: a time to pause."""


Event = str | EndOfInput | Interrupt | Breath
"""What becomes of what is typed: a line, or one of the three."""

_KEYS_A_BREATH: Final = 64


class LineEditor:
    """Edits one line after another.

    Args:
        draw: takes what the terminal must show.
        columns: the width of the terminal in characters.
        rows: its height.
        prompt: what each line is shown behind.
    """

    def __init__(
        self, draw: Callable[[str], None], columns: int, rows: int, prompt: str = PROMPT
    ) -> None:
        self._draw = draw
        self._prompt = prompt
        self._keystrokes = Keystrokes()
        self._line = LineBuffer()
        self._history = History()
        self._search: Search | None = None
        self._screen = Screen(draw, columns, rows)
        self._full = False  # whether something did not fit

    # What the owner does.

    def feed(self, text: str) -> Iterator[Event]:
        """Edit; yield each line that is ended, each that is given up, and the end of the input.

        Between them comes a breath now and then: a long line makes each key dear.

        The caller shows what it will of a line, and then calls `show` for the next. A line that
        was pasted may hold newlines.
        """
        for number, keystroke in enumerate(self._keystrokes.read(text), 1):
            if number % _KEYS_A_BREATH == 0:
                yield Breath()
            if isinstance(keystroke, Text):
                self._type(keystroke.text)
            else:
                yield from self._press(keystroke)
        self.refresh()
        if self._full or self._keystrokes.dropped:
            self._full = self._keystrokes.dropped = False
            self._draw("\a")

    def interrupt(self) -> Iterator[Event]:
        """Give up the line, whatever it is in the middle of: what ^C does, but from outside."""
        self._keystrokes.forget()
        self._endSearch()
        yield from self._giveUp()

    def show(self) -> None:
        """Show the prompt and the line where the terminal's cursor stands."""
        self._draw(_PASTE_ON)
        self.refresh()

    def hide(self) -> None:
        """Take the prompt and the line away, so that something can be shown in their place."""
        self._screen.hide()

    def leave(self, mark: str = "") -> None:
        """Leave the line where it is, with a mark behind it, and go to the next row."""
        self._line.cursor = len(self._line.text)
        self.refresh()
        self._draw(f"{mark}{_PASTE_OFF}\r\n")
        self._screen.forget()

    def refresh(self) -> None:
        """Let the screen show the line and the cursor as they are."""
        prompt = self._search.prompt if self._search else self._prompt
        if boundary(prompt + self._line.text[:1], len(prompt)) < len(prompt):
            prompt += UNSEEN  # an accent without a letter is not to go to the prompt's space
        self._screen.show(prompt + self._line.text, len(prompt) + self._line.cursor)

    def resize(self, columns: int, rows: int) -> None:
        """Draw for another size from the next `refresh` on."""
        self._screen.resize(columns, rows)

    # What is typed.

    def _type(self, text: str) -> None:
        self._line.gathering = False
        if self._search:
            self._search.extend(text)
            self._showFound()
        elif not self._line.insert(text):
            self._full = self._keystrokes.dropping = True

    def _press(self, key: str) -> Iterator[Event]:
        if self._search and self._searchOn(key):
            return
        if key == ENTER:
            yield self._enter()
        elif key == INTERRUPT:
            yield from self._giveUp()
        elif key == "\x04" and not self._line.text:
            self.refresh()
            yield EndOfInput()
        else:
            self._line.gathering = self._line.gathering and key in KILLS
            if key in EDITS:
                EDITS[key](self._line)
            elif key in _KEYS:
                _KEYS[key](self)

    def _enter(self) -> str:
        line = self._line.text
        self.leave()
        self._history.add(line)
        self._line.replace("", 0)
        return line

    def _giveUp(self) -> Iterator[Event]:
        self.leave("^C")
        self._history.leave()
        self._line.replace("", 0)
        yield Interrupt()

    # Keys that go beyond the line.

    def _yank(self) -> None:
        self._full = not self._line.yank() or self._full

    def _clearScreen(self) -> None:
        self._screen.clear()

    def _earlier(self) -> None:
        self._browse(self._history.at - 1)

    def _later(self) -> None:
        self._browse(self._history.at + 1)

    def _browse(self, at: int) -> None:
        line = self._history.goTo(at, self._line.text)
        if line is not None:
            self._line.replace(line, len(line))

    def _beginSearch(self) -> None:
        self._search = Search(self._history, self._line.text, self._line.cursor)

    def _searchOn(self, key: str) -> bool:
        """Return whether a key belongs to the search; any other ends it."""
        assert self._search is not None
        if key == "\x12":
            self._search.further()
        elif key in ("\x08", "\x7f"):
            self._search.shorten()
        elif key in ("\x07", INTERRUPT):
            self._line.replace(*self._search.origin)
            self._search = None
            return True
        else:
            self._endSearch()
            return False
        self._showFound()
        return True

    def _showFound(self) -> None:
        assert self._search is not None
        self._line.replace(self._search.text, self._search.cursor)

    def _endSearch(self) -> None:
        """Stay at the line that was found."""
        if self._search and self._search.at is not None:
            self._history.goTo(self._search.at, self._search.origin[0])
        self._search = None


_Action = Callable[[LineEditor], None]

_KEYS: Final[dict[str, _Action]] = {
    "\t": lambda editor: editor._type("\t"),
    "\x0c": LineEditor._clearScreen,
    "\x12": LineEditor._beginSearch,
    "\x19": LineEditor._yank,
    **dict.fromkeys(("\x10", "\x1b[A", "\x1bOA"), LineEditor._earlier),
    **dict.fromkeys(("\x0e", "\x1b[B", "\x1bOB"), LineEditor._later),
}
