"""Dictation: the application that answers commands as a test has dictated; all else it echoes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho.echo import Echo
from sshecho.session import ISessionTransport
from sshecho.ssh.terminal import Terminal
from sshecho.testing.inside.rules import Reply, Rule, Rules

_log = Logger()


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
        self._typed = b""  # what a command was sent that nobody has asked for yet
        self._ended = False  # whether no more comes
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
        if self._asked is not None or session.command is not None:
            self._keep(data)
            self._takeLine()
            return
        rule = None if session.pty is None else self._rules.find(data.removesuffix(b"\n"))
        if rule is None:
            super().dataReceived(data)
        else:
            self._begin(self._answerLine(rule, data))

    def readConnectionLost(self) -> None:
        """Nothing more will come: a command that was waiting for that is answered now."""
        self._ended = True
        self._takeLine()
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
            self._takeLine()
            return await asked
        before = self.link.prompt
        self.link.setPrompt(question, secret=True)
        self._takeLine()
        self.link.resumeProducing()
        answered = await asked
        self.link.setPrompt(before)
        return answered

    def _keep(self, data: bytes) -> None:
        """Keep what has come for a question; of a line that is too long, that it has ended."""
        typed = self._typed + data
        more = typed[_LONGEST:]
        self._typed = typed[:_LONGEST] + (b"\n" if b"\n" in more else b"")

    def _takeLine(self) -> None:
        """Answer our question with the next line, which may have come before, or with the end."""
        _, newline, rest = self._typed.partition(b"\n")
        if self._asked is not None and (newline or self._ended):
            asked, self._asked, self._typed = self._asked, None, rest
            if self.link.session.command is None:
                self.link.pauseProducing()  # the next line is not to overtake the answer
            asked.callback(bool(newline))

    async def _answerCommand(self, rule: Rule) -> None:
        if rule.atEof:
            await self._eof
        elif isinstance(self.link, Terminal):
            self.link.pauseProducing()  # what is typed may be an answer, which is not to be shown
        reply = await rule.reply(self._rules.dictate, self.link.session)
        if isinstance(self.link, Terminal) and (reply is None or reply.ask is None):
            self.link.resumeProducing()
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
_LONGEST = 1 << 16  # bytes of what nobody has asked for
_UNANSWERED = b"no answer came\n"
_BROKEN = 255
"""The exit status of a command whose answer could not be had."""
