"""Texts that people are shown, which are read from files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from sshecho.service.start import StartError

LARGEST_TEXT: Final = 32 * 1024 - 256
"""Bytes of a text, its lines ending with CR LF: with what stands around it, a client takes it in
one packet (RFC 4253, section 6.1)."""


class Text:
    """A text, which is what is returned when it is called.

    Args:
        option: the option that names the file, for what is said of it.
        path: the file, in UTF-8; None if there is none.
        default: the text that stands in for a file.

    Raises:
        StartError: when the file can't be used.
    """

    def __init__(self, option: str, path: Path | None, default: bytes) -> None:
        self._option = option
        self._path = path
        self._text = default
        self.read()

    def __call__(self) -> bytes:
        """Return the text."""
        return self._text

    def read(self) -> None:
        """Read the file again, if there is one; when it can't be used, the old text stays.

        Raises:
            StartError: when the file can't be used.
        """
        if self._path is None:
            return
        try:
            self._text = _read(self._path)
        except OSError as error:
            raise self._error(error.strerror or str(error)) from None
        except ValueError as error:
            raise self._error(str(error)) from None

    def _error(self, why: str) -> StartError:
        return StartError(f"{self._option} {self._path}: {why}")


def _openWithoutWaiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # for somebody to write into a pipe


def _read(path: Path) -> bytes:
    with open(path, "rb", opener=_openWithoutWaiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a file")
        text = file.read(LARGEST_TEXT + 1)
    if len(text) + text.count(b"\n") > LARGEST_TEXT:  # each line is to end with CR LF
        raise ValueError(f"more than {LARGEST_TEXT} bytes")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 at byte {error.start}") from None
    return text
