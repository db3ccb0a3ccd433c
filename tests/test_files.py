"""Files of secrets and keys."""

import os
import shutil

import pytest
from helpers import logged
from twisted.logger import formatEvent

from sshecho.cred import files
from sshecho.cred.files import BadFileError, WatchedFile, readStrictly


def test_good_file(write):
    """A file of ours in a folder of ours is read."""
    assert readStrictly(os.fsencode(write("f", b"x\0\xff")))[0] == b"x\0\xff"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_file_that_others_can_write(write, mode):
    """A file that others can write to is refused, and the line says what to do."""
    path = write("f", b"", mode)
    with pytest.raises(BadFileError, match=rf"{path}: others can write.* chmod go-w"):
        readStrictly(os.fsencode(path))


def test_folder_that_others_can_write(write, private):
    """So is a file in a folder where others could put another in its place, links followed."""
    (private / "open").mkdir()
    target = write("open/f", b"")
    (private / "open").chmod(0o777)
    (private / "link").symlink_to(target)
    (private / "file").write_bytes(b"")
    (private / "open" / "link").symlink_to(private / "file")
    for path in (target, private / "link", private / "open" / "link"):
        with pytest.raises(BadFileError, match=rf"{private}/open: others can write"):
            readStrictly(os.fsencode(path))


def test_file_of_someone_else(write, monkeypatch):
    """A file that belongs to someone who is neither us nor root is refused."""
    path = write("f", b"")
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(BadFileError, match=f"belongs to user {owner}"):
        readStrictly(os.fsencode(path))


def test_no_file(private):
    """What is no regular file is refused, and a FIFO does not hang."""
    os.mkfifo(private / "fifo")
    for name, why in [
        ("none", "No such file"),
        (".", "Is a directory|regular"),
        ("fifo", "regular"),
    ]:
        with pytest.raises(BadFileError, match=why):
            readStrictly(os.fsencode(private / name))


@pytest.fixture
def parsed():
    return []


@pytest.fixture
def watched(write, parsed):
    def parse(text):
        parsed.append(text)
        if text == b"bad":
            raise ValueError("line 7: bad")
        return text

    return WatchedFile(write("f", b"one"), parse)


def age(path, seconds=10):
    """Let a file look as if it had been written a while ago."""
    os.utime(path, (1_000_000 + seconds, 1_000_000 + seconds))


def test_settled_file_is_parsed_once(watched, parsed, monkeypatch):
    """A file that has not changed for a while is not parsed again."""
    monkeypatch.setattr(files, "_SETTLED", -1.0)
    assert [watched.read() for _ in range(3)] == [b"one"] * 3
    assert parsed == [b"one"]


def test_fresh_file_is_parsed_each_time(watched, parsed):
    """A file that was written a moment ago is read again: its time stamp may not move on."""
    assert [watched.read() for _ in range(3)] == [b"one"] * 3
    assert len(parsed) == 3


@pytest.mark.parametrize("how", ["write", "same size and date", "replace", "older"])
def test_any_change_is_seen(watched, write, private, monkeypatch, how):
    """However a file changes, the next read has what is in it now."""
    monkeypatch.setattr(files, "_SETTLED", -1.0)
    path = private / "f"
    age(path)
    assert watched.read() == b"one"
    if how == "replace":
        other = write("g", b"two")
        shutil.copystat(path, other)
        other.replace(path)
    else:
        before = path.stat().st_ctime_ns
        while path.stat().st_ctime_ns == before:  # the file system's clock may tick slowly
            write("f", b"two" if how != "write" else b"two and more")
            if how != "write":
                age(path, 10 if how == "same size and date" else -1000)
    assert watched.read().startswith(b"two")


def test_folder_for_everybody(private, write):
    """Of a folder that is everybody's, nobody is told to change its mode."""
    path = write("f", b"x")
    private.chmod(0o1777)
    with pytest.raises(BadFileError, match=r"for everybody \(mode 1777\); use your own"):
        readStrictly(str(path).encode())


def test_changed_folder(watched, write, private, monkeypatch):
    """A file given by a relative path stays the same file when the folder is changed."""
    monkeypatch.chdir(private)
    relative = WatchedFile("f", bytes)
    monkeypatch.chdir("/")
    assert relative.read() == b"one"


def test_broken_and_mended(watched, write, private):
    """A file that breaks or vanishes gives nothing, says so once, and works again when mended."""
    with logged() as seen:
        assert watched.readOrComplain() == b"one"
        write("f", b"bad")
        assert [watched.readOrComplain() for _ in range(3)] == [None] * 3
        (private / "f").unlink()
        assert [watched.readOrComplain() for _ in range(3)] == [None] * 3
        write("f", b"new")
        assert watched.readOrComplain() == b"new"
        (private / "f").unlink()
        assert watched.readOrComplain() is None
    gone = f"{private}/f: No such file or directory; until it is mended it lets nobody in"
    assert [formatEvent(event) for event in seen] == [
        f"{private}/f: line 7: bad; until it is mended it lets nobody in",
        gone,
        f"{private}/f: it is mended, and lets people in again",
        gone,
    ]
