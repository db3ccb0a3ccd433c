"""Work that is done late, in order: how a server is slow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()

_MOST = 1 << 16  # bytes that may wait before no more are read


class Late:
    """Does things in the order in which they are handed in, each after a delay.

    Args:
        clock: what time is counted with.
        delay: returns the seconds to wait with what is handed in now.
        pace: called with True when much waits, and with False when no more than that does.
    """

    def __init__(
        self, clock: IReactorTime, delay: Callable[[], float], pace: Callable[[bool], object]
    ) -> None:
        self._clock = clock
        self._delay = delay
        self._pace = pace
        self._waiting: deque[tuple[float, Callable[[], object], int]] = deque()
        self._held = 0
        self._next: IDelayedCall | None = None

    def do(self, work: Callable[[], object], size: int = 0) -> None:
        """Do it once the delay is over; at once if there is none, and nothing waits before it.

        Args:
            work: what to do.
            size: bytes that it holds.
        """
        delay = self._delay()
        if not delay and not self._waiting:
            work()
            return
        self._waiting.append((self._clock.seconds() + delay, work, size))
        self._hold(size)
        self._wait()

    def finish(self) -> None:
        """Do at once all that waits."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        while self._waiting:
            _, work, _ = self._waiting.popleft()
            try:
                work()
            except Exception:
                _log.failure("What was late could not be done")

    def _hold(self, size: int) -> None:
        before, self._held = self._held, self._held + size
        if (before > _MOST) != (self._held > _MOST):
            self._pace(self._held > _MOST)

    def _wait(self) -> None:
        if self._waiting and self._next is None:
            due = max(0.0, self._waiting[0][0] - self._clock.seconds())
            self._next = self._clock.callLater(due, self._doNext)

    def _doNext(self) -> None:
        self._next = None
        _, work, size = self._waiting.popleft()
        try:
            work()
        finally:
            self._hold(-size)
            self._wait()
