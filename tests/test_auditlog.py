"""The audit log."""

import json
import os

import pytest
from helpers import logged
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent

from sshecho.service import auditlog
from sshecho.service.auditlog import RETRY, AuditLog
from sshecho.service.events import happened
from sshecho.service.start import StartError


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def audit(private, clock):
    log = AuditLog(str(private / "audit"), clock)
    log.startService()
    yield log
    if log.running:
        log.stopService()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class Disk:
    """Stands in for os.write: takes so many bytes, and is full then."""

    def __init__(self, monkeypatch, free):
        self.free = free
        self._write = os.write
        monkeypatch.setattr(auditlog.os, "write", self)

    def __call__(self, descriptor, data):
        if not self.free:
            raise OSError(28, "No space left on device")
        taken = data[: self.free]
        self.free -= len(taken)
        return self._write(descriptor, taken)


def test_lines(private, audit):
    """Each event is a line of JSON, written at once to a file that only we may read."""
    with logged():
        happened("a.b", "said \x1b", user="f\u00fc\n", count=3)
    [line] = lines(private / "audit")
    time = line.pop("time")
    assert time.endswith("Z")
    assert "T" in time
    assert line == {"event": "a.b", "user": "f\u00fc\n", "count": 3}
    assert (private / "audit").stat().st_mode & 0o777 == 0o600


def test_appends(private, clock):
    """What stands in the file stays."""
    (private / "audit").write_text('{"old": 1}\n')
    log = AuditLog(str(private / "audit"), clock)
    log.startService()
    happened("new", "said")
    log.stopService()
    happened("behind", "said")
    assert [line.get("event") for line in lines(private / "audit")] == [None, "new"]


def test_half_a_line(private, clock):
    """Half a line that a crash has left is ended before anything is written."""
    (private / "audit").write_text('{"event": "conn')
    log = AuditLog(str(private / "audit"), clock)
    log.startService()
    happened("new", "said")
    log.stopService()
    half, line = (private / "audit").read_text().splitlines()
    assert half == '{"event": "conn'
    assert json.loads(line)["event"] == "new"


def test_reopen(private, audit):
    """A file that was moved away is left alone, and a new one is begun."""
    happened("one", "said")
    (private / "audit").rename(private / "old")
    happened("two", "said")
    audit.reopen()
    happened("three", "said")
    assert [line["event"] for line in lines(private / "old")] == ["one", "two"]
    assert [line["event"] for line in lines(private / "audit")] == ["three"]


def test_not_reopened(private, audit):
    """When the new file can't be opened that is said, and the old one goes on."""
    (private / "audit").rename(private / "old")
    (private / "audit").mkdir()
    with pytest.raises(StartError, match=r"--audit .*: Is a directory"):
        audit.reopen()
    happened("two", "said")
    assert [line["event"] for line in lines(private / "old")] == ["two"]


def test_not_there(private, clock):
    """A file that can't be opened is said in one line."""
    with pytest.raises(StartError, match=r"--audit .*/x/audit: No such file or directory"):
        AuditLog(str(private / "x" / "audit"), clock)


def test_full_disk(private, audit, clock, monkeypatch):
    """While the disk is full that is said once and events wait; then all of them are there."""
    disk = Disk(monkeypatch, 100)
    with logged() as seen:
        for number in range(20):
            happened("x", "said", number=number)
            clock.advance(RETRY)
        disk.free = 10**6
        clock.advance(RETRY)
    assert [line["number"] for line in lines(private / "audit")] == list(range(20))
    said = [formatEvent(event) for event in seen if event["log_level"] is not LogLevel.info]
    assert len(said) == 2
    assert "No space left on device" in said[0]
    assert said[1].endswith("it is written again, 0 events were lost")
    assert clock.getDelayedCalls() == []


def test_full_for_long(private, audit, clock, monkeypatch):
    """No more events wait than there is room for; how many were lost is said, no line is broken."""
    monkeypatch.setattr(auditlog, "MOST_KEPT", 5)
    disk = Disk(monkeypatch, 10)
    with logged() as seen:
        for number in range(20):
            happened("x", "said", number=number)
        disk.free = 10**6
        clock.advance(RETRY)
    assert [line["number"] for line in lines(private / "audit")] == [0, 16, 17, 18, 19]
    assert formatEvent(seen[-1]).endswith("15 events were lost")


def test_moved_while_full(private, audit, clock, monkeypatch):
    """A line that was begun in the old file is not ended in the new one."""
    disk = Disk(monkeypatch, 10)
    happened("x", "said", number=1)
    happened("x", "said", number=2)
    disk.free = 10**6
    (private / "audit").rename(private / "old")
    audit.reopen()
    assert [line["number"] for line in lines(private / "audit")] == [2]


def test_end_of_a_full_log(audit, monkeypatch):
    """What is lost as the server ends is said."""
    Disk(monkeypatch, 0)
    with logged() as seen:
        happened("x", "said")
        audit.stopService()
    assert formatEvent(seen[-1]).endswith("1 events were not written")


def test_slow_reader(private, clock):
    """A reader that is slow holds up nobody, and gets all of it, without a word."""
    path = private / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = AuditLog(str(path), clock)
    log.startService()
    with logged() as seen:
        for _ in range(200):
            happened("x", "said", text="y" * 500)
        read = b""
        while read.count(b"\n") < 200:
            read += os.read(reader, 1 << 20)
            clock.advance(RETRY)
    log.stopService()
    os.close(reader)
    assert {json.loads(line)["text"] for line in read.splitlines()} == {"y" * 500}
    assert {event["log_level"] for event in seen} == {LogLevel.info}
