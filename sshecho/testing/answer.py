"""Answers: what a test dictates, and how that is said to its server."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sshecho.testing.records import Session


@dataclass(frozen=True)
class Answer:
    """What a command is answered with.

    Attributes:
        stdout: standard output; text is sent as UTF-8.
        stderr: standard error, likewise. At a terminal it goes where standard output does.
        exit_status: how the session ends, unless by a signal; 0 unless it is given. At a terminal's
            shell the session goes on unless one of the two is given.
        signal: the signal that it ends by, such as ``"KILL"``.
        after: seconds to wait before all this.
        at_eof: whether to wait, before that, until the client has said that it sends no more.
        ask: what is asked first of all, such as ``"Password: "``: then a line has to come. At a
            terminal that is not shown; without one, the question is on standard error.
        prompt: what the next lines begin with at a terminal's shell, such as ``"switch(config)#"``.
    """

    stdout: str | bytes = b""
    stderr: str | bytes = b""
    exit_status: int | None = None
    signal: str | None = None
    after: float = 0.0
    at_eof: bool = False
    ask: str | None = None
    prompt: str | None = None


_HIGHEST_STATUS = (1 << 32) - 1
_SIGNAL = re.compile(r"(?!SIG)[A-Z][A-Z0-9]*|[^@\s]+@[^@\s]+", re.ASCII)  # RFC 4254, section 6.10

Command = str | bytes | re.Pattern[str] | re.Pattern[bytes]
"""A command as it has to be, or a pattern that has to fit all of it."""

Said = Answer | str | bytes
Answering = Callable[[Session], Said | None]
"""Is called with the session, in a thread, and returns the answer, or None for an echo."""


def sayRule(
    command: Command, answers: Sequence[Said] | int, at_eof: bool = False
) -> dict[str, Any]:
    """Return a rule as it is sent.

    Args:
        command: what it is for.
        answers: one after another, of which the last stays; or the number of the callable that
            has them.
        at_eof: whether that is called once the client has said that it sends no more.

    Raises:
        TypeError: for what is no command, or no answer.
        ValueError: when there is no answer, or one that can't be given.
    """
    rule = _sayCommand(command)
    if isinstance(answers, int):
        return {**rule, "callable": answers, "at_eof": at_eof}
    if not answers:
        raise ValueError("give one answer at least")
    return {**rule, "replies": [sayAnswer(each) for each in answers]}


def _sayCommand(command: Command) -> dict[str, Any]:
    if isinstance(command, re.Pattern):
        pattern = command.pattern
        if isinstance(pattern, bytes):
            return {"pattern": _text(pattern), "flags": command.flags, "bytes": True}
        return {"pattern": pattern, "flags": command.flags, "bytes": False}
    if not isinstance(command, str | bytes):
        raise TypeError(f"a command is str, bytes or a compiled pattern, not {command!r}")
    return {"command": _text(command)}


def sayAnswer(said: Said) -> dict[str, Any]:
    """Return an answer as it is sent: bytes as the characters of Latin-1.

    Raises:
        TypeError: for what is none.
        ValueError: for an exit status, a signal, a time, a question or a prompt that there is not.
    """
    answer = Answer(stdout=said) if isinstance(said, str | bytes) else said
    if not isinstance(answer, Answer):
        raise TypeError(f"an answer is an Answer, str or bytes, not {answer!r}")
    for name in ("stdout", "stderr"):
        if not isinstance(getattr(answer, name), str | bytes):
            raise TypeError(f"{name}={getattr(answer, name)!r}: it is str or bytes")
    status, signal, after = answer.exit_status, answer.signal, answer.after
    if status is not None and not (_isNumber(status) and 0 <= status <= _HIGHEST_STATUS):
        raise ValueError(f"exit_status={status!r}: it is from 0 to {_HIGHEST_STATUS}")
    if signal is not None and not (isinstance(signal, str) and _SIGNAL.fullmatch(signal)):
        raise ValueError(f'signal={signal!r}: it is a name without SIG, such as "KILL"')
    if not _isNumber(after, float) or not 0 <= after < math.inf:
        raise ValueError(f"after={after!r}: it is a number of seconds, and not below 0")
    for name, text in (("ask", answer.ask), ("prompt", answer.prompt)):
        if text is not None and not (isinstance(text, str) and text.isprintable()):
            raise ValueError(f"{name}={text!r}: it is characters that can be seen, and spaces")
    return {
        "stdout": _text(answer.stdout),
        "stderr": _text(answer.stderr),
        "exit_status": status,
        "signal": signal,
        "after": after,
        "at_eof": bool(answer.at_eof),
        "ask": answer.ask,
        "prompt": answer.prompt,
    }


def _isNumber(value: object, *kinds: type) -> bool:
    return isinstance(value, (int, *kinds)) and not isinstance(value, bool)


def _text(value: str | bytes) -> str:
    return (value.encode() if isinstance(value, str) else value).decode("latin-1")
