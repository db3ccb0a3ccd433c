"""Signals that the server minds while it serves."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorFromThreads

_Handler = Callable[[int, FrameType | None], object] | int | None


class OnSignal(Service):
    """Does something at a signal.

    Args:
        reactor: where to do it.
        number: the signal's.
        action: what to do.
    """

    def __init__(
        self, reactor: IReactorFromThreads, number: int, action: Callable[[], object]
    ) -> None:
        self._reactor = reactor
        self._number = number
        self._action = action
        self._before: _Handler = None

    def startService(self) -> None:
        """Begin to mind the signal."""
        super().startService()
        self._before = signal.signal(self._number, self._caught)

    def stopService(self) -> None:
        """Leave the signal to whoever minded it before."""
        super().stopService()
        if self._before is not None:
            signal.signal(self._number, self._before)

    def _caught(self, *_: object) -> None:
        # A signal comes between any two steps of the program, as a thread's call does.
        self._reactor.callFromThread(self._action)
