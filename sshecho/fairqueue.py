"""A queue that is fair: who has put much into it waits for those who have put little."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Things that wait: those of a source in their order, and the sources in turn."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[T]] = {}  # whose turn is next comes first
        self._count = 0

    def __len__(self) -> int:
        """Return how many things wait."""
        return self._count

    def put(self, source: str, thing: T) -> None:
        """Let a thing wait.

        Args:
            source: whose it is.
            thing: what comes out when its turn has come.
        """
        self._queues.setdefault(source, deque()).append(thing)
        self._count += 1

    def take(self) -> T:
        """Take out what has its turn; its source comes behind all others.

        Raises:
            StopIteration: when nothing waits.
        """
        source = next(iter(self._queues))
        queue = self._queues.pop(source)
        self._count -= 1
        thing = queue.popleft()
        if queue:
            self._queues[source] = queue
        return thing

    def takeLast(self, source: str) -> T:
        """Take out what a source has put in last, before its turn."""
        thing = self._queues[source][-1]
        self.remove(source, thing)
        return thing

    def remove(self, source: str, thing: T) -> None:
        """Take out something of a source's, whatever else waits.

        Raises:
            ValueError: when it does not wait.
        """
        queue = self._queues.get(source, deque())
        queue.remove(thing)
        self._count -= 1
        if not queue:
            del self._queues[source]

    def longest(self) -> str:
        """Return the source of which most waits.

        Raises:
            ValueError: when nothing waits.
        """
        return max(self._queues, key=lambda source: len(self._queues[source]))

    def waiting(self, source: str) -> int:
        """Return how many things of a source wait."""
        return len(self._queues.get(source, ()))

    def clear(self) -> None:
        """Forget everything."""
        self._queues.clear()
        self._count = 0
