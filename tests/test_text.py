"""Texts from files."""

import os

import pytest

from sshecho.service.start import StartError
from sshecho.service.text import LARGEST_TEXT, Text


def test_default():
    """Without a file the text is the one that stands in, also when it is to be read again."""
    text = Text("--greeting", None, b"Hello.\n")
    text.read()
    assert text() == b"Hello.\n"


def test_read_again(write):
    """The text is what stood in the file when it was read last."""
    path = write("greeting", "Grüß Gott\n")
    text = Text("--greeting", path, b"")
    path.write_text("Servus\n")
    assert text() == "Grüß Gott\n".encode()
    text.read()
    assert text() == b"Servus\n"


def spoil(path, how):
    path.unlink()
    match how:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case bytes():
            path.write_bytes(how)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("missing", "No such file or directory"),
        ("folder", "Is a directory"),
        ("pipe", "not a file"),
        (b"ab\xff", "no UTF-8 at byte 2"),
        (b"x" * (LARGEST_TEXT + 1), f"more than {LARGEST_TEXT} bytes"),
        (b"\n" * (LARGEST_TEXT // 2 + 1), f"more than {LARGEST_TEXT} bytes"),
    ],
)
def test_unusable(write, how, why):
    """A file that can't be used is said, with its option, and the old text stays."""
    path = write("banner", "old")
    text = Text("--banner", path, b"")
    spoil(path, how)
    for read in (text.read, lambda: Text("--banner", path, b"")):
        with pytest.raises(StartError) as raised:
            read()
        assert raised.value.why == f"--banner {path}: {why}"
    assert text() == b"old"
