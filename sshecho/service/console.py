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
from sshecho.service.events import AUDIT


@implementer(ILogObserver)
class Console:
    """Writes what people want to know, and whatever is a warning: each event is a line.

    Args:
        stream: where; a line that can't be written is dropped, the server goes on.
        prefix: what each begins with, behind the time.
    """

    def __init__(self, stream: TextIO, prefix: str = "") -> None:
        self._stream = stream
        self._prefix = prefix
        levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
        levels.setLogLevelForNamespace(NAMESPACE, LogLevel.info)
        # A class of ours that stands on one of Conch's logs Conch's small talk under its own name.
        levels.setLogLevelForNamespace(f"{NAMESPACE}.ssh", LogLevel.warn)
        self._others = FilteringLogObserver(self._writeEvent, [levels])  # type: ignore[arg-type]

    def __call__(self, event: LogEvent) -> None:
        """Write an event, if it is one to be shown."""
        if AUDIT in event:  # there are many of those, and each is a line already
            self._write(event, event["text"])
        else:
            self._others(event)

    def _writeEvent(self, event: LogEvent) -> None:
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        level = event.get("log_level", LogLevel.info)
        mark = "" if level is LogLevel.info else f"{level.name}: "
        # The lines of a traceback stay lines.
        self._write(event, mark + "\n".join(map(escape, text.split("\n"))))

    def _write(self, event: LogEvent, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that is gone, a stream that is closed
            clock = _clock(int(event.get("log_time", 0)))
            # In one piece: other processes may write to the same terminal.
            self._stream.write(f"{clock} {self._prefix}{text}\n")
            self._stream.flush()


@lru_cache(1)  # many may come in a second
def _clock(when: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))
