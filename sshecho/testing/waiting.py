"""Waiting until a server has seen something, and telling what it saw instead."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sshecho.testing.errors import NeverSeen

if TYPE_CHECKING:
    from sshecho.testing.server import Server

_T = TypeVar("_T")

_PAUSE = 0.01
"""Seconds between looks at what has happened."""
_MOST_TOLD = 20
"""Lines of the log, and sessions, that are shown."""


def waitForEvent(
    server: Server, name: str, timeout: float, fields: Mapping[str, object]
) -> dict[str, Any]:
    """Wait for an event of the audit log; see `Server.wait_for`.

    Raises:
        NeverSeen: when it does not come.
    """
    __tracebackhide__ = True

    def find() -> dict[str, Any] | None:
        for event in server.events:
            if event["event"] == name and all(event.get(k) == v for k, v in fields.items()):
                return event
        return None

    found = _until(find, timeout)
    if found is None:
        wanted = f"the event {name!r}" + (f" with {_values(fields)}" if fields else "")
        near = dict.fromkeys(
            "  it came with " + _values({name: event.get(name) for name in fields})
            for event in server.events
            if fields and event["event"] == name
        )
        raise NeverSeen("\n".join([_never(wanted, timeout), *near, _whatHappened(server)]))
    return found


def waitUntil(server: Server, what: Callable[[Server], _T], timeout: float) -> _T:
    """Wait until a callable returns something true; see `Server.wait_for`.

    Raises:
        NeverSeen: when it does not.
    """
    __tracebackhide__ = True
    missing: list[IndexError] = []

    def find() -> _T | None:
        missing.clear()
        try:
            return what(server)
        except IndexError as error:  # such as that of the first session, before there is one
            missing.append(error)
            return None

    found = _until(find, timeout)
    if not found:
        text = f"{_never(_name(what), timeout)}\n{_whatHappened(server)}"
        raise NeverSeen(text) from (missing[0] if missing else None)
    return found


def _until(find: Callable[[], _T | None], timeout: float) -> _T | None:
    """Return what is found, or what there is instead of it when the time is over."""
    until = _now() + timeout
    while True:
        found = find()
        if found or _now() >= until:
            return found
        time.sleep(_PAUSE)


def _now() -> float:
    """Return the time in seconds, by a clock that goes on where tests have stopped the others."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def _never(wanted: str, timeout: float) -> str:
    return f"{wanted}: not seen within {timeout:g} s"


def _name(what: object) -> str:
    """Return what people call a callable: where one without a name stands."""
    name = str(getattr(what, "__qualname__", repr(what))).rpartition("<locals>.")[2]
    code = getattr(what, "__code__", None)
    if code is None:
        return name
    return f"{name} (line {code.co_firstlineno} of {code.co_filename})"


def _values(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in fields.items())


def _whatHappened(server: Server) -> str:
    events = Counter(event["event"] for event in server.events)
    if not events:
        return "nothing has happened: no client has come"
    counted = ", ".join(f"{name} ({times})" for name, times in events.items())
    return "\n".join(
        [
            f"events: {counted}",
            *_last("sessions", [str(session) for session in server.sessions]),
            *_last("log", server.log.splitlines()),
        ]
    )


def _last(title: str, lines: list[str]) -> list[str]:
    shown = lines[-_MOST_TOLD:]
    if not shown:
        return []
    left = len(lines) - len(shown)
    return [f"{title}:", *([f"  ... {left} more"] if left else []), *(f"  {s}" for s in shown)]
