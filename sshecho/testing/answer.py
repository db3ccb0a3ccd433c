"""Answers: what a test dictates, and how that is said to its server."""

from __future__ import annotations

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


Command = str | bytes | re.Pattern[str] | re.Pattern[bytes]
"""A command as it has to be, or a pattern that has to fit all of it."""

Said = Answer | str | bytes
Answering = Callable[[Session], Said | None]
"""Is called with the session, in a thread, and returns the answer, or None for an echo."""


def sayRule(
    command: Command, answers: Sequence[Said] | None, at_eof: bool = False
) -> dict[str, Any]:
    """Return a rule as it is sent.

    Args:
        command: what it is for.
        answers: one after another, of which the last stays; None when a callable has them.
        at_eof: whether that is called once the client has said that it sends no more.

    Raises:
        ValueError: when there is no answer.
    """
    if isinstance(command, re.Pattern):
        pattern = command.pattern
        isBytes = isinstance(pattern, bytes)
        text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        rule: dict[str, Any] = {"pattern": text, "flags": command.flags, "bytes": isBytes}
    else:
        rule = {"command": _text(command)}
    if answers is not None and not answers:
        raise ValueError("give one answer at least")
    replies = None if answers is None else [sayAnswer(each) for each in answers]
    return {**rule, "replies": replies, "at_eof": at_eof}


def sayAnswer(said: Said) -> dict[str, Any]:
    """Return an answer as it is sent: bytes as the characters of Latin-1.

    Raises:
        TypeError: for what is none.
        ValueError: for an exit status, a time, a question or a prompt that there is not.
    """
    answer = Answer(stdout=said) if isinstance(said, str | bytes) else said
    if not isinstance(answer, Answer):
        raise TypeError(f"an answer is an Answer, str or bytes, not {answer!r}")
    if answer.exit_status is not None and not 0 <= answer.exit_status < 1 << 32:
        raise ValueError(f"exit_status={answer.exit_status}: it is from 0 to 4294967295")
    if answer.after < 0:
        raise ValueError(f"after={answer.after}: it is not below 0 seconds")
    for name, text in (("ask", answer.ask), ("prompt", answer.prompt)):
        if text is not None and not text.isprintable():
            raise ValueError(f"{name}={text!r}: it is characters that can be seen, and spaces")
    return {
        "stdout": _text(answer.stdout),
        "stderr": _text(answer.stderr),
        "exit_status": answer.exit_status,
        "signal": answer.signal,
        "after": answer.after,
        "at_eof": answer.at_eof,
        "ask": answer.ask,
        "prompt": answer.prompt,
    }


def _text(value: str | bytes) -> str:
    return (value.encode() if isinstance(value, str) else value).decode("latin-1")
