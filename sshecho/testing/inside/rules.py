"""Rules: what commands are answered with, as a test has dictated it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sshecho.session import Session


@dataclass(frozen=True)
class Reply:
    """What a command is answered with.

    Attributes:
        stdout: bytes of standard output.
        stderr: bytes of standard error.
        exit_status: how the session ends, unless by a signal; None for 0, or not at all at a
            terminal's shell.
        signal: the signal that it ends by.
        after: seconds to wait before it.
        at_eof: whether to wait before that for the end of what the client sends.
        ask: what is asked first of all; a line has to come then.
        prompt: what the next lines begin with at a terminal's shell.
    """

    stdout: bytes = b""
    stderr: bytes = b""
    exit_status: int | None = None
    signal: str | None = None
    after: float = 0.0
    at_eof: bool = False
    ask: str | None = None
    prompt: str | None = None


def readReply(said: Mapping[str, Any]) -> Reply:
    """Return the reply that a test has said; bytes travel as the characters of Latin-1."""
    output = {name: said[name].encode("latin-1") for name in ("stdout", "stderr")}
    return Reply(**{**said, **output})


class Dictate(Protocol):
    """Has a callable of the test's answer."""

    def __call__(self, called: int, session: Session) -> Deferred[Mapping[str, Any] | None]:
        """Return a Deferred of the reply that a callable has for a session's command.

        It is None for an echo; and fails when the callable does.

        Args:
            called: the callable's number.
            session: the session.
        """


class Rule:
    """What one command, or all that a pattern fits, are answered with.

    Args:
        said: the rule as the test says it: ``command`` or ``pattern``, ``flags`` and ``bytes``;
            ``replies``, or ``callable``, the number of the callable that has them, and ``at_eof``,
            whether that is called once no more comes.

    Attributes:
        atEof: whether it is of use only then.

    Raises:
        ValueError: for a pattern that is none.
    """

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.atEof: bool = said.get("at_eof", False)
        self._command: bytes | None = None
        if "command" in said:
            self._command = said["command"].encode("latin-1")
        else:
            self._text = not said["bytes"]
            pattern = said["pattern"] if self._text else said["pattern"].encode("latin-1")
            self._pattern = re.compile(pattern, said["flags"])
        self._called: int | None = said.get("callable")
        self._replies = [readReply(each) for each in said.get("replies", ())]

    def fits(self, command: bytes) -> bool:
        """Return whether it is for a command."""
        if self._command is not None:
            return command == self._command
        whole = command.decode(errors="surrogateescape") if self._text else command
        return self._pattern.fullmatch(whole) is not None

    async def reply(self, dictate: Dictate, session: Session) -> Reply | None:
        """Return the next reply, of which the last one stays; None for an echo."""
        if self._called is not None:
            said = await dictate(self._called, session)
            return None if said is None else readReply(said)
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


class Rules:
    """The rules of one server; of those that fit, the youngest counts.

    Args:
        clock: what time is counted with.
        dictate: has callables answer.
    """

    def __init__(self, clock: IReactorTime, dictate: Dictate) -> None:
        self.clock = clock
        self.dictate = dictate
        self._rules: list[Rule] = []

    def add(self, said: Mapping[str, Any]) -> None:
        """Add a rule.

        Raises:
            ValueError: for a pattern that is none.
        """
        self._rules.append(Rule(said))

    def clear(self) -> None:
        """Forget all of them."""
        self._rules.clear()

    def find(self, command: bytes) -> Rule | None:
        """Return the rule for a command, or None."""
        return next((rule for rule in reversed(self._rules) if rule.fits(command)), None)
