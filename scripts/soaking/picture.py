"""The picture: memory, descriptors and latency over time, and below them which attack ran when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from xml.sax.saxutils import escape

from benchmarks.chart import COLUMNS, MARGIN, PANEL_WIDTH, STYLE, svg
from benchmarks.measures import p99

from soaking.plot import Scale, linear, logarithmic, trace
from soaking.record import Record, Spell
from soaking.verdicts import MEMORY, memoryOf, parts

WIDTH = COLUMNS * PANEL_WIDTH
GUTTER = 170
"""Left of it are names and numbers."""
TITLE = 30
PLOT = 90
MINUTES = 10
"""Spaces between the ticks of time, at most."""
ROW = 15
BAR = 9
LOOKS = """
.tick, .row { font-size: 11px; }
.grid { stroke: #768390; stroke-width: .5; opacity: .35; }
.band { fill: #768390; opacity: .09; }
.bounds { fill: #2f81f7; opacity: .13; }
path.trace { fill: none; stroke-width: 1.2; stroke-linejoin: round; }
.trace.hero { stroke: #2f81f7; } .trace.peak { stroke: #d29922; } .peak { fill: #d29922; }
@media (prefers-color-scheme: light) {
.trace.hero { stroke: #0969da; } .trace.peak { stroke: #bc4c00; } .peak { fill: #bc4c00; }
}
@media (prefers-color-scheme: dark) { .trace.hero { stroke: #58a6ff; } }
"""
"""What a picture over time needs beside the bars' style."""


@dataclass(frozen=True)
class Trace:
    """One line in a panel.

    Attributes:
        name: for the legend.
        look: the class that it is styled by.
        values: by their seconds.
    """

    name: str
    look: str
    values: Mapping[int, float]


def picture(record: Record) -> str:
    """Return the picture of a soak that has samples."""
    first, last = min(record.samples), max(record.samples)
    across = Scale(first, last + 1, GUTTER, WIDTH - GUTTER - 2 * MARGIN)
    panels = [
        panel(record, across, (TITLE + PLOT) * row + TITLE)
        for row, panel in enumerate((_memory, _counts, _latency))
    ]
    attacks = list(dict.fromkeys(spell.name for spell in record.spells))
    top = (TITLE + PLOT) * len(panels) + TITLE
    bottom = top + ROW * len(attacks)
    drawn = [
        *(_bar("band", across, spell, TITLE, bottom - TITLE) for spell in record.spells),
        *panels,
        _text("title", MARGIN, top - 8, "attacks"),
        *(_attack(name, record, across, top + ROW * row) for row, name in enumerate(attacks)),
        _minutes(across, bottom),
    ]
    title = "A server under load and attacks: memory, descriptors and latency"
    return svg(WIDTH, bottom + TITLE, title, STYLE + LOOKS, drawn)


def _memory(record: Record, across: Scale, top: int) -> str:
    """Return the panel of memory, with what the verdict allows shaded."""
    values = {second: sample.memory for second, sample in record.samples.items()}
    part = parts(record)[0]
    first = memoryOf(record, part)
    low, high = first * (1 - MEMORY), first * (1 + MEMORY)
    up = linear([*values.values(), low, high], top + PLOT, -PLOT)
    allowed = (
        f'<rect class="bounds" x="{across.start}" y="{up.at(high):.1f}" '
        f'width="{across.length}" height="{up.at(low) - up.at(high):.1f}"/>'
    )
    legend = f"shaded: {100 * MEMORY:.0f} % around the {part.name}'s median"
    traces = [Trace(legend, "hero", values)]
    return f"{allowed}\n{_panel('memory, MiB', traces, across, up)}"


def _counts(record: Record, across: Scale, top: int) -> str:
    """Return the panel of descriptors and sessions."""
    samples = record.samples.items()
    files = {second: sample.descriptors for second, sample in samples}
    users = {second: sample.sessions for second, sample in samples}
    traces = [Trace("descriptors", "hero", files), Trace("users that are in", "peak", users)]
    up = linear([0, *files.values(), *users.values()], top + PLOT, -PLOT)
    return _panel("open", traces, across, up)


def _latency(record: Record, across: Scale, top: int) -> str:
    """Return the panel of latency."""
    times = {
        second: record.times([second]) for second in record.samples if second in record.latencies
    }
    traces = [
        Trace("99th percentile", "peak", {second: p99(each) for second, each in times.items()}),
        Trace("median", "hero", {second: median(each) for second, each in times.items()}),
    ]
    known = [value for each in traces for value in each.values.values()]
    up = logarithmic(known or [1.0], top + PLOT, -PLOT)
    return _panel("latency of a line, ms", traces, across, up)


def _panel(title: str, traces: Sequence[Trace], across: Scale, up: Scale) -> str:
    """Return a panel: its title and legend, the scale with its lines, and the traces."""
    top = up.start + up.length
    legend = "".join(
        f'<tspan class="{each.look}" dx="{0 if at == 0 else MARGIN}">{escape(each.name)}</tspan>'
        for at, each in enumerate(traces)
    )
    drawn = [
        _text("title", MARGIN, top - 8, title),
        f'<text x="{across.start}" y="{top - 8}">{legend}</text>',
    ]
    for tick in up.ticks():
        y = up.at(tick)
        drawn += [
            f'<path class="grid" d="M{across.start} {y:.1f}h{across.length}"/>',
            _text("tick", across.start - 8, y + 4, f"{tick:,.4g}", anchor="end"),
        ]
    for each in traces:
        points = [
            (across.at(second + 0.5), up.at(each.values[second]) if second in each.values else None)
            for second in range(int(across.low), int(across.high))
        ]
        drawn.append(trace(each.look, points))
    return "\n".join(drawn)


def _attack(name: str, record: Record, across: Scale, top: int) -> str:
    """Return an attack's row: its name, and when it ran."""
    bars = [
        _bar("other", across, spell, top + (ROW - BAR) // 2, BAR)
        for spell in record.spells
        if spell.name == name
    ]
    label = _text("row", across.start - 8, top + ROW - 4, name, anchor="end")
    return "\n".join([label, *bars])


def _bar(look: str, across: Scale, spell: Spell, top: int, height: int) -> str:
    """Return a bar over the time of an attack."""
    start, end = (across.at(min(at, across.high)) for at in (spell.start, spell.end))
    return (
        f'<rect class="{look}" x="{start:.1f}" y="{top}" width="{max(0.0, end - start):.1f}" '
        f'height="{height}"/>'
    )


def _minutes(across: Scale, top: int) -> str:
    """Return the scale of time: minutes, if it is more than one, and the warm-up before them."""
    unit, name = (60, "min") if across.high > 60 else (1, "s")
    ticks = Scale(0, across.high / unit, 0, 1).ticks(MINUTES)
    drawn = [
        _text("tick", across.at(tick * unit), top + 16, f"{tick:g}", anchor="middle")
        for tick in ticks[:-1]
    ]
    last = f"{ticks[-1]:g} {name}"
    drawn.append(_text("tick", across.at(ticks[-1] * unit), top + 16, last, anchor="middle"))
    if across.low < 0:
        zero = across.at(0)
        drawn += [
            _text("tick", (across.start + zero) / 2, top + 16, "warm-up", anchor="middle"),
            f'<path class="grid" d="M{zero:.1f} {TITLE}V{top}"/>',
        ]
    return "\n".join(drawn)


def _text(look: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )
