"""Keystrokes: what a terminal sends, cut into text and keys.

Text and keys may be split across reads anywhere. Pasted text comes between two sequences of its
own ("bracketed paste", of xterm's control sequences), so that its line ends are no Enter.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from io import IncrementalNewlineDecoder
from typing import Final, NamedTuple

ENTER: Final = "\r"
INTERRUPT: Final = "\x03"
PASTE_BEGINS: Final = "\x1b[200~"
PASTE_ENDS: Final = "\x1b[201~"

_SEQUENCE = r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}|O)?"  # one that has begun
_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?P<key>[\x00-\x1a\x1c-\x1f\x7f-\x9f]"
    r"|\x1b(?:\[\[[A-E]|\[[0-?]{0,32}[ -/]{0,8}[@-Z\\-~]|O[ -~]|[\x08\x7f]|[^\[O\x00-\x1f\x7f]))"
    rf"|(?P<unfinished>(?:{_SEQUENCE}|\x1b\[\[)\Z)"
    rf"|(?P<stray>{_SEQUENCE})"
)
_TO_DROP = re.compile(
    rf"(?:[^\r\n{INTERRUPT}\x1b]++|\x1b(?!{re.escape(PASTE_BEGINS[1:])}))*+"
    rf"(?P<paste>{re.escape(PASTE_BEGINS)})?"
)
_NEVER_PASTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")


class Text(NamedTuple):
    """Text to insert; pasted text may hold tabs and newlines, and no other control characters."""

    text: str


Keystroke = Text | str
"""Text, or a key: a control character, or an escape sequence. Enter is always ENTER."""


class Keystrokes:
    """Cuts up what is typed.

    Attributes:
        dropping: set this to drop what comes, unparsed, until Enter or ^C: it costs next to
            nothing. Enter and ^C in pasted text do not count.
        dropped: whether something was dropped since this was last set to False.
    """

    def __init__(self) -> None:
        self.dropping = False
        self.dropped = False
        self._unfinished = ""
        self._afterReturn = False
        self._pasting = False
        self._newlines = IncrementalNewlineDecoder(None, translate=True)

    def read(self, text: str) -> Iterator[Keystroke]:
        """Yield the text and the keys that are complete; keep what is not."""
        text = self._unfinished + text
        self._unfinished = ""
        at = 0
        while at < len(text):
            if self._pasting:
                at = yield from self._paste(text, at)
            elif self.dropping:
                at = self._drop(text, at)
            else:
                at = yield from self._token(text, at)

    def forget(self) -> None:
        """Forget the beginning of a sequence that has come, and drop no more."""
        self.dropping = self._afterReturn = False
        if not self._pasting:
            self._unfinished = ""

    def _token(self, text: str, at: int) -> Generator[Keystroke, None, int]:
        token = _TOKEN.match(text, at)
        assert token is not None  # between them the groups take every character
        afterReturn, self._afterReturn = self._afterReturn, False
        if token["text"]:
            yield Text(token["text"])
        elif token["key"]:
            key = token["key"]
            if key == PASTE_BEGINS:
                self._pasting = True
                self._newlines.reset()
            elif key == "\n":
                if not afterReturn:  # CR LF is one Enter
                    yield ENTER
            else:
                self._afterReturn = key == "\r"
                yield key
        elif token["unfinished"]:
            self._unfinished = token["unfinished"]
        return token.end()

    def _paste(self, text: str, at: int) -> Generator[Keystroke, None, int]:
        end = text.find(PASTE_ENDS, at)
        self._pasting = end < 0
        if self._pasting:
            end = self._keepPart(PASTE_ENDS, text)
        if self.dropping:
            self.dropped = True
        else:
            pasted = self._newlines.decode(text[at:end], final=not self._pasting)
            pasted = _NEVER_PASTED.sub("", pasted)
            if pasted:
                yield Text(pasted)
        return len(text) if self._pasting else end + len(PASTE_ENDS)

    def _drop(self, text: str, at: int) -> int:
        dropped = _TO_DROP.match(text, at)
        assert dropped is not None  # it takes nothing, too
        self.dropped = self.dropped or dropped.end() > at
        self._pasting = dropped["paste"] is not None
        if dropped.end() == len(text):
            self._keepPart(PASTE_BEGINS, text)
        else:
            self.dropping = self._pasting
        return dropped.end()

    def _keepPart(self, sequence: str, text: str) -> int:
        """Keep the beginning of a sequence that text ends with; return where it begins."""
        longest = range(len(sequence) - 1, 0, -1)
        kept = next((n for n in longest if text.endswith(sequence[:n])), 0)
        self._unfinished = text[len(text) - kept :]
        return len(text) - kept
