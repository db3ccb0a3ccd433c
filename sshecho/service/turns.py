"""Turns: much work is done a little at a time, source by source, so that nobody waits long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sshecho.fairqueue import FairQueue

TURN: Final = 0.005
"""Seconds of such work in one turn of the reactor."""
_BREATH = 0.0005
"""Seconds between two pieces of work that show that others had their turn."""


class Turns:
    """Does work at once while there is little of it, and else some in each turn of the reactor.

    It is for work that costs a client less to ask for than it costs us, such as a key exchange.

    Args:
        clock: what the work is measured with.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: FairQueue[Callable[[], object]] = FairQueue()
        self._worked = 0.0  # seconds since others had their turn
        self._ended = 0.0  # when the last piece of work was done
        self._next: IDelayedCall | None = None

    def take(self, source: str, work: Callable[[], object]) -> None:
        """Do a piece of work now, if there is little of it, or later.

        Args:
            source: whom it is for.
            work: does it.
        """
        if self._clock.seconds() - self._ended > _BREATH:
            self._worked = 0.0
        if self._waiting or self._worked >= TURN:
            self.later(source, work)
        else:
            self._do(work)

    def later(self, source: str, work: Callable[[], object]) -> None:
        """Do a piece of work when others had their turn; see `take`."""
        self._waiting.put(source, work)
        self._goOnLater()

    def stop(self) -> None:
        """Do nothing more."""
        self._waiting.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _do(self, work: Callable[[], object]) -> None:
        began = self._clock.seconds()
        try:
            work()
        finally:
            self._ended = self._clock.seconds()
            self._worked += self._ended - began

    def _goOnLater(self) -> None:
        if self._next is None and self._waiting:
            self._next = self._clock.callLater(0, self._goOn)

    def _goOn(self) -> None:
        self._next = None
        self._worked = 0.0
        try:
            while self._waiting and self._worked < TURN:
                self._do(self._waiting.take())
        finally:
            self._goOnLater()
