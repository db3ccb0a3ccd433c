"""Dictation: the application that answers commands as a test has dictated; all else it echoes."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho.echo import Echo
from sshecho.session import ISessionTransport, Session
from sshecho.ssh.terminal import Terminal

_log = Logger()


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

    def __call__(self) -> Dictated:
        """Return the application of a new session."""
        return Dictated(self)


@implementer(IHalfCloseableProtocol, IPushProducer)
class Dictated(Echo):
    """Answers a command, or each line at a terminal, as was dictated; all else it echoes.

    The client's reading paces it: what it echoes, by what is read from the client; what was
    dictated, piece by piece.

    Args:
        rules: what was dictated.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._answering: Deferred[None] | None = None
        self._eof: Deferred[None] = Deferred()
        self._asked: Deferred[bool] | None = None
        self._free: Deferred[None] | None = None  # while the client does not read
        self._busy = False  # with a line, while the next one waits

    def connectionMade(self) -> None:
        """Answer the command, or begin to echo."""
        self.link = cast(ISessionTransport, self.transport)
        self.link.registerProducer(self, True)
        command = self.link.session.command
        if command is None:
            return
        rule = self._rules.find(command)
        if rule is None:
            self._echoCommand()
        else:
            self._begin(self._answerCommand(rule))

    def _echoCommand(self) -> None:
        self.link.unregisterProducer()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Echo it; but at a terminal a line is a command."""
        session = self.link.session
        if self._asked is not None:
            if b"\n" in data:
                self._takeLine(came=True)
            return
        if session.command is not None:
            return
        rule = None if session.pty is None else self._rules.find(data.removesuffix(b"\n"))
        if rule is None:
            super().dataReceived(data)
        else:
            self._begin(self._answerLine(rule, data))

    def readConnectionLost(self) -> None:
        """Nothing more will come: a command that was waiting for that is answered now."""
        self._takeLine(came=False)
        if self.link.session.command is None:
            super().readConnectionLost()
        elif not self._eof.called:
            self._eof.callback(None)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Answer no more."""
        if self._answering is not None:
            self._answering.cancel()

    # IPushProducer: the client does not read, or does again.

    def pauseProducing(self) -> None:
        """Send no more, and read no more that would be sent back."""
        if self._free is None:
            self._free = Deferred()
            self.link.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on."""
        free, self._free = self._free, None
        if free is not None:
            free.callback(None)
        self._readOn()

    def stopProducing(self) -> None:
        """Nothing to do: connectionLost says it."""

    def _readOn(self) -> None:
        if self._free is None and not self._busy:
            self.link.resumeProducing()

    # What was dictated.

    def _begin(self, answer: Coroutine[Deferred[Any], Any, None]) -> None:
        self._answering = Deferred.fromCoroutine(answer)
        self._answering.addErrback(self._broke)

    def _broke(self, reason: Failure) -> None:
        if not reason.check(CancelledError):
            why = reason.getErrorMessage()
            _log.error("A command could not be answered: {why}", why=why)
            self.link.writeError(f"{why}\n".encode())
            self.link.exit(_BROKEN)

    async def _ask(self, question: str) -> bool:
        """Ask; return whether a line came, and not the end of all that comes."""
        self._asked = asked = Deferred[bool]()
        if not isinstance(self.link, Terminal):
            self.link.writeError(question.encode())
            return await asked
        before = self.link.prompt
        self.link.setPrompt(question, secret=True)
        self.link.resumeProducing()
        answered = await asked
        self.link.setPrompt(before)
        return answered

    def _takeLine(self, *, came: bool) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.callback(came)

    async def _answerCommand(self, rule: Rule) -> None:
        if rule.atEof:
            await self._eof
        reply = await rule.reply(self._rules.dictate, self.link.session)
        if reply is None:
            self._echoCommand()
            return
        if reply.ask is not None and not await self._ask(reply.ask):
            self.link.writeError(_UNANSWERED)
            self.link.exit(1)
            return
        if reply.at_eof:
            await self._eof
        await self._say(reply)
        self._end(reply)

    async def _answerLine(self, rule: Rule, line: bytes) -> None:
        self._busy = True
        self.link.pauseProducing()
        reply = await rule.reply(self._rules.dictate, self.link.session)
        if reply is None:
            super().dataReceived(line)
        else:
            if reply.ask is not None:
                if not await self._ask(reply.ask):
                    return  # the session ends
                self.link.pauseProducing()
            await self._say(reply)
            if reply.prompt is not None and isinstance(self.link, Terminal):
                self.link.setPrompt(reply.prompt)
            if reply.exit_status is not None or reply.signal is not None:
                self._end(reply)
                return
        self._busy = False
        self._readOn()

    def _end(self, reply: Reply) -> None:
        if reply.signal is None:
            self.link.exit(reply.exit_status or 0)
        else:
            self.link.endBySignal(reply.signal.encode())

    async def _say(self, reply: Reply) -> None:
        if reply.after:
            await deferLater(self._rules.clock, reply.after)
        await self._write(self.link.write, reply.stdout)
        await self._write(self.link.writeError, reply.stderr)

    async def _write(self, write: Callable[[bytes], None], data: bytes) -> None:
        for at in range(0, len(data), _PIECE):
            if self._free is not None:
                await self._free
            write(data[at : at + _PIECE])


_PIECE = 1 << 16
"""Bytes that are written at once."""
_UNANSWERED = b"no answer came\n"
_BROKEN = 255
"""The exit status of a command whose answer could not be had."""
