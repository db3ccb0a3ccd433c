"""Calls: has the callables of the test's process answer commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from sshecho.session import Session
from sshecho.testing.inside.recorder import Recorder
from sshecho.workers.link import Link, Message


class CallError(Exception):
    """A callable has raised something: the text says what."""


class Calls:
    """Asks, and waits for the answers.

    Args:
        recorder: knows what is seen of the session that a callable is called with.

    Attributes:
        link: to the test's process.
    """

    link: Link

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._waiting: dict[int, Deferred[Mapping[str, Any] | None]] = {}
        self._count = 0

    def __call__(self, called: int, session: Session) -> Deferred[Mapping[str, Any] | None]:
        """Have a callable answer; see `sshecho.testing.inside.rules.Dictate`."""
        self._count += 1
        answer = self._waiting[self._count] = Deferred()
        self.link.send(self._count, called, self._recorder.seenOfSession(session))
        return answer

    def received(self, message: Message, _: int | None) -> None:
        """Take an answer: the call's number, whether it went well, the reply or what went wrong."""
        number, well, said = message
        answer = self._waiting.pop(number)  # which was cancelled if the session is over
        if well:
            answer.callback(said)
        else:
            answer.errback(CallError(said))
