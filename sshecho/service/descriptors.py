"""Descriptors: one for each connection, as many as the system lets us have."""

from __future__ import annotations

import resource
from contextlib import suppress
from dataclasses import replace
from typing import Final

from twisted.logger import ILogObserver, LogEvent, Logger
from zope.interface import implementer

from sshecho.service.gate import Gate
from sshecho.service.limits import Limits

SPARE: Final = 128
"""Descriptors for all that is no connection: doors, files, threads' work, clients sent away."""

_ACCEPTING = "twisted.internet.tcp"
_TROUBLE = ("EMFILE encountered", "Could not accept")

_log = Logger()


def reserveDescriptors(limits: Limits) -> Limits:
    """Raise the system's limit (RLIMIT_NOFILE) to what all the connections need.

    Returns:
        The limits, with fewer connections where the system says no, which is said.
    """
    needed = limits.maxConnections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _fewer(soft, needed):
        soft = _raise(needed, hard)
    if not _fewer(soft, needed):
        return limits
    lowered = max(1, soft - SPARE)
    _log.warn(
        "--max-connections {wanted}: the system allows {soft} descriptors (ulimit -n), which is "
        "enough for {lowered}",
        wanted=limits.maxConnections,
        soft=soft,
        lowered=lowered,
    )
    return replace(limits, maxConnections=lowered)


def _raise(needed: int, hard: int) -> int:
    """Raise the limit as far as it goes, and return it."""
    if _fewer(hard, needed):
        with suppress(OSError, ValueError):  # only root may have more than the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, needed))
            return needed
        needed = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return needed


def _fewer(limit: int, needed: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < needed


@implementer(ILogObserver)
class Exhaustion:
    """Tells when no connection can be accepted: Twisted goes on, but says so to nobody.

    Args:
        gate: where it is told.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __call__(self, event: LogEvent) -> None:
        """Look at what Twisted logs."""
        accepting = str(event.get("log_namespace")).startswith(_ACCEPTING)
        if accepting and str(event.get("log_format")).startswith(_TROUBLE):
            self._gate.reached("descriptors", "", "no connection can be accepted")
