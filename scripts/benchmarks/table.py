"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measures import Figure
from benchmarks.rounds import Results

YARDSTICK = "go"
"""Whom the others are compared with; without it the first, which is sshecho."""


def yardstick(results: Sequence[Results]) -> Results:
    """Return the one that the others are compared with."""
    return next((each for each in results if each.server.name == YARDSTICK), results[0])


def ratio(value: float | None, unit: float | None) -> str:
    """Return how many times the yardstick's a value is; nothing where one is missing."""
    return "" if value is None or not unit else f"{value / unit:.2f}"


def absolute(value: float | None, figure: Figure) -> str:
    """Return a value with the digits that it has."""
    return "" if value is None else f"{value:,.{figure.digits}f}"


def comparison(results: Sequence[Results]) -> str:
    """Return the table: the yardstick's absolute values, and the others' in its units."""
    base = yardstick(results)
    others = [each for each in results if each is not base]
    rows = [
        [
            figure.title,
            absolute(base.median(figure), figure),
            *(ratio(each.median(figure), base.median(figure)) for each in others),
        ]
        for figure in base.figures()
    ]
    names = [f"{each.server.title}, x {base.server.title}" for each in others]
    return markdown(["", base.server.title, *names], rows)


def versions(results: Sequence[Results]) -> str:
    """Return the table of what was measured."""
    rows = [[each.server.title, each.version, each.agreed] for each in results]
    return markdown(["server", "version", "agreed on"], rows)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
