"""The line editor, as it is seen on the screen of a terminal emulator."""

import re
import unicodedata

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes, wcswidth

from sshecho.ssh.editor import Breath, EndOfInput, Interrupt, LineEditor
from sshecho.ssh.editor.characters import LONGEST
from sshecho.ssh.editor.history import MAX_HISTORY, MAX_QUERY
from sshecho.ssh.editor.linebuffer import MAX_LINE

LEFT, RIGHT, UP, DOWN = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B"
HOME, END, DELETE = "\x1b[H", "\x1b[F", "\x1b[3~"
WORD_LEFT, WORD_RIGHT, SEARCH, YANK = "\x1bb", "\x1bf", "\x12", "\x19"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG, OTHER_FLAG = "\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"
THUMB, HEART, ACCENTED, HAN = "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "e\u0301", "\u6f22"


def paste(text):
    return f"\x1b[200~{text}\x1b[201~"


class Emulator(pyte.Screen):
    """The emulator, but for an accent at the margin: it would go to the next row for it."""

    def draw(self, data):
        for character in data:
            if self.cursor.x < self.columns or not unicodedata.combining(character):
                super().draw(character)


class Seat:
    """A person at a terminal with an editor."""

    def __init__(self, columns=20, rows=6):
        self.screen = Emulator(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.drawn = []
        self.lines = []
        self.ended = False
        self.editor = LineEditor(self.draw, columns, rows)
        self.editor.show()

    def draw(self, text):
        self.drawn.append(text)
        self.stream.feed(text)

    def type(self, *keys):
        for key in keys:
            for event in self.editor.feed(key):
                if isinstance(event, Breath):
                    continue
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
        (["a\tb"], "a\tb"),
        (["one two,three", WORD_LEFT, "X", WORD_LEFT, WORD_LEFT, "Y"], "one Ytwo,Xthree"),
        (["one two", HOME, WORD_RIGHT, "X", WORD_RIGHT, WORD_RIGHT, "Y"], "oneX twoY"),
        (["one two", "\x1b[1;5D", "X", HOME, "\x1b[1;5C", "Y"], "oneY Xtwo"),
        (["nai\u0308ve", WORD_LEFT, "X"], "Xnai\u0308ve"),
        (["one two.three", "\x1b\x7f", "\x1b\x08"], "one "),
        (["one two", HOME, "\x1bd", "\x1bd", "\x1bd"], ""),
        (["one two", HOME, "\x0b", "x", YANK, YANK], "xone twoone two"),
        (["one two three", "\x17", "\x17", HOME, YANK], "two threeone "),
        (["one two three", "\x17", END, "\x17", YANK], "one two "),
        (["abcd", LEFT, LEFT, "\x15", "\x0b", YANK, YANK], "abcdabcd"),
        (["abcd", LEFT, "\x0b", "\x0b", YANK], "abcd"),
        ([YANK, "a"], "a"),
        (["abc", "\x14", "d"], "acbd"),
        (["abc", HOME, RIGHT, "\x14", "X"], "baXc"),
        (["abc", HOME, "\x14", "X"], "Xabc"),
        (["a", "\x14", "b"], "ab"),
        ([ACCENTED + FAMILY, "\x14"], FAMILY + ACCENTED),
        ([FLAG + THUMB + HEART, LEFT, "\x7f", LEFT, DELETE], HEART),
        (["x" + FLAG + OTHER_FLAG, "\x7f"], "x" + FLAG),
        (["a\U0001f468", "\u200d", "\U0001f469", LEFT, "b"], "ab\U0001f468\u200d\U0001f469"),
        (["\U0001f468\U0001f469", LEFT, "\u200d", "x"], "\U0001f468\u200d\U0001f469x"),
        ([paste("a\tb")], "a\tb"),
        ([paste("one\rtwo\r\nthree\nfour"), "!"], "one\ntwo\nthree\nfour!"),
        ([paste("\x03a\x1b[Db\x9b\x00\x7fc\x04")], "a[Dbc"),
        (["a", "\x1b[200", "~b\r", "\nc\x1b[20", "1~d"], "ab\ncd"),
        (["a", "\x1b[201~", "b"], "ab"),
        (["a\x1b[[Ab"], "ab"),
        (["abc", "\x03", "d"], "d"),
        (["a", "\x1a", "\x00", "\x1b[15~", "\x1b[1;5X", "\x1bx", "\x9b", "b"], "ab"),
        (["\x1b", "[", "D", "a"], "a"),
        (["a", "\x1b", "\x1b", "[D", "b"], "ba"),
        (["a\x1b[\x01b"], "ba"),
        (["abc", "\x1b", "\x7f"], ""),
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
    seat = Seat(columns=6).type("abc", HAN)
    assert seat.shown == ["> abc", HAN]
    assert seat.cursor == (1, 2)
    seat.type("\x7f", "d")
    assert seat.shown == ["> abcd"]


@pytest.mark.parametrize("emoji", [FAMILY, FLAG, THUMB, HEART, "1\ufe0f\u20e3"])
def test_emoji(emoji):
    """What follows an emoji stands two columns behind it, however wide the terminal takes it."""
    seat = Seat(columns=10).type("a" + emoji, "b", LEFT, LEFT)
    assert seat.cursor == (0, 3)
    assert seat.screen.buffer[0][5].data == "b"
    seat.type(END, emoji + emoji, "c")
    assert seat.screen.buffer[1][0].data == "c"
    assert seat.cursor == (1, 1)
    assert seat.enter() == "a" + emoji + "b" + emoji + emoji + "c"


def test_what_has_no_width():
    """What can't be seen by itself is shown as a dotted circle, and comes back as it is."""
    seat = Seat().type("\u0301", "a\u202eb", HOME)
    assert seat.cursor == (0, 2)
    assert seat.shown == ["> \u25cc\u0301a\u25ccb"]
    assert seat.enter() == "\u0301a\u202eb"


def test_higher_than_the_window():
    """Of a line with more rows than the window those around the cursor are seen."""
    seat = Seat(columns=10, rows=3).type("0123456789" * 4)
    assert seat.shown == ["8901234567", "8901234567", "89"]
    seat.type(HOME)
    assert seat.shown == ["> 01234567", "8901234567", "8901234567"]
    assert seat.cursor == (0, 2)
    seat.type("X")
    assert seat.shown == ["> X0123456", "7890123456", "7890123456"]
    seat.type(END, LEFT * 8)
    assert seat.cursor == (1, 5)
    assert seat.enter("Y") == "X" + "0123456789" * 3 + "01Y23456789"


@pytest.mark.parametrize("columns", [12, 20, 40])
def test_resize(columns):
    """The line is drawn anew for another width, and nothing of the old drawing stays."""
    seat = Seat(columns=20).type("0123456789" * 2, LEFT)
    seat.screen.resize(6, columns)
    seat.editor.resize(columns, 6)
    seat.editor.refresh()
    assert "".join(seat.shown) == "> " + "0123456789" * 2
    assert seat.cursor == divmod(21, columns)


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


def test_search():
    """^R finds the newest line with what is typed, and each ^R an older one."""
    seat = Seat(columns=60).type("apple pie\r", "apple\r", "pie\r", "apple\r", "draft", SEARCH)
    assert seat.shown[-1] == "(reverse-i-search)`': draft"
    assert seat.type("a", "p").shown[-1] == "(reverse-i-search)`ap': apple"
    assert seat.cursor[1] == len("(reverse-i-search)`ap': ")
    assert seat.type(SEARCH).shown[-1] == "(reverse-i-search)`ap': apple pie"
    assert seat.type(SEARCH).shown[-1] == "(failed reverse-i-search)`ap': apple pie"
    assert seat.type("x").shown[-1] == "(failed reverse-i-search)`apx': apple pie"
    assert seat.type("\x7f").shown[-1] == "(reverse-i-search)`ap': apple"
    assert seat.type("\x08\x7f").shown[-1] == "(reverse-i-search)`': draft"
    assert seat.type("ple p").shown[-1] == "(reverse-i-search)`ple p': apple pie"
    assert seat.enter() == "apple pie"
    assert seat.shown[-2:] == ["> apple pie", ">"]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["dra", SEARCH, "one", "\x07", "ft"], "draft"),
        (["dra", SEARCH, "one", "\x03", "ft"], "draft"),
        ([SEARCH, "tw", LEFT, "X"], "oneX two"),
        ([SEARCH, "tw", END, "X"], "one twoX"),
        ([SEARCH, "tw", UP, "X"], "zeroX"),
        (["draft", SEARCH, "tw", DOWN, DOWN], "draft"),
        ([SEARCH, "nothing", "\x01", "X"], "X"),
        ([SEARCH, SEARCH, "z" * 1000, "\x1b[15~", "X"], "X"),
    ],
)
def test_how_a_search_ends(keys, line):
    """^G and ^C give a search up; any other key takes what is found and does what it does."""
    assert Seat(columns=60).type("zero\r", "one two\r", "last\r").enter(*keys) == line


def test_a_query_is_bounded():
    """One can search for so much and no more."""
    seat = Seat(columns=1000).type(SEARCH, "q" * 1000)
    assert seat.shown[-1].count("q") == MAX_QUERY


def test_pasted_lines():
    """Pasted lines are shown as lines, are edited as one, and wait for Enter."""
    seat = Seat().type(paste("one\rtwo\tx\r"), "three")
    assert seat.lines == []
    assert seat.shown == ["> one", "two     x", "three"]
    seat.type(LEFT * 6, "!")
    assert seat.shown == ["> one", "two     x!", "three"]
    assert seat.cursor == (1, 10)
    seat.type("\r")
    assert seat.lines == ["one\ntwo\tx!\nthree"]
    assert seat.type(UP).shown[-3:] == ["> one", "two     x!", "three"]


def test_paste_is_announced():
    """The terminal is asked to mark what is pasted for as long as a line is edited."""
    seat = Seat()
    assert seat.drawn[0] == "\x1b[?2004h"
    for key, mark in [("\r", ""), ("\x03", "^C")]:
        seat.drawn.clear()
        seat.type(key)
        assert seat.drawn[:2] == [f"{mark}\x1b[?2004l\r\n", "\x1b[?2004h"]


def test_history_is_bounded():
    """However much is typed, the history holds no more than its bound."""
    seat = Seat()
    for number in range(20):
        seat.type(f"{number:5}" * 2000 + "\r")
    lines = seat.editor._history.lines
    assert sum(map(len, lines)) <= MAX_HISTORY
    assert lines[-1].startswith("   19")


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


@pytest.mark.parametrize("character", ["\u00fc", HAN, "\U0001f600"])
def test_a_line_is_bounded_in_bytes(character):
    """A line holds so many bytes of UTF-8, and no broken character."""
    line = Seat().enter("x", character * MAX_LINE)
    assert MAX_LINE - 4 < len(line.encode()) <= MAX_LINE
    assert set(line[1:]) == {character}


@pytest.mark.parametrize(
    "beyond",
    [
        ["z\x03"],
        [paste("a\rb\x03c"), "\x03"],
        ["z\x1b[20", "0~a\rb", "\x1b[201", "~\x1b[D\x03"],
    ],
)
def test_too_long_is_given_up(beyond):
    """^C gives up a line that is too long; the line ends that are pasted into it end nothing."""
    seat = Seat().type("x" * MAX_LINE, *beyond)
    assert seat.lines == []
    assert seat.enter("next") == "next"


def test_too_much_killed_and_yanked():
    """What is brought back is bounded as what is typed, and a bell says so."""
    seat = Seat().type("x" * 40_000, "\x15", YANK)
    seat.drawn.clear()
    seat.type(YANK)
    assert seat.drawn[-1] == "\a"
    assert seat.enter("\x7f") == "x" * (MAX_LINE - 1)


def test_interrupt_from_outside():
    """An interrupt gives up the line, a search and half a key."""
    for keys in (["abc", LEFT], ["abc", SEARCH, "x"], ["\x1b["], ["x" * MAX_LINE, "x"]):
        seat = Seat(rows=2).type(*keys)
        assert [type(event) for event in seat.editor.interrupt()] == [Interrupt]
        seat.editor.show()
        assert seat.shown[-1] == ">"
        assert seat.enter("Done") == "Done"


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
    marks, rest = seat.enter().removeprefix("e").split("x")
    assert len(marks + rest) == 1000
    assert 0 < len(rest) <= LONGEST


def test_many_lines(monkeypatch):
    """The history forgets its oldest lines one at a time, whatever their number."""
    monkeypatch.setattr("sshecho.ssh.editor.history.MAX_HISTORY_LINES", 3)
    seat = Seat().type("".join(f"{number}\r" for number in range(10)))
    assert seat.editor._history.lines == ["7", "8", "9"]
    assert seat.editor._history._size == 3


KEYS = st.sampled_from(
    [LEFT, RIGHT, UP, DOWN, HOME, END, DELETE, WORD_LEFT, WORD_RIGHT, SEARCH, YANK, "\r", "\x03"]
    + list("\x7f\x17\x0b\x15\x14\x0c\x07")
)


@given(st.lists(st.text(max_size=8) | KEYS | st.text(max_size=8).map(paste), max_size=30))
def test_nothing_raw_reaches_the_terminal(keys):
    """Whatever is typed, the terminal gets no control character but the editor's own."""
    seat = Seat(columns=7, rows=5)
    seat.type(*keys)
    own = r"\x1b\[(J|K|H|2J|\d+[ABCG]|\?(2004|7)[hl])|[\r\n\a]"
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", re.sub(own, "", "".join(seat.drawn)))


def laidOut(text, columns):
    """Return the rows of a text, and where each character begins and the text ends."""
    rows, places, at = [""], {}, 0
    for character in iter_graphemes(text):
        shown = character if wcswidth(character) else "\u25cc"
        column = wcswidth(rows[-1])
        cells = {"\t": min(8 - column % 8, columns - column), "\n": 0}.get(character)
        cells = wcswidth(character) or 1 if cells is None else cells
        if column + cells > columns:
            rows.append("")
        places[at] = len(rows) - 1, wcswidth(rows[-1])
        at += len(character)
        rows[-1] += " " * cells if character in "\t\n" else shown
        if character == "\n" or wcswidth(rows[-1]) == columns:
            rows.append("")
    places[at] = len(rows) - 1, wcswidth(rows[-1])
    return rows, places


def withoutAccents(rows):
    """Return rows without what the emulator shows in some places only."""
    return [unicodedata.normalize("NFD", row).replace("\u0301", "").rstrip() for row in rows]


def assertShown(seat):
    """The window shows the prompt and the line, or those rows around the cursor that fit."""
    line = seat.editor._line
    prompt = seat.editor._search.prompt if seat.editor._search else "> "
    prompt += "\u25cc" * line.text.startswith("\u0301")
    rows, places = laidOut(prompt + line.text, seat.screen.columns)
    row, column = places[max(at for at in places if at <= len(prompt) + line.cursor)]
    assert seat.cursor[1] == column
    above = seat.cursor[0] - row  # the rows of the window above the line; negative if it is cut
    display, expected = map(withoutAccents, (seat.screen.display, rows))
    if above < 0:
        assert len(rows) + above >= seat.screen.lines
        expected = expected[-above:]
    below = display[max(above, 0) :]
    assert below == (expected + [""] * len(below))[: len(below)]


LETTERS = st.text(st.sampled_from(["a", "b", " ", "\u00fc", HAN, "\u0301", "\t"]), max_size=9)
PASTES = st.text(st.sampled_from("ab\n\t\u6f22"), max_size=9).map(paste)


@pytest.mark.parametrize(("columns", "rows"), [(9, 30), (9, 4), (40, 4)])
@given(data=st.data())
def test_the_screen_shows_the_line(columns, rows, data):
    """After each key, and in a window of each width, the line and the cursor are in place."""
    seat = Seat(columns, rows)
    widths = st.integers(8, 40)
    for step in data.draw(st.lists(LETTERS | PASTES | KEYS | widths, max_size=25)):
        if isinstance(step, int):
            seat.screen.resize(rows, step)
            seat.editor.resize(step, rows)
            seat.editor.refresh()
        else:
            seat.type(step)
        assertShown(seat)


def test_a_row_that_ends_elsewhere():
    """What goes from a row's end is not left there when a wide character begins the next."""
    seat = Seat(columns=9, rows=4).type("aaaaaaa" + HAN, LEFT, "\x7f")
    assert seat.shown == ["> aaaaaa", HAN]


def test_an_accent_at_the_margin():
    """An accent behind a letter in the last column goes to that letter."""
    seat = Seat(columns=9).type("a" * 6, "a", "\u0301")
    assert seat.cursor == (1, 0)
    assert seat.shown == ["> aaaaaaa"]
