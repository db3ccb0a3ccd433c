"""Penalties: failed logins slow down the address that they come from, across connections."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

PENALIZED: Final = "too many failed logins"
"""What is said of whoever has to wait."""
GUESS: Final = 5.0
"""Seconds that a wrong password costs its address."""
OFFER: Final = 1.0
"""Seconds that any other failed try costs, such as a key that is not listed."""
THRESHOLD: Final = 30.0
"""Seconds of penalties that an address may have before it has to wait."""
LARGEST: Final = 600.0
"""Seconds of penalties that an address has at most."""
MOST: Final = 1 << 16
"""Addresses that are remembered; a new one takes the place of the one longest without a try."""

_SLACK = 0.1  # seconds that others may count differently, as it takes a moment to ask them


class Penalties:
    """How long each address has to wait: a failed try adds to that, and each second takes one."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()
        self._observers: list[Callable[[str, float, float], object]] = []
        self._watchers: list[Callable[[str, float], object]] = []

    def observe(self, observer: Callable[[str, float, float], object]) -> None:
        """Have something called with each failed try, as `failed` is."""
        self._observers.append(observer)

    def watch(self, watcher: Callable[[str, float], object]) -> None:
        """Have something called, as `owe` is, when an address has to wait longer."""
        self._watchers.append(watcher)

    def failed(self, source: str, now: float, cost: float) -> None:
        """Count a failed try.

        Args:
            source: where it came from.
            now: the time in seconds, whatever they are counted from.
            cost: in seconds.
        """
        self._add(source, now, self.owed(source, now) + cost)
        for observer in self._observers:
            observer(source, now, cost)

    def learned(self, source: str, now: float, owed: float) -> None:
        """Take what others know of an address, unless more is known here.

        Args:
            source: the address.
            now: the time in seconds, as in `failed`.
            owed: the seconds of penalties that others say it has left.
        """
        if owed > self.owed(source, now) + _SLACK:
            self._add(source, now, owed)

    def _add(self, source: str, now: float, owed: float) -> None:
        until = now + min(owed, LARGEST)
        self.owe(source, until)
        for watcher in self._watchers:
            watcher(source, until)

    def owe(self, source: str, until: float) -> None:
        """Take over what another process has counted.

        Args:
            source: the address.
            until: when its penalties are over, in the seconds that `failed` counts in.
        """
        self._until.pop(source, None)
        self._until[source] = until
        if len(self._until) > MOST:
            self._until.popitem(last=False)

    def owing(self, now: float) -> Iterator[tuple[str, float]]:
        """Yield the addresses whose penalties are not over, and when they will be."""
        return ((source, until) for source, until in self._until.items() if until > now)

    def wait(self, source: str, now: float) -> float:
        """Return how many seconds an address still has to wait, 0 for one that needn't."""
        return max(0.0, self.owed(source, now) - THRESHOLD + GUESS)

    def owed(self, source: str, now: float) -> float:
        """Return the seconds of penalties that are left; a clock that was set back makes none."""
        owed = self._until.get(source, now) - now
        return owed if 0 < owed <= LARGEST else 0.0
