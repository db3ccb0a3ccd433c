"""Measures: what is counted and timed, as plain numbers that can be summed over processes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, TypedDict

BUCKETS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds in seconds of the buckets that times are sorted into; one more has the rest."""

Labels = tuple[str, ...]
"""What tells counters of one name apart, such as a door's name."""


class Taken(TypedDict):
    """What was counted since the last time, as JSON can carry it.

    Attributes:
        counts: name, labels and how many.
        times: name, labels, how many are in each bucket, and behind those the sum of all seconds.
    """

    counts: list[tuple[str, list[str], float]]
    times: list[tuple[str, list[str], list[float]]]


class Measures:
    """Counters and times; each name has the same number of labels wherever it is used."""

    __slots__ = ("_counts", "_times")

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Labels], float] = {}
        self._times: dict[tuple[str, Labels], list[float]] = {}

    def count(self, name: str, labels: Labels = (), n: float = 1) -> None:
        """Count something.

        Args:
            name: what.
            labels: which of its counters.
            n: how many.
        """
        key = (name, labels)
        self._counts[key] = self._counts.get(key, 0) + n

    def observe(self, name: str, labels: Labels, seconds: float) -> None:
        """Keep how long something took; see `count`."""
        times = self._times.get((name, labels))
        if times is None:
            times = self._times[name, labels] = _nothing()
        times[bisect_left(BUCKETS, seconds)] += 1
        times[-1] += seconds

    def take(self) -> Taken:
        """Return what was counted since this was last called, and begin again at nothing."""
        counts, self._counts = self._counts, {}
        times, self._times = self._times, {}
        return {
            "counts": [(name, list(labels), n) for (name, labels), n in counts.items()],
            "times": [(name, list(labels), found) for (name, labels), found in times.items()],
        }

    def add(self, taken: Taken) -> None:
        """Count what others have taken, too."""
        for name, labels, n in taken["counts"]:
            self.count(name, tuple(labels), n)
        for name, labels, found in taken["times"]:
            key = (name, tuple(labels))
            mine = self._times.get(key) or _nothing()
            self._times[key] = [a + b for a, b in zip(mine, found, strict=True)]

    def counts(self, name: str) -> Iterator[tuple[Labels, float]]:
        """Yield the labels of each counter of a name, and how many it has counted."""
        return ((key[1], n) for key, n in self._counts.items() if key[0] == name)

    def times(self, name: str) -> Iterator[tuple[Labels, list[float], float]]:
        """Yield labels, how many are in each bucket, and the sum of all seconds."""
        return ((key[1], t[:-1], t[-1]) for key, t in self._times.items() if key[0] == name)


def _nothing() -> list[float]:
    return [0] * (len(BUCKETS) + 2)
