"""SIGHUP: what is read from files is read again, and the sessions go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.logger import Logger

from sshecho.cred.files import BadFileError
from sshecho.people import NAMESPACE, escape, tell
from sshecho.service.start import StartError

_log = Logger(NAMESPACE)


def readAgain(readers: Iterable[Callable[[], None]]) -> bool:
    """Read everything again, and say what can't be.

    Args:
        readers: each reads something. One that fails with a StartError leaves the old in place;
            with a BadFileError, nobody gets in by what is in that file.

    Returns:
        Whether all was read.
    """
    failed = False
    for read in readers:
        try:
            read()
        except StartError as error:
            failed = True
            _log.warn("{why}: the old one stays", why=error.why)
        except BadFileError as error:
            failed = True
            _log.warn("{why}: until it is mended it lets nobody in", why=escape(str(error)))
    return not failed


def tellAllRead() -> None:
    """Say that everything has been read again."""
    tell("all files have been read again: host keys, users and keys, banner and greeting")
