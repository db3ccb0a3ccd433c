"""SIGHUP: what is read from files is read again, and the sessions go on."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from types import FrameType

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from sshecho.cred.files import BadFileError
from sshecho.people import NAMESPACE, escape, tell
from sshecho.service.start import StartError

_log = Logger(NAMESPACE)

_Handler = Callable[[int, FrameType | None], object] | int | None


class Reload(Service):
    """Reads everything again at SIGHUP.

    Args:
        reactor: where to do it.
        readers: each reads something. One that fails with a StartError leaves the old in place;
            with a BadFileError, nobody gets in by what is in that file.
    """

    def __init__(self, reactor: IReactorFromThreads, readers: Sequence[Callable[[], None]]) -> None:
        self._reactor = reactor
        self._readers = readers
        self._before: _Handler = None

    def startService(self) -> None:
        """Begin to mind the signal."""
        super().startService()
        self._before = signal.signal(signal.SIGHUP, self._caught)

    def stopService(self) -> None:
        """Leave the signal to whoever minded it before."""
        super().stopService()
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)

    def _caught(self, *_: object) -> None:
        # A signal comes between any two steps of the program, as a thread's call does.
        self._reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """Read everything again; say what can't be, or that all was."""
        failed = False
        for read in self._readers:
            try:
                read()
            except StartError as error:
                failed = True
                _log.warn("{why}: the old one stays", why=error.why)
            except BadFileError as error:
                failed = True
                _log.warn("{why}: until it is mended it lets nobody in", why=escape(str(error)))
        if not failed:
            tell("all files have been read again: host keys, users and keys, banner and greeting")
