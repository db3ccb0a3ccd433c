"""The line editor at a terminal that knows no escape sequences."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_editor import DELETE, END, HOME, LEFT, RIGHT, SEARCH, UP, YANK, Seat
from wcwidth import wcswidth

from sshecho.ssh.editor import LineEditor
from sshecho.ssh.editor.linebuffer import MAX_LINE


class DumbSeat(Seat):
    """A person at such a terminal."""

    def __init__(self, columns=80, rows=6, prompt="> "):
        super().__init__(columns, rows)
        self.screen.reset()
        self.drawn.clear()
        self.editor = LineEditor(self.draw, columns, rows, prompt, dumb=True)
        self.editor.show()


def test_nothing_but_what_is_typed():
    """What is typed is all that is shown, behind the prompt."""
    seat = DumbSeat(prompt="switch#").type(*"show", " version")
    assert "".join(seat.drawn) == "switch#show version"
    assert seat.enter() == "show version"
    assert "".join(seat.drawn) == "switch#show version\r\nswitch#"


def test_erased():
    """What is erased is overwritten with spaces."""
    seat = DumbSeat().type("ab")
    seat.drawn.clear()
    assert "".join(seat.type("\x7f").drawn) == "\b \b"


EDITS = st.sampled_from([LEFT, RIGHT, HOME, END, DELETE, UP, YANK, "\x7f", "\x0b", "\x17", "\r"])
LETTERS = st.text("ab \u6f22", max_size=4)


@given(st.lists(EDITS | LETTERS, max_size=20))
def test_edits_are_seen(keys):
    """However a line is edited, the terminal shows it as it is, with the cursor in its place."""
    seat = DumbSeat(columns=200, rows=40).type(*keys)
    line = seat.editor._line
    row = seat.screen.display[seat.screen.cursor.y]
    assert row.rstrip() == f"> {line.text}".rstrip()
    assert seat.screen.cursor.x == 2 + wcswidth(line.text[: line.cursor])


@given(st.lists(EDITS | st.text(max_size=8) | st.sampled_from(["\t", SEARCH, "\x0c"]), max_size=30))
def test_no_escape_sequences(keys):
    """Whatever is typed into however few columns, there are no escape sequences."""
    seat = DumbSeat(columns=7).type(*keys)
    assert not re.search(r"[\x00-\x06\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", "".join(seat.drawn))


def test_more_than_a_row():
    """An edit in a line of several rows shows what is before the cursor, in a new row."""
    seat = DumbSeat(columns=10).type("abcdefghijklm", LEFT)
    assert seat.shown == ["> abcdefgh", "ijklm", "defghijkl"]
    assert seat.type("X").shown[-1] == "efghijklX"
    assert seat.enter() == "abcdefghijklXm"


@pytest.mark.parametrize("keys", [[LEFT], ["\x7f"], [LEFT, "x"], ["\r", UP], ["\x15", YANK]])
def test_bounded(keys):
    """A key draws no more than a window full, however long the line is."""
    seat = DumbSeat(columns=80, rows=24).type("x" * (MAX_LINE - 1))
    for key in keys:
        seat.drawn.clear()
        seat.type(key)
        assert len("".join(seat.drawn)) <= 80 * 24 + 10
