"""The record as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from benchmarks.measures import p99
from benchmarks.table import markdown

from soaking.record import Record, Sample
from soaking.verdicts import parts

_Figure = Callable[[Sample], float]
_SAMPLED: dict[str, tuple[_Figure, int]] = {
    "memory, MiB": (lambda sample: sample.memory, 1),
    "descriptors": (lambda sample: sample.descriptors, 0),
    "sessions": (lambda sample: sample.sessions, 0),
    "CPU, % of a core": (lambda sample: 100 * sample.cpu, 0),
    "waiting for a core, % of the time": (lambda sample: 100 * sample.waited, 0),
}
"""What a sample holds, and how many digits behind the point are worth showing."""


PERCENTILES: dict[str, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "99th percentile": p99,
}


def overview(record: Record) -> str:
    """Return the table of what was sampled: medians of the minutes, and the worst second."""
    first, last = parts(record)
    rows = []
    for title, (figure, digits) in _SAMPLED.items():
        values = [figure(record.samples[second]) for second in record.seconds]
        spans = [[values[second] for second in part.seconds] for part in (first, last)]
        shown = [*map(statistics.median, spans), max(values)]
        rows.append([title, *(f"{value:,.{digits}f}" for value in shown)])
    for name, percentile in PERCENTILES.items():
        lines = [record.times(part.seconds) for part in (first, last)]
        cells = [_milliseconds(percentile(times)) if times else "" for times in lines]
        each = [percentile(times) for s in record.seconds if (times := record.times([s]))]
        worst = _milliseconds(max(each)) if each else ""
        rows.append([f"latency of a line, {name}, ms", *cells, worst])
    return markdown(["", first.name, last.name, "worst second"], rows)


def deeds(record: Record) -> str:
    """Return the table of what was done."""
    done = sorted(record.done.items())
    return markdown(["done", "times"], [[what, f"{times:,}"] for what, times in done])


def attacks(record: Record) -> str:
    """Return the table of how the server was while each attack went on; memory at its most."""
    rows = []
    quiet = set(record.seconds)
    counted = [spell for spell in record.spells if spell.start >= 0]
    for name in dict.fromkeys(spell.name for spell in counted):
        spells = [spell for spell in counted if spell.name == name]
        seconds = {
            second
            for spell in spells
            for second in range(round(spell.start), round(spell.end))
            if second in record.seconds
        }
        quiet -= seconds
        rows.append([name, str(len(spells)), *_under(record, seconds)])
    rows.append(["none", "", *_under(record, quiet)])
    head = ["attack", "times", "CPU, %", "waiting for a core, %", "memory, MiB", "descriptors"]
    return markdown([*head, *(f"latency, {name}, ms" for name in PERCENTILES)], rows)


def _under(record: Record, seconds: Iterable[int]) -> list[str]:
    chosen = sorted(seconds)
    samples = [record.samples[second] for second in chosen]
    times = record.times(chosen)
    if not samples or not times:
        return [""] * (4 + len(PERCENTILES))
    return [
        f"{100 * statistics.mean(sample.cpu for sample in samples):.0f}",
        f"{100 * statistics.mean(sample.waited for sample in samples):.0f}",
        f"{max(sample.memory for sample in samples):.1f}",
        f"{max(sample.descriptors for sample in samples)}",
        *(_milliseconds(percentile(times)) for percentile in PERCENTILES.values()),
    ]


def _milliseconds(value: float) -> str:
    return f"{value:,.2f}"
