"""What a picture over time is drawn with: scales, their ticks, and traces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

FEW = 4
"""Spaces between the ticks of a scale."""
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Scale:
    """Where values are drawn.

    Attributes:
        low, high: the values at the two ends.
        start, length: where the low end is, and how far away the high one.
        logarithmic: whether each power of ten takes as much room as the next.
    """

    low: float
    high: float
    start: float
    length: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return where a value is drawn."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = log10(low), log10(high), log10(max(value, low))
        return self.start + (value - low) / (high - low) * self.length

    def ticks(self, most: int = FEW) -> list[float]:
        """Return values to write beside it: round numbers, with at most so many spaces between."""
        if self.logarithmic:
            return [10.0**power for power in range(ceil(log10(self.low)), _above(self.high))]
        size = step(self.high - self.low, most)
        return [at * size for at in range(ceil(self.low / size), floor(self.high / size) + 1)]


def step(span: float, most: int) -> float:
    """Return a round number that goes into a span at most so many times."""
    power = 10.0 ** floor(log10(span / most))
    return next(each * power for each in _STEPS if span <= each * power * most * (1 + 1e-9))


def linear(values: Sequence[float], start: float, length: float) -> Scale:
    """Return a scale with room for all values, from one round number to another."""
    low, high = min(values), max(values)
    size = step(max(high - low, 1e-3), FEW)
    return Scale(floor(low / size) * size, (floor(high / size) + 1) * size, start, length)


def logarithmic(values: Sequence[float], start: float, length: float) -> Scale:
    """Return a scale with room for all values, from one power of ten to another."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return Scale(10.0**low, 10.0 ** max(high, low + 1), start, length, logarithmic=True)


def trace(look: str, points: Iterable[tuple[float, float | None]]) -> str:
    """Return a line through points; where a value is missing it is broken."""
    drawn, command = [], "M"
    for x, y in points:
        if y is None:
            command = "M"
        else:
            drawn.append(f"{command}{x:.1f} {y:.1f}")
            command = "L"
    return f'<path class="trace {look}" d="{"".join(drawn)}"/>'


def _above(value: float) -> int:
    return floor(log10(value) + 1e-9) + 1
