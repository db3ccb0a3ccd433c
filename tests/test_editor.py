"""The line editor, as it is seen on the screen of a terminal emulator."""

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshecho.ssh.editor import MAX_HISTORY, MAX_LINE, MAX_MARKS, EndOfInput, Interrupt, LineEditor

LEFT, RIGHT, UP, DOWN = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B"
HOME, END, DELETE = "\x1b[H", "\x1b[F", "\x1b[3~"


class Seat:
    """A person at a terminal with an editor."""

    def __init__(self, columns=20, rows=6):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.drawn = []
        self.lines = []
        self.ended = False
        self.editor = LineEditor(self.draw, columns)
        self.editor.show()

    def draw(self, text):
        self.drawn.append(text)
        self.stream.feed(text)

    def type(self, *keys):
        for key in keys:
            for event in self.editor.feed(key):
                if isinstance(event, EndOfInput):
                    self.ended = True
                    continue
                if not isinstance(event, Interrupt):
                    self.lines.append(event)
                self.editor.show()
        return self

    def enter(self, *keys):
        return self.type(*keys, "\r").lines.pop()

    @property
    def shown(self):
        return [row.rstrip() for row in self.screen.display if row.strip()]

    @property
    def cursor(self):
        return self.screen.cursor.y, self.screen.cursor.x


def test_typing():
    """What is typed is seen behind the prompt, and Enter ends the line."""
    seat = Seat().type("h", "e", "llo")
    assert seat.shown == ["> hello"]
    assert seat.cursor == (0, 7)
    assert seat.enter() == "hello"
    assert seat.shown == ["> hello", ">"]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["abc", LEFT, LEFT, "X"], "aXbc"),
        (["abc", "\x02\x02", "X", "\x06", "Y"], "aXbYc"),
        (["abc", HOME, "X", END, "Y"], "XabcY"),
        (["abc", "\x01", "X", "\x05", "Y"], "XabcY"),
        (["abc", "\x1bOH", "X", "\x1bOF", "Y"], "XabcY"),
        (["abc", "\x1b[1~", "X", "\x1b[4~", "Y"], "XabcY"),
        (["abc", "\x7f"], "ab"),
        (["abc", "\x08\x08"], "a"),
        (["abc", LEFT, LEFT, "\x7f"], "bc"),
        (["abc", HOME, DELETE], "bc"),
        (["abc", HOME, "\x04"], "bc"),
        (["abc", LEFT, "\x0b"], "ab"),
        (["abc", LEFT, "\x15"], "c"),
        (["one two  ", "\x17"], "one "),
        (["one", "\x17\x17"], ""),
        (["\x7f", LEFT, RIGHT, DELETE, "\x17", "a"], "a"),
        (["a\tb"], "a    b"),
        (["abc", "\x03", "d"], "d"),
        (["a", "\x1a", "\x00", "\x1b[15~", "\x1b[1;5X", "\x1bx", "\x9b", "b"], "ab"),
        (["\x1b", "[", "D", "a"], "a"),
        (["a", "\x1b", "\x1b", "[D", "b"], "ba"),
        (["a\x1b[\x01b"], "ba"),
        (["abc", "\x1b", "\x7f"], "ab"),
    ],
)
def test_keys(keys, line):
    """Each key does what it does in a shell, and an unknown one does nothing."""
    assert Seat().enter(*keys) == line


def test_characters():
    """Wide, combining and non-ASCII characters are edited as the characters they are."""
    seat = Seat().type("\u6f22\u5b57e\u0301")
    assert seat.cursor == (0, 2 + 2 + 2 + 1)
    seat.type(LEFT)
    assert seat.cursor == (0, 6)
    seat.type("\x7f")
    assert seat.cursor == (0, 4)
    assert seat.enter("\u00fc") == "\u6f22\u00fce\u0301"


def test_longer_than_the_window():
    """A line that wraps is edited across its rows."""
    seat = Seat(columns=10).type("12345678")
    assert seat.cursor == (1, 0)
    seat.type("9abcdefghijk")
    assert seat.shown == ["> 12345678", "9abcdefghi", "jk"]
    seat.type(HOME, "X")
    assert seat.shown == ["> X1234567", "89abcdefgh", "ijk"]
    assert seat.cursor == (0, 3)
    seat.type(END, "\x7f", "\x7f", "\x7f")
    assert seat.shown == ["> X1234567", "89abcdefgh"]
    assert seat.cursor == (2, 0)
    assert seat.enter() == "X123456789abcdefgh"


def test_a_wide_character_at_the_margin():
    """A wide character that does not fit into a row begins the next."""
    editor = Seat(columns=6).type("abc\u6f22").editor
    assert (editor._row, editor._column) == (1, 2)  # the emulator cuts it in two instead


def test_resize():
    """The line is drawn anew for another width."""
    seat = Seat(columns=20).type("0123456789")
    seat.screen.resize(6, 12)
    seat.editor.resize(12)
    seat.editor.refresh()
    assert seat.shown == ["> 0123456789"]
    assert seat.cursor == (1, 0)


def test_output_above_the_prompt():
    """The prompt gives way to what is shown meanwhile, and comes back below it."""
    seat = Seat(columns=10).type("0123456789", LEFT)
    seat.editor.hide()
    seat.draw("news\r\n")
    seat.editor.show()
    assert seat.shown == ["news", "> 01234567", "89"]
    assert seat.cursor == (2, 1)


def test_interrupt():
    """^C leaves the line where it is and begins another."""
    seat = Seat().type("abc", LEFT, "\x03")
    assert seat.shown == ["> abc^C", ">"]
    assert seat.cursor == (1, 2)


def test_clear_screen():
    """^L leaves only the line."""
    seat = Seat().type("one\r", "two", LEFT, "\x0c")
    assert seat.shown == ["> two"]
    assert seat.cursor == (0, 4)


def test_end_of_input():
    """^D ends the input on an empty line, and nowhere else."""
    assert not Seat().type("a", "\x04").ended
    assert Seat().type("a", "\x7f", "\x04").ended


def test_line_ends():
    """CR, LF and CR LF each end one line, in whatever pieces."""
    assert Seat().type("a\rb\nc\r\nd\r", "\n", "\n").lines == ["a", "b", "c", "d", ""]


def test_history():
    """Up and down go through the lines before, and keep the one that was begun."""
    seat = Seat().type("one\r", "two\r", "\r", "two\r", "draft")
    assert seat.type(UP).shown[-1] == "> two"
    assert seat.type(UP).shown[-1] == "> one"
    assert seat.type(UP).shown[-1] == "> one"
    assert seat.type(DOWN).shown[-1] == "> two"
    assert seat.type("\x0e").shown[-1] == "> draft"
    assert seat.type(DOWN).shown[-1] == "> draft"
    assert seat.enter("\x10\x10", "!") == "one!"


def test_history_is_bounded():
    """However much is typed, the history holds no more than its bound."""
    seat = Seat()
    for number in range(20):
        seat.type(f"{number:5}" * 2000 + "\r")
    assert sum(map(len, seat.editor._history)) <= MAX_HISTORY
    assert seat.editor._history[-1].startswith("   19")


def test_too_long_a_line():
    """What comes beyond the bound is dropped up to Enter, with one bell a read."""
    seat = Seat()
    seat.type("x" * (MAX_LINE - 1))
    assert "\a" not in "".join(seat.drawn)
    seat.drawn.clear()
    seat.type("yz" + "\x7f" * 1000 + "z" * 1000)
    assert "".join(seat.drawn).count("\a") == 1
    seat.drawn.clear()
    seat.type("z" * 1000)
    assert seat.drawn == ["\a"]
    assert seat.enter("z") == "x" * (MAX_LINE - 1) + "y"
    assert seat.enter("next") == "next"


def test_typing_draws_only_what_is_new():
    """At the end of a line a character costs one character, however long the line is."""
    seat = Seat().type("x" * 10_003)
    seat.drawn.clear()
    seat.type("y")
    assert "".join(seat.drawn) == "y"


@pytest.mark.parametrize("key", [LEFT, "\x0c", HOME + "x", UP + DOWN, DELETE, "\x17y"])
def test_a_read_is_drawn_once(key):
    """However many keys come in one read, they cost one drawing of the line."""
    seat = Seat(rows=300).type("0" * 1000 + "\r", "1" * 4000, LEFT)
    seat.drawn.clear()
    seat.type(key * 500)
    assert len("".join(seat.drawn)) < 8000


def test_many_marks():
    """However many combining marks are typed, one key looks at a few of them."""
    seat = Seat().type("e" + "\u0301" * 1000, LEFT, "x")
    assert seat.enter() == "e" + "\u0301" * (1000 - MAX_MARKS) + "x" + "\u0301" * MAX_MARKS


def test_many_lines(monkeypatch):
    """The history forgets its oldest lines one at a time, whatever their number."""
    monkeypatch.setattr("sshecho.ssh.editor.MAX_HISTORY_LINES", 3)
    seat = Seat().type("".join(f"{number}\r" for number in range(10)))
    assert seat.editor._history == ["7", "8", "9"]
    assert seat.editor._historySize == 3


KEYS = st.one_of(
    st.text(max_size=8),
    st.sampled_from([LEFT, RIGHT, UP, DOWN, HOME, END, DELETE, "\x7f", "\x17", "\x0b", "\x15"]),
)


@given(st.lists(KEYS, max_size=30))
def test_nothing_raw_reaches_the_terminal(keys):
    """Whatever is typed, the terminal gets no control character but the editor's own."""
    seat = Seat(columns=7, rows=40)
    seat.type(*keys)
    drawn = "".join(seat.drawn)
    for own in ("\x1b[J", "\x1b[H\x1b[2J", "\r", "\n", "\a"):
        drawn = drawn.replace(own, "")
    import re

    drawn = re.sub(r"\x1b\[\d+[ABC]", "", drawn)
    assert drawn.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f]", drawn)


@given(
    st.lists(
        st.one_of(
            st.sampled_from("ab \u00fc"),
            st.sampled_from([LEFT, RIGHT, HOME, END, DELETE, "\x7f", "\x17"]),
        ),
        max_size=40,
    )
)
def test_the_screen_shows_the_line(keys):
    """After any keys the screen shows the prompt and the line, and nothing else."""
    seat = Seat(columns=9, rows=30)
    seat.type(*keys)
    shown = "".join(row for row in seat.screen.display).replace(" ", "")
    line = seat.enter()
    assert shown == ("> " + line).replace(" ", "")
