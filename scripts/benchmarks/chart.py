"""The results as a chart: an SVG that is readable on a light page and on a dark one."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from benchmarks.measures import BULK, ECHO, IDLE, LOGIN, Figure
from benchmarks.rounds import Results
from benchmarks.table import absolute

PANELS = (LOGIN, ECHO, BULK, IDLE)
COLUMNS = 2
PANEL_WIDTH = 420
NAME_WIDTH = 84
BAR_WIDTH = 250
ROW_HEIGHT = 20
BAR_HEIGHT = 13
TITLE_HEIGHT = 30
MARGIN = 14
OUTLIER = 4
"""How many times the median a bar may show: one beyond it is broken off."""
HERO = "sshecho"
STYLE = """
text { font: 12px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
text, .other { fill: #768390; }
.title { font-weight: 600; }
.hero { fill: #2f81f7; }
text.hero { font-weight: 600; }
rect.other, path.other { opacity: .6; }
@media (prefers-color-scheme: light) { text { fill: #424a53; } .hero { fill: #0969da; } }
@media (prefers-color-scheme: dark) { text { fill: #c9d1d9; } .hero { fill: #58a6ff; } }
"""


def chart(results: Sequence[Results]) -> str:
    """Return the chart: a panel for each measure, and in it a bar for each server, least first."""
    figures = [figure for figure in PANELS if any(each.median(figure) for each in results)]
    height = TITLE_HEIGHT + ROW_HEIGHT * len(results) + MARGIN
    drawn = [
        f'<g transform="translate({at % COLUMNS * PANEL_WIDTH} {at // COLUMNS * height})">\n'
        f"{panel(figure, results)}\n</g>"
        for at, figure in enumerate(figures)
    ]
    width = COLUMNS * PANEL_WIDTH
    total = height * -(-len(figures) // COLUMNS)
    title = "SSH servers measured side by side; less is better"
    return svg(width, total, title, STYLE, drawn)


def svg(width: int, height: int, title: str, style: str, drawn: Iterable[str]) -> str:
    """Return a whole picture of what is drawn."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>{style}</style>\n" + "\n".join(drawn) + "\n</svg>\n"
    )


def panel(figure: Figure, results: Sequence[Results]) -> str:
    """Return one measure's title and bars."""
    measured = ((each.median(figure), each) for each in results)
    values = sorted(
        ((value, each) for value, each in measured if value is not None), key=lambda pair: pair[0]
    )
    drawn = [f'<text class="title" x="{MARGIN}" y="20">{escape(figure.title)}</text>']
    widths = barWidths([value for value, _ in values])
    for row, ((value, each), width) in enumerate(zip(values, widths, strict=True)):
        look = "hero" if each.server.name == HERO else "other"
        top = TITLE_HEIGHT + row * ROW_HEIGHT
        base = top + BAR_HEIGHT - 2
        start = MARGIN + NAME_WIDTH
        shown = BAR_WIDTH if width is None else width
        drawn += [
            f'<text class="{look}" x="{MARGIN}" y="{base}">{escape(each.server.title)}</text>',
            bar(look, start, top, width),
            f'<text class="{look}" x="{start + shown + 6:.1f}" y="{base}">'
            f"{absolute(value, figure)}</text>",
        ]
    return "\n".join(drawn)


def barWidths(values: Sequence[float]) -> list[float | None]:
    """Return how wide each bar is; None: broken off, since it would make the others too small."""
    limit = OUTLIER * statistics.median(values)
    longest = max((value for value in values if value <= limit), default=limit)
    scale = BAR_WIDTH * 0.8 / longest if longest > 0 else 0  # less than none is noise
    return [max(0, value * scale) if value <= limit else None for value in values]


def bar(look: str, x: int, y: int, width: float | None) -> str:
    """Return a bar; one that is broken off goes to the end, with a slanted gap before it."""
    if width is not None:
        return f'<rect class="{look}" x="{x}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}"/>'
    gap, slant = x + BAR_WIDTH - 22, 6
    end = x + BAR_WIDTH
    return (
        f'<path class="{look}" d="M{x} {y}H{gap + slant}L{gap} {y + BAR_HEIGHT}H{x}Z'
        f'M{gap + slant + 5} {y}H{end}V{y + BAR_HEIGHT}H{gap + 5}Z"/>'
    )
