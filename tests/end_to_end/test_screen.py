"""What stands on a person's screen after each key, in a terminal emulator and in tmux."""

import os
import shlex
import subprocess
import time

import pexpect
import pyte
import pytest

LEFT, UP, HOME, END, DELETE = "\x1b[D", "\x1b[A", "\x1b[H", "\x1b[F", "\x1b[3~"
FAMILY, HAN, ACCENTED = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u6f22", "e\u0301"
PATIENCE = 30
"""Seconds to wait for what should take none."""


class Person:
    """Somebody at a terminal, with an ssh in it."""

    def __init__(self, command, env, columns=30, rows=12):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            command[0], command[1:], env=env, timeout=PATIENCE, dimensions=(rows, columns)
        )

    def type(self, keys):
        self.child.send(keys)

    def resize(self, columns):
        self.screen.resize(columns=columns)
        self.child.setwinsize(self.screen.lines, columns)

    def sees(self, rows, cursor):
        """Wait until the last rows of the screen and the cursor, counted from them, are these."""
        deadline = time.monotonic() + PATIENCE
        while self.look(len(rows)) != (rows, cursor):
            assert time.monotonic() < deadline, (self.look(len(rows)), self.screen.display)
            try:
                self.stream.feed(self.child.read_nonblocking(65536, timeout=0.1))
            except pexpect.TIMEOUT:
                continue

    def look(self, count):
        shown = [row.rstrip() for row in self.screen.display]
        last = max((y for y, row in enumerate(shown) if row), default=0)
        first = max(last + 1 - count, 0)
        return shown[first : last + 1], (self.screen.cursor.y - first, self.screen.cursor.x)


@pytest.fixture
def person(server, ssh):
    """Somebody who has just been let in."""
    person = Person(*ssh(server))
    person.sees([">"], (0, 2))
    yield person
    person.child.close(force=True)


STEPS = {
    "typing": [("a", ["> a"], (0, 3)), ("bc", ["> abc"], (0, 5)), ("\r", ["abc", ">"], (1, 2))],
    "moving": [
        ("one two", ["> one two"], (0, 9)),
        (LEFT, ["> one two"], (0, 8)),
        ("\x02", ["> one two"], (0, 7)),
        ("\x1b[C", ["> one two"], (0, 8)),
        ("\x01", ["> one two"], (0, 2)),
        ("\x06", ["> one two"], (0, 3)),
        ("\x05", ["> one two"], (0, 9)),
        (HOME, ["> one two"], (0, 2)),
        ("\x1bf", ["> one two"], (0, 5)),
        (END, ["> one two"], (0, 9)),
        ("\x1bb", ["> one two"], (0, 6)),
    ],
    "deleting": [
        ("one two", ["> one two"], (0, 9)),
        ("\x7f", ["> one tw"], (0, 8)),
        (HOME, ["> one tw"], (0, 2)),
        (DELETE, ["> ne tw"], (0, 2)),
        ("\x04", ["> e tw"], (0, 2)),
        (END, ["> e tw"], (0, 6)),
        ("\x17", ["> e"], (0, 4)),
        ("\x19\x19", ["> e twtw"], (0, 8)),
        ("\x14", ["> e twwt"], (0, 8)),
        ("\x15", [">"], (0, 2)),
        ("\x19", ["> e twwt"], (0, 8)),
        ("\x1bb", ["> e twwt"], (0, 4)),
        ("\x0b", ["> e"], (0, 4)),
    ],
    "history": [
        ("one\r", ["one", ">"], (1, 2)),
        ("two\r", ["two", ">"], (1, 2)),
        (UP, ["> two"], (0, 5)),
        (UP, ["> one"], (0, 5)),
        ("\x1b[B", ["> two"], (0, 5)),
        ("\x1b[B", [">"], (0, 2)),
        ("\x12", ["(reverse-i-search)`':"], (0, 22)),
        ("o", ["(reverse-i-search)`o': two"], (0, 25)),
        ("\x12", ["(reverse-i-search)`o': one"], (0, 23)),
        ("\x07", [">"], (0, 2)),
    ],
    "wrapping": [
        ("x" * 27, ["> " + "x" * 27], (0, 29)),
        (HAN, ["> " + "x" * 27, HAN], (1, 2)),
        (LEFT, ["> " + "x" * 27, HAN], (1, 0)),
        ("y", ["> " + "x" * 27 + "y", HAN], (1, 0)),
        (HOME, ["> " + "x" * 27 + "y", HAN], (0, 2)),
        ("z", ["> z" + "x" * 27, "y" + HAN], (0, 3)),
        (DELETE * 2, ["> z" + "x" * 25 + "y", HAN], (0, 3)),
    ],
    "characters": [
        (HAN + ACCENTED, ["> " + HAN + "\u00e9"], (0, 5)),
        (LEFT, ["> " + HAN + "\u00e9"], (0, 4)),
        (LEFT, ["> " + HAN + "\u00e9"], (0, 2)),
        (DELETE, ["> \u00e9"], (0, 2)),
        (DELETE, [">"], (0, 2)),
        ("\u00fc".encode()[:1], [">"], (0, 2)),
        ("\u00fc".encode()[1:], ["> \u00fc"], (0, 3)),
        ("\x7f", [">"], (0, 2)),
        (FAMILY + "!" + LEFT, None, (0, 4)),
        ("\x7f", ["> !"], (0, 2)),
    ],
    "pasting": [
        ("\x1b[200~a\tb\rc\x07\x1b[201~", ["> a     b", "c"], (1, 1)),
        ("\r", ["a       b", "c", ">"], (2, 2)),
    ],
    "ignored": [
        ("a\x1a\x1b[15~\x1b[1;9X\x00\x1bx\x1b[?1;2cb", ["> ab"], (0, 4)),
        ("\x9b2J".encode(), ["> ab2J"], (0, 6)),
    ],
    "giving up": [
        ("abc" + LEFT, ["> abc"], (0, 4)),
        ("\x03", ["> abc^C", ">"], (1, 2)),
        ("d", ["> d"], (0, 3)),
        ("\x0c", ["> d"], (0, 3)),
    ],
}


@pytest.mark.parametrize("what", STEPS)
def test_keys(person, what):
    """After each key the screen shows what a person expects of it."""
    for keys, rows, cursor in STEPS[what]:
        person.type(keys)
        if rows is None:
            rows = person.look(1)[0]
            person.sees([f"> {FAMILY[0]}!"], cursor)
        else:
            person.sees(rows, cursor)


def test_clearing(person):
    """^L leaves nothing on the screen but the line."""
    person.type("one\rtwo" + LEFT + "\x0c")
    person.sees(["> two"], (0, 4))
    assert person.screen.cursor.y == 0


def test_resizing(person):
    """A wrapped line that is edited follows the window."""
    person.type("0123456789" * 4 + LEFT)
    person.sees(["> " + "0123456789" * 2 + "01234567", "890123456789"], (1, 11))
    person.resize(22)
    person.sees(["> " + "0123456789" * 2, "0123456789" * 2], (1, 19))
    person.resize(60)
    person.sees(["> " + "0123456789" * 4], (0, 41))
    person.type("X\r")
    person.sees(["0123456789" * 3 + "012345678X9", ">"], (1, 2))


def test_leaving(person):
    """^D on an empty line ends the session, and the terminal marks pasted text no more."""
    person.type("a\x7f\x04")
    left = person.child.expect([rb"\x1b\[\?2004l\r\n", pexpect.EOF])
    assert left == 0
    person.child.expect(pexpect.EOF)
    person.child.close()
    assert person.child.exitstatus == 0


@pytest.fixture
def tmux(need, server, ssh, private):
    """Return a function that runs tmux's commands; a window of it has an ssh in it."""
    command, env = ssh(server)
    start = [need("tmux"), "-S", str(private / "tmux"), "-u", "-f", os.devnull]

    def run(*arguments):
        done = subprocess.run([*start, *arguments], env=env, capture_output=True, check=True)
        return done.stdout.decode()

    run("new-session", "-d", "-x", "30", "-y", "10", shlex.join(command))
    yield run
    run("kill-server")


def test_in_tmux(tmux):
    """In a terminal that wraps anew what it shows, a line that is edited is shown once."""

    def sees(*rows, cursor):
        deadline = time.monotonic() + PATIENCE
        while True:
            shown = tmux("capture-pane", "-p").rstrip("\n").split("\n")
            x, y = tmux("display-message", "-p", "#{cursor_x} #{cursor_y}").split()
            place = int(y) - (len(shown) - len(rows)), int(x)
            once = sum(row.startswith(">") for row in shown) == 1
            if once and (shown[-len(rows) :], place) == (list(rows), cursor):
                return
            assert time.monotonic() < deadline, (shown, place)
            time.sleep(0.02)

    sees(">", cursor=(0, 2))
    tmux("send-keys", "-l", "0123456789" * 4)
    tmux("send-keys", "Left")
    sees("> 0123456789012345678901234567", "890123456789", cursor=(1, 11))
    tmux("resize-window", "-x", "60")
    sees("> " + "0123456789" * 4, cursor=(0, 41))
    tmux("resize-window", "-x", "22")
    sees("> " + "0123456789" * 2, "0123456789" * 2, cursor=(1, 19))
    tmux("send-keys", "End", "C-u", HAN + ACCENTED, "Left", "!")
    sees(f"> {HAN}!{ACCENTED}", cursor=(0, 5))
