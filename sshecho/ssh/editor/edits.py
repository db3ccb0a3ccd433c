"""Edits: which key does what to the line, as in readline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sshecho.ssh.editor.linebuffer import LineBuffer

_Edit = Callable[[LineBuffer], None]


def _moveTo(place: Callable[[LineBuffer], int]) -> _Edit:
    def move(line: LineBuffer) -> None:
        line.cursor = place(line)

    return move


def _start(_line: LineBuffer) -> int:
    return 0


def _end(line: LineBuffer) -> int:
    return len(line.text)


def _backspace(line: LineBuffer) -> None:
    line.cut(line.left(), line.cursor)


def _delete(line: LineBuffer) -> None:
    line.cut(line.cursor, line.right())


def _killTo(place: Callable[[LineBuffer], int]) -> _Edit:
    def kill(line: LineBuffer) -> None:
        start, end = sorted((line.cursor, place(line)))
        line.kill(start, end)

    return kill


KILLS: Final[dict[str, _Edit]] = {
    "\x0b": _killTo(_end),
    "\x15": _killTo(_start),
    "\x17": _killTo(LineBuffer.argumentLeft),
    "\x1bd": _killTo(LineBuffer.wordRight),
    **dict.fromkeys(("\x1b\x08", "\x1b\x7f"), _killTo(LineBuffer.wordLeft)),
}
"""The keys whose text ^Y brings back; those that are pressed in a row gather it."""

EDITS: Final[dict[str, _Edit]] = {
    **dict.fromkeys(("\x01", "\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"), _moveTo(_start)),
    **dict.fromkeys(("\x05", "\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"), _moveTo(_end)),
    **dict.fromkeys(("\x02", "\x1b[D", "\x1bOD"), _moveTo(LineBuffer.left)),
    **dict.fromkeys(("\x06", "\x1b[C", "\x1bOC"), _moveTo(LineBuffer.right)),
    # Alt with a letter, and what terminals send for Ctrl or Alt with an arrow.
    **dict.fromkeys(("\x1bb", "\x1b[1;5D", "\x1b[1;3D"), _moveTo(LineBuffer.wordLeft)),
    **dict.fromkeys(("\x1bf", "\x1b[1;5C", "\x1b[1;3C"), _moveTo(LineBuffer.wordRight)),
    **dict.fromkeys(("\x08", "\x7f"), _backspace),
    **dict.fromkeys(("\x04", "\x1b[3~"), _delete),
    "\x14": LineBuffer.transpose,
    **KILLS,
}
"""The keys that do something to the line alone."""
