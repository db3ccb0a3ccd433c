"""The exposition: a report as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from sshecho import __version__
from sshecho.service.measures import BUCKETS, Labels
from sshecho.service.start import StartError
from sshecho.web.overview import Report

if TYPE_CHECKING:
    from prometheus_client.core import Metric

DOORS: Final = ("ssh", "line")
_PREFIX = "sshecho_"

COUNTERS: Final[dict[str, tuple[str, tuple[str, ...], str]]] = {
    "connections": ("connections", ("door",), "Connections that were accepted."),
    "logins": (
        "logins",
        ("door", "method", "result"),
        "Tries to log in: ok, denied, or unchecked when a store could not be asked.",
    ),
    "sessions": ("sessions", ("door", "request"), "Sessions, by what was asked for."),
    "bytes": (
        "data_bytes",
        ("door", "direction"),
        "Bytes of session data, received from clients and sent to them, live sessions included.",
    ),
    "limits": ("limits_reached", ("limit",), "How often a limit was reached."),
    "penalty_seconds": ("penalty_seconds", (), "What failed logins have cost their addresses."),
    "requests_refused": ("requests_refused", ("door",), "Requests that are not granted here."),
    "protocol_errors": ("protocol_errors", ("door",), "Clients that broke the protocol."),
    "worker_deaths": ("worker_deaths", (), "Workers that have ended unasked."),
}
"""For each name of the measures what it is called, its labels, and what it is."""

TIMES: Final[dict[str, tuple[str, str]]] = {
    "handshake": (
        "handshake_seconds",
        "From the accept of an SSH connection to its first keys; no person is waited for.",
    ),
    "echo": (
        "echo_seconds",
        "From a read of session data to the echo's being written, where that is in one turn.",
    ),
}
"""Likewise for what is timed, by door."""

_ALWAYS: Final[dict[str, list[Labels]]] = {
    "connections": [(door,) for door in DOORS],
    "bytes": [(door, way) for door in DOORS for way in ("received", "sent")],
    "penalty_seconds": [()],
    "worker_deaths": [()],
}
"""What is there from the start, at nothing."""


class Exposition:
    """Writes reports as text.

    Attributes:
        contentType: what that is.

    Raises:
        StartError: when the library for it is missing.
    """

    def __init__(self) -> None:
        try:
            from prometheus_client import core, exposition
        except ImportError:
            why = "the package prometheus-client is missing: pip install 'sshecho[metrics]'"
            raise StartError(f"--metrics: {why}") from None
        self.contentType = exposition.CONTENT_TYPE_PLAIN_0_0_4
        self._write: Callable[[Any], bytes] = exposition.generate_latest
        self._core = core

    def write(self, report: Report) -> bytes:
        """Return a report as text."""
        return self._write(_Collected(list(self._families(report))))

    def _families(self, report: Report) -> Iterator[Metric]:
        core = self._core
        info = core.InfoMetricFamily("sshecho", "The server.", {"version": __version__})
        yield info
        for measure, (name, labels, what) in COUNTERS.items():
            counter = core.CounterMetricFamily(_PREFIX + name, what, labels=labels)
            counts = dict.fromkeys(_ALWAYS.get(measure, ()), 0.0)
            counts.update(report.measures.counts(measure))
            for values, n in sorted(counts.items()):
                counter.add_metric(values, n)
            yield counter
        for measure, (name, what) in TIMES.items():
            histogram = core.HistogramMetricFamily(_PREFIX + name, what, labels=("door",))
            for values, found, total in sorted(report.measures.times(measure)):
                histogram.add_metric(values, _cumulative(found), total)
            yield histogram
        connections = Counter(connection.door for connection in report.connections)
        loggedIn = Counter(c.door for c in report.connections if c.user is not None)
        for name, what, open_ in (
            ("connections_open", "Connections that are open.", connections),
            ("logins_open", "Connections that are open and logged in.", loggedIn),
        ):
            gauge = core.GaugeMetricFamily(_PREFIX + name, what, labels=("door",))
            for door in DOORS:
                gauge.add_metric((door,), open_[door])
            yield gauge


def _cumulative(found: list[float]) -> list[tuple[str, float]]:
    """Return how many took at most as long as each bucket's bound."""
    bounds = [*map(str, BUCKETS), "+Inf"]
    return list(zip(bounds, accumulate(found), strict=True))


class _Collected:
    """What a registry would have collected."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Return it."""
        return self._families
