"""The console: short lines for a person at the terminal, from the log's events."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import lru_cache
from typing import TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
)
from zope.interface import implementer

from sshecho.people import NAMESPACE, escape


@implementer(ILogObserver)
class Console:
    """Writes each event as a line.

    Args:
        stream: where; a line that can't be written is dropped, the server goes on.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: LogEvent) -> None:
        """Write an event."""
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        clock = _clock(int(event.get("log_time", 0)))
        level = event.get("log_level", LogLevel.info)
        mark = "" if level is LogLevel.info else f"{level.name}: "
        with suppress(OSError, ValueError):  # a terminal that is gone, a stream that is closed
            # The lines of a traceback stay lines.
            lines = "\n".join(map(escape, text.split("\n")))
            print(f"{clock} {mark}{lines}", file=self._stream, flush=True)


@lru_cache(1)  # many may come in a second
def _clock(when: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def makeConsole(stream: TextIO) -> ILogObserver:
    """Return an observer that shows what people want to know, and whatever is a warning.

    Args:
        stream: where the lines go.
    """
    levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    levels.setLogLevelForNamespace(NAMESPACE, LogLevel.info)
    # A class of ours that stands on one of Conch's logs Conch's small talk under its own name.
    levels.setLogLevelForNamespace(f"{NAMESPACE}.ssh", LogLevel.warn)
    return FilteringLogObserver(Console(stream), [levels])
