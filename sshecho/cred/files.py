"""Files of secrets and keys: who may own them, and reading them again when they change."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from twisted.logger import Logger

from sshecho.cred.outage import Outage

_SETTLED = 2.0
"""Seconds after which a file's time stamp has surely moved on if the file was written again."""

LARGEST_OF_OTHERS = 1 << 20
"""Bytes that a file may have which any user of the system may fill."""

_log = Logger()

T = TypeVar("T")


class BadFileError(Exception):
    """A file that can't be used: the text says which, where and why, and holds no secret."""


@runtime_checkable
class FileChecker(Protocol):
    """A checker whose users or keys are in a file."""

    def checkFile(self) -> None:
        """See to it that the file can be used.

        Raises:
            BadFileError: when it can't.
        """


def readStrictly(path: bytes, owner: int | None = None) -> tuple[bytes, os.stat_result]:
    """Read a file that nobody else can have written (what sshd calls StrictModes).

    Args:
        path: the file, absolute. It and its folder must belong to root or to us, and must not
            be writable by group or others.
        owner: the user ID that they may belong to besides root's and ours.

    Returns:
        What is in it, and its status at that moment.

    Raises:
        BadFileError: when it is missing, unreadable, no regular file, or open to others.
    """
    name = os.fsdecode(path)
    try:
        # To open a device may do something, and whose file this is may not do that to us.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise BadFileError(f"{name}: not a regular file")
        # Not blocking: a FIFO that is put here meanwhile must not hang the thread.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _checkFile(path, status, owner)
            if owner is None:
                return file.read(), status
            content = file.read(LARGEST_OF_OTHERS + 1)
            if len(content) > LARGEST_OF_OTHERS:
                raise BadFileError(f"{name}: larger than {LARGEST_OF_OTHERS} bytes")
            return content, status
    except OSError as error:
        raise BadFileError(f"{name}: {error.strerror}") from None


def checkStrictly(path: bytes) -> os.stat_result:
    """See to it that nobody else can have written a file, without reading it.

    Args:
        path: the file, absolute; for it holds what `readStrictly` says.

    Returns:
        Its status.

    Raises:
        BadFileError: when it is missing, no regular file, or open to others.
    """
    try:
        status = os.stat(path)
        _checkFile(path, status, None)
    except OSError as error:
        raise BadFileError(f"{os.fsdecode(path)}: {error.strerror}") from None
    return status


def _checkFile(path: bytes, status: os.stat_result, owner: int | None) -> None:
    name = os.fsdecode(path)
    if not stat.S_ISREG(status.st_mode):
        raise BadFileError(f"{name}: not a regular file")
    _checkOwner(name, status, owner)
    # Behind a link both folders count: who can write to either can change the file.
    for folder in {os.path.dirname(path), os.path.dirname(os.path.realpath(path))}:
        _checkOwner(os.fsdecode(folder), os.stat(folder), owner)


def checkFolder(folder: str, *, strictly: bool, owner: int | None = None) -> None:
    """See to it that files in a folder can be found.

    Args:
        folder: the folder, absolute.
        strictly: whether secrets lie right in it, so that nobody else may write to it.
        owner: the user ID that it may belong to besides root's and ours.

    Raises:
        BadFileError: when they can't, or may not be used.
    """
    try:
        status = os.stat(folder)
    except OSError as error:
        raise BadFileError(f"{folder}: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode) or not os.access(folder, os.X_OK):
        raise BadFileError(f"{folder}: not a folder that we can look into")
    if strictly:
        _checkOwner(folder, status, owner)


def _checkOwner(name: str, status: os.stat_result, owner: int | None) -> None:
    if status.st_uid not in (0, os.geteuid(), owner):
        raise BadFileError(f"{name}: belongs to user {status.st_uid}, who may not own it")
    if status.st_mode & 0o022:
        mode = stat.S_IMODE(status.st_mode)
        if status.st_mode & stat.S_ISVTX:
            raise BadFileError(f"{name}: a folder for everybody (mode {mode:04o}); use your own")
        raise BadFileError(f"{name}: others can write to it (mode {mode:04o}); chmod go-w it")


def warnOfReaders(path: str | bytes) -> None:
    """Warn of a file of secrets that others can read."""
    if os.stat(path).st_mode & 0o044:
        _log.warn("{path}: others can read it; chmod 600 it", path=os.fsdecode(path))


@dataclass(frozen=True)
class _Version(Generic[T]):
    identity: tuple[int, ...]
    content: T


class WatchedFile(Generic[T]):
    """A file that is parsed when it has changed, and not again before.

    Blocks; safe to call from several threads.

    Args:
        path: the file.
        parse: makes of the file's bytes what is kept; raises ValueError with a text that says
            which line is wrong, and why.
        owner: the user ID that it may belong to besides root's and ours.
    """

    def __init__(
        self, path: str | bytes, parse: Callable[[bytes], T], owner: int | None = None
    ) -> None:
        self.path = os.path.abspath(os.fsencode(path))  # twistd may change the folder
        self._parse = parse
        self._owner = owner
        self._version: _Version[T] | None = None
        self._outage = Outage(os.fsdecode(self.path))

    def readOrComplain(self) -> T | None:
        """Return what is in the file now, or None when it can't be used, which is said once."""
        try:
            content = self.read()
        except BadFileError as error:
            self._outage.began(str(error))
            return None
        self._outage.ended()
        return content

    def kept(self) -> T | None:
        """Return what is in the file if it has not changed since it was parsed, else None.

        The file is looked at, but not read.
        """
        version = self._version
        if version is None or version.identity != self._identityNow():
            return None
        self._outage.ended()
        return version.content

    def read(self) -> T:
        """Return what is in the file now.

        Raises:
            BadFileError: when the file can't be used as it is now.
        """
        kept = self.kept()
        if kept is not None:
            return kept
        content, status = readStrictly(self.path, self._owner)
        try:
            parsed = self._parse(content)
        except ValueError as error:
            raise BadFileError(f"{os.fsdecode(self.path)}: {error}") from None
        # A file written twice within a tick of its clock looks the same: don't keep one so fresh.
        settled = time.time() - max(status.st_mtime, status.st_ctime) > _SETTLED
        self._version = _Version(_identity(status), parsed) if settled else None
        return parsed

    def _identityNow(self) -> tuple[int, ...] | None:
        try:
            return _identity(os.stat(self.path))
        except OSError:
            return None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    # Ownership and modes change the ctime too, so a file that was opened to others is read again.
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
