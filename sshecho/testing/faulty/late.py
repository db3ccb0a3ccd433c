"""Work that is done late, in order: how a server is slow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Late:
    """Does things in the order in which they are handed in, each after a delay.

    Args:
        clock: what time is counted with.
        delay: returns the seconds to wait with what is handed in now.
    """

    def __init__(self, clock: IReactorTime, delay: Callable[[], float]) -> None:
        self._clock = clock
        self._delay = delay
        self._waiting: deque[tuple[float, Callable[[], object]]] = deque()
        self._next: IDelayedCall | None = None

    def do(self, work: Callable[[], object]) -> None:
        """Do it once the delay is over; at once if there is none, and nothing waits before it."""
        delay = self._delay()
        if not delay and not self._waiting:
            work()
            return
        self._waiting.append((self._clock.seconds() + delay, work))
        self._wait()

    def stop(self) -> None:
        """Do nothing more."""
        self._waiting.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _wait(self) -> None:
        if self._waiting and self._next is None:
            due = max(0.0, self._waiting[0][0] - self._clock.seconds())
            self._next = self._clock.callLater(due, self._doNext)

    def _doNext(self) -> None:
        self._next = None
        _, work = self._waiting.popleft()
        try:
            work()
        finally:
            self._wait()
