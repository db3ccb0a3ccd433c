"""What is logged: nothing may be an error, and what is told of clients is a line, and in pairs."""

from __future__ import annotations

import json
from collections import Counter
from types import TracebackType

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogBeginner,
    globalLogPublisher,
)
from zope.interface import implementer

from sshecho.service.events import AUDIT

_LONGEST = 16 * 1024  # characters of what is told of one event
_PAIRS = {
    "connection.open": "connection.close",
    "login.ok": "logout",
    "session.open": "session.close",
}


@implementer(ILogObserver)
class Watch:
    """Sees what is logged, from the beginning of the block to its end.

    Attributes:
        found: what should not have been, with its traceback.
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        self._told: Counter[str] = Counter()

    def __enter__(self) -> Watch:
        globalLogPublisher.addObserver(self)
        # Twisted keeps what is logged until logging begins, and with it those who have left.
        self._keeper = globalLogBeginner._temporaryObserver
        if self._keeper is not None:
            globalLogPublisher.removeObserver(self._keeper)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        globalLogPublisher.removeObserver(self)
        if self._keeper is not None:
            globalLogPublisher.addObserver(self._keeper)

    def __call__(self, event: LogEvent) -> None:
        """See what is logged."""
        failure = event.get("log_failure")
        if failure is not None or event.get("log_level", LogLevel.info) >= LogLevel.error:
            trace = "" if failure is None else failure.getTraceback()
            self.found.append(f"{formatEvent(event)}\n{trace}")
        if AUDIT in event:
            self._told[event[AUDIT]["event"]] += 1
            text = json.dumps(event[AUDIT]) + event["text"]
            if not text.isprintable() or len(text) > _LONGEST:
                self.found.append(f"this is not to be told: {text!r}")

    def check(self) -> None:
        """See to it that there was nothing.

        Raises:
            AssertionError: says what there was.
        """
        assert not self.found, "\n".join(self.found)

    def checkPairs(self) -> None:
        """See to it that whatever began has ended: all who came have left.

        Raises:
            AssertionError: when something has not.
        """
        for begun, ended in _PAIRS.items():
            assert self._told[begun] == self._told[ended], (begun, self._told)
