"""The page as HTML: no script, and nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape as quoted
from typing import Final

from sshecho import __version__
from sshecho.people import escape, plainName
from sshecho.web.overview import Connection

MOST: Final = 500
"""Connections that are shown, the newest; the rest are counted."""

STYLE: Final = """
:root { color-scheme: light dark; --line: #d9dee4; --soft: #5d6b7a; --back: #f5f7f9;
  --card: #fff; --text: #17202a; --accent: #0b6e4f; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --line: #313b46; --soft: #98a5b3; --back: #12171d;
  --card: #1a2129; --text: #e6ebf0; --accent: #5fd0a5; --bad: #ff8a80 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.25rem; max-width: 70rem; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem }
h1 { margin: 0; font-size: 1.5rem; letter-spacing: -.01em }
p { margin: 0; color: var(--soft) }
.up { color: var(--accent); font-weight: 600 }
.down { color: var(--bad); font-weight: 600 }
.me { margin-left: auto }
dl { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0 }
dl div { flex: 1 1 9rem; padding: .75rem 1rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .6rem }
dt { color: var(--soft); font-size: .85rem }
dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums }
.table { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem }
table { width: 100%; border-collapse: collapse }
th, td { padding: .55rem .9rem; text-align: left; white-space: nowrap }
th { color: var(--soft); font-size: .85rem; font-weight: 500 }
tbody td { border-top: 1px solid var(--line) }
.number { text-align: right; font-variant-numeric: tabular-nums }
.who { max-width: 22rem; overflow: hidden; text-overflow: ellipsis; font-weight: 600 }
.from { font-family: ui-monospace, monospace; font-size: .9em }
.soft { color: var(--soft); font-weight: 400 }
.door { padding: .1rem .5rem; border: 1px solid var(--line); border-radius: 1rem;
  font-size: .85rem }
form { margin: 0; text-align: right }
button { padding: .25rem .8rem; font: inherit; color: var(--bad); background: none;
  border: 1px solid currentColor; border-radius: .4rem; cursor: pointer }
button:hover, button:focus-visible { color: var(--card); background: var(--bad) }
.none { padding: 2rem; text-align: center }
.more { padding: .75rem 1rem; border-top: 1px solid var(--line) }
"""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def render(
    connections: Sequence[Connection],
    user: bytes,
    token: Callable[[str], str],
    now: float,
    trouble: str,
) -> str:
    """Return the page.

    Args:
        connections: those that are open.
        user: who looks at it.
        token: returns what a button needs to end a connection, by its id.
        now: the time, in seconds since 1970.
        trouble: why nobody gets in; empty when somebody may.
    """
    newest = sorted(connections, key=lambda connection: -connection.since)
    rows = "".join(_row(connection, token, now) for connection in newest[:MOST])
    hidden = len(newest) - MOST
    more = f'<p class="more">and {hidden:,} older ones</p>' if hidden > 0 else ""
    state = (
        f': <span class="down">{trouble}</span>' if trouble else ' is <span class="up">open</span>'
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sshecho: live sessions</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Live sessions</h1>
<p>sshecho {quoted(__version__)}{state}</p>
<p class="me">{_time(now)} UTC, as <bdi>{_text(plainName(user))}</bdi></p>
</header>
<dl>{_totals(connections)}</dl>
<div class="table">{_table(rows)}{more}</div>
</body>
</html>
"""


def _totals(connections: Sequence[Connection]) -> str:
    totals = {
        "Connections": f"{len(connections):,}",
        "Logged in": f"{sum(c.user is not None for c in connections):,}",
        "Received": _size(sum(c.received for c in connections)),
        "Sent": _size(sum(c.sent for c in connections)),
    }
    return "".join(f"<div><dt>{name}</dt><dd>{total}</dd></div>" for name, total in totals.items())


def _table(rows: str) -> str:
    if not rows:
        return '<p class="none">Nobody is here.</p>'
    return f"""<table>
<thead><tr><th scope="col">Who<th scope="col">From<th scope="col">Door<th scope="col">Since
<th scope="col" class="number">Received<th scope="col" class="number">Sent<th></tr></thead>
<tbody>{rows}</tbody>
</table>"""


def _row(connection: Connection, token: Callable[[str], str], now: float) -> str:
    if connection.user is None:
        who = '<span class="soft">not logged in</span>'
    else:
        who = f"<bdi>{_text(connection.user)}</bdi>"
    return f"""
<tr><td class="who" title="{_text(connection.id)}">{who}
<td class="from"><bdi>{_text(connection.peer)}</bdi>
<td><span class="door">{_text(connection.door)}</span>
<td>{_since(connection.since, now)} <span class="soft">{_span(now - connection.since)}</span>
<td class="number">{_size(connection.received)}
<td class="number">{_size(connection.sent)}
<td>{_button(connection, token)}</tr>"""


def _button(connection: Connection, token: Callable[[str], str]) -> str:
    if connection.ending:
        return '<span class="soft">ending</span>'
    label = f"End the connection of {connection.user or 'somebody'} from {connection.peer}"
    return (
        f'<form method="post" action="/end"><input type="hidden" name="id" '
        f'value="{_text(connection.id)}"><input type="hidden" name="token" '
        f'value="{_text(token(connection.id))}">'
        f'<button aria-label="{_text(label)}">End</button></form>'
    )


def _text(text: str) -> str:
    """Return text from anywhere, so that it is shown as it is and does nothing."""
    return quoted(escape(text))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _since(seconds: float, now: float) -> str:
    """Return a time, and the date if that was another."""
    date, _, time = _time(seconds).partition(" ")
    return time if date == _time(now).partition(" ")[0] else f"{date} {time}"


def _span(seconds: float) -> str:
    """Return how long something takes, in one unit."""
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _size(count: float) -> str:
    """Return how many bytes, in a unit that makes it short."""
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
