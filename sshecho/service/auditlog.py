"""The audit log: one JSON object a line for each event (``--audit FILE``)."""

from __future__ import annotations

import json
import os
from collections import deque

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent, Logger, globalLogPublisher
from zope.interface import implementer

from sshecho.people import timestamp
from sshecho.service.events import AUDIT
from sshecho.service.start import StartError

STANDARD_OUTPUT = "-"
RETRY = 1.0
"""Seconds after which a log that could not be written is tried again."""
MOST_KEPT = 10_000
"""Lines that wait for a log that can't be written; the oldest are given up for new ones."""

_MANY = 1000  # lines that may wait for a slow reader before it is said

_log = Logger()


def auditRecord(event: LogEvent) -> dict[str, object] | None:
    """Return what the audit log says of an event; None when that is not one of ours."""
    fields = event.get(AUDIT)
    return None if fields is None else {"time": timestamp(event["log_time"]), **fields}


@implementer(ILogObserver)
class AuditLog(Service):
    """Writes events, each at once; while the file can't be written, they wait.

    A line that was begun is always ended, so every line that is there can be read.

    Args:
        path: the file, made for us alone when there is none; ``-`` is standard output.
        clock: what the next try is counted with.

    Raises:
        StartError: when the file can't be opened.
    """

    def __init__(self, path: str, clock: IReactorTime) -> None:
        self._path = path if path == STANDARD_OUTPUT else os.path.abspath(path)
        self._clock = clock
        self._waiting: deque[bytes] = deque()
        self._begun = False  # whether the first of those has been written in part
        self._lost = 0
        self._failed = False
        self._retry: IDelayedCall | None = None
        self._descriptor = self._open()
        self._endLine()

    def startService(self) -> None:
        """Begin to write."""
        super().startService()
        globalLogPublisher.addObserver(self)

    def stopService(self) -> None:
        """Write no more."""
        super().stopService()
        globalLogPublisher.removeObserver(self)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._waiting:
            self._flush(last=True)
        os.close(self._descriptor)

    def reopen(self) -> None:
        """Write to whatever has the file's name now: the old one may have been moved away.

        Raises:
            StartError: when that can't be opened; the old one stays.
        """
        descriptor = self._open()
        os.close(self._descriptor)
        self._descriptor = descriptor
        if self._begun:  # its end would be half a line in the new file
            self._waiting.popleft()
            self._begun = False
            self._lost += 1
        self._endLine()
        self._flush()

    def _endLine(self) -> None:
        """See to it that a line which stands in the file half, as after a crash, is ended."""
        if _endsMidLine(self._path):
            self._waiting.appendleft(b"\n")
            self._begun = True

    def __call__(self, event: LogEvent) -> None:
        """Write an event, if it is one of ours."""
        record = auditRecord(event)
        if record is not None:
            self.write(record)

    def write(self, record: dict[str, object]) -> None:
        """Write an event.

        Args:
            record: all that its line says.
        """
        self._waiting.append(json.dumps(record).encode() + b"\n")
        if len(self._waiting) > MOST_KEPT:
            # The first may have been begun.
            del self._waiting[1 if self._begun else 0]
            self._lost += 1
        if self._retry is None:
            self._flush()

    def _flush(self, *, last: bool = False) -> None:
        """Write what waits, as far as that can be done now."""
        try:
            while self._waiting:
                line = self._waiting[0]
                written = os.write(self._descriptor, line)
                if written < len(line):
                    self._waiting[0] = line[written:]
                    self._begun = True
                else:
                    self._waiting.popleft()
                    self._begun = False
        except OSError as error:
            self._complain(error)
            if last:
                lost = len(self._waiting)
                _log.error("{path}: {lost} events were not written", path=self._path, lost=lost)
            elif self._retry is None:
                self._retry = self._clock.callLater(RETRY, self._again)
        else:
            self._mended()

    def _again(self) -> None:
        self._retry = None
        self._flush()

    def _complain(self, error: OSError) -> None:
        slow = isinstance(error, BlockingIOError) and len(self._waiting) < _MANY
        if not self._failed and not slow:
            self._failed = True
            why = error.strerror or str(error)
            text = "{path}: {why}; events are kept until it can be written again"
            _log.error(text, path=self._path, why=why)

    def _mended(self) -> None:
        if self._failed:
            self._failed = False
            lost, self._lost = self._lost, 0
            text = "{path}: it is written again, {lost} events were lost"
            _log.warn(text, path=self._path, lost=lost)

    def _open(self) -> int:
        """Return a descriptor that never blocks, whatever stands behind it.

        Raises:
            StartError: when it can't be opened.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            if self._path == STANDARD_OUTPUT:
                return _openStandardOutput(flags)
            return os.open(self._path, flags | os.O_CREAT | os.O_NOCTTY, 0o600)
        except OSError as error:
            raise StartError(f"--audit {self._path}: {error.strerror}") from None


def _openStandardOutput(flags: int) -> int:
    """Return a descriptor of standard output, which others go on to use as it is."""
    try:
        return os.open("/dev/stdout", flags)
    except OSError:  # a socket can't be opened by a name
        return os.dup(1)


def _endsMidLine(path: str) -> bool:
    """Return whether a file ends in the middle of a line, as far as that can be told."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            if not file.seek(0, os.SEEK_END):
                return False
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"
    except OSError:
        return False
