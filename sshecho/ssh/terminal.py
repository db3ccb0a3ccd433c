"""The terminal: stands between a session with a PTY and its application.

The application sees lines; the person sees a prompt and an editor, and each line that the
application writes begins at the left margin.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProducer,
    IProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho.session import ISessionTransport, Session, endInput
from sshecho.ssh.editor import PROMPT, Breath, EndOfInput, Event, Interrupt, LineEditor

_log = Logger()

TURN = 0.002
"""Seconds of editing after which others have their turn."""

DUMB = b"dumb"
"""The type of a terminal that knows no escape sequences, as terminfo has it."""

GREETING = b"Login successful, please proceed.\n"

Greeting = Callable[[], bytes]


def usualGreeting() -> bytes:
    """Return the greeting of a server that was given no other."""
    return GREETING


@implementer(IHalfCloseableProtocol, ISessionTransport)
class Terminal(Protocol):
    """The protocol that a session with a PTY runs, and the transport of its application.

    A few keys can bring about much output, such as a long line from the history: so while the
    application is told to wait, what has been typed already waits too. And they can be much work:
    so the others have their turn after each `TURN`.

    Args:
        application: what the session runs.
        greeting: what to show first, in UTF-8; each line ends with LF.
        clock: what the work is measured with, and lets the others have their turn.
        prompt: what a line begins with.
        dumb: whether no escape sequences are to be shown, whatever the terminal's type.
    """

    def __init__(
        self,
        application: IProtocol,
        greeting: bytes,
        clock: IReactorTime,
        prompt: str = PROMPT,
        dumb: bool = False,
    ) -> None:
        self._application = application
        self._greeting = greeting
        self._clock = clock
        self._promptText = prompt
        self._dumb = dumb
        self._worked = 0.0  # seconds since the others had their turn
        self._resting = False
        self._resized = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._typed: deque[str | Interrupt] = deque()
        self._events: Iterator[Event] = iter(())
        self._editing = False
        self._paused = False
        self._pending: list[bytes] | None = None
        self._prompting = False
        self._atMargin = True  # whether the prompt can be shown where the output has ended
        self._inputEnded = False
        self._ending = False

    @property
    def session(self) -> Session:
        """The session, as ISessionTransport has it."""
        return self._link.session

    @property
    def disconnecting(self) -> bool:
        """Whether it is closing, as ISessionTransport has it."""
        return self._ending

    # The side of the session: IProtocol and IHalfCloseableProtocol.

    def connectionMade(self) -> None:
        """Greet, run the application, and show the prompt."""
        self._link = cast(ISessionTransport, self.transport)
        pty, isShell = self.session.pty, self.session.command is None
        assert pty is not None
        dumb, prompt = self._dumb or pty.term == DUMB, self._promptText if isShell else ""
        self._editor = LineEditor(self._draw, pty.columns, pty.rows, prompt, dumb)
        self.write(self._greeting)
        self._application.makeConnection(self)
        self._prompt()

    def dataReceived(self, data: bytes) -> None:
        """Edit; pass each line on once Enter ends it."""
        if self._inputEnded:
            return
        self._typed.append(self._decoder.decode(data))
        self._edit()

    def interrupt(self) -> None:
        """Give up the line, behind what has been typed already: what ^C does, but from outside.

        While what has been typed waits, interrupts in a row are one, as signals are.
        """
        if not (self._typed and isinstance(self._typed[-1], Interrupt)):
            self._typed.append(Interrupt())
            self._edit()

    def _edit(self) -> None:
        """Go on with what has been typed, a line at a time, for as long as nobody says wait."""
        if self._editing:  # an application that says wait and go on while it is handed a line
            return
        self._editing = True
        began = self._clock.seconds() - self._worked
        try:
            while not self._waits() and self._worked < TURN:
                self._pending = []  # what a line brings about goes out in one write
                event = self._nextEvent()
                if event is None:
                    break
                self._take(event)
                self._flush()
                self._worked = self._clock.seconds() - began
        finally:
            self._editing = False
            self._flush()
            self._worked = self._clock.seconds() - began
        if self._worked >= TURN and not self._waits():
            self._rest()

    def _waits(self) -> bool:
        return self._paused or self._resting or self._inputEnded or self._ending

    def _rest(self) -> None:
        self._resting = True
        self._link.pauseProducing()
        self._clock.callLater(0, self._goOn)

    def _goOn(self) -> None:
        self._resting = False
        self._worked = 0.0
        if self._paused or self._ending:
            return
        try:
            self.resumeProducing()
        except Exception:  # here nobody else would end the session
            _log.failure("An application broke, and its session is ended")
            self.exit(1)

    def _nextEvent(self) -> Event | None:
        while (event := next(self._events, None)) is None and self._typed:
            typed = self._typed.popleft()
            if isinstance(typed, Interrupt):
                self._events = self._editor.interrupt()
            else:
                self._events = self._editor.feed(typed)
        return event

    def _take(self, event: Event) -> None:
        if isinstance(event, Breath):
            return
        if isinstance(event, EndOfInput):
            self.readConnectionLost()
            return
        self._prompting = False
        if not isinstance(event, Interrupt):
            self._application.dataReceived(event.encode() + b"\n")
        self._prompt()

    def resize(self) -> None:
        """Draw the line anew, once in a turn: the window has another size."""
        if not self._resized:
            self._resized = True
            self._clock.callLater(0, self._drawResized)

    def _drawResized(self) -> None:
        self._resized = False
        if not self._ending:
            assert self.session.pty is not None
            self._editor.resize(self.session.pty.columns, self.session.pty.rows)
            self._refresh()

    def _refresh(self) -> None:
        if self._prompting and not self._paused:
            self._editor.refresh()

    def readConnectionLost(self) -> None:
        """Pass the end of the input on, be it the client's EOF or the person's ^D."""
        if self._inputEnded:
            return
        self._inputEnded = True
        self._leavePrompt()
        endInput(self._application, self)

    def writeConnectionLost(self) -> None:
        """Nobody listens any more; connectionLost says the rest."""

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Pass the end of the session on."""
        self._ending = True
        self._application.connectionLost(reason)

    def _prompt(self) -> None:
        """Show the prompt for the next line, once one is waited for.

        A command has none, but for the one that its application sets.
        """
        isShell = self.session.command is None
        if self._prompting or self._paused or self._inputEnded or self._ending:
            return
        if isShell or self._editor.prompt:
            self._prompting = True
            self._show()

    def _show(self) -> None:
        if not self._atMargin:
            self._draw("\r\n")
            self._atMargin = True
        self._editor.show()

    def _leavePrompt(self) -> None:
        if self._prompting:
            self._prompting = False
            self._editor.leave()

    def _draw(self, text: str) -> None:
        self._send(text.encode())

    def _send(self, data: bytes) -> None:
        if self._pending is None:
            self._link.write(data)
        else:
            self._pending.append(data)

    def _flush(self) -> None:
        pending, self._pending = self._pending, None
        if pending:
            self._link.write(b"".join(pending))

    # The side of the application: ISessionTransport.

    def write(self, data: bytes) -> None:
        """Show the application's output, above the prompt if there is one."""
        if not data:
            return
        if self._prompting:
            self._editor.hide()
        self._send(data.replace(b"\n", b"\r\n"))
        self._atMargin = data.endswith(b"\n")
        if self._prompting:
            self._show()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Show the application's output."""
        self.write(b"".join(data))

    def setPrompt(self, prompt: str, secret: bool = False) -> None:
        """Have the next lines begin with another prompt.

        Args:
            prompt: what they begin with.
            secret: whether they are not shown: passwords.
        """
        self._editor.prompt, self._editor.secret = prompt, secret
        self._refresh()

    @property
    def prompt(self) -> str:
        """What lines begin with."""
        return self._editor.prompt

    def writeError(self, data: bytes) -> None:
        """Show the application's errors where its output is: a terminal has no other place."""
        self.write(data)

    def loseConnection(self) -> None:
        """End the session once everything has been shown."""
        self.exit(0)

    def exit(self, status: int) -> None:
        """End the session with an exit status once everything has been shown."""
        self.leave()
        self._link.exit(status)

    def endBySignal(self, name: bytes) -> None:
        """End the session by a signal once everything has been shown."""
        self.leave()
        self._link.endBySignal(name)

    def leave(self) -> None:
        """Leave the person's terminal as it was found: the session ends."""
        self._leavePrompt()
        self._ending = True
        self._flush()

    def getPeer(self) -> IAddress:
        """Return the client's address."""
        return self._link.getPeer()

    def getHost(self) -> IAddress:
        """Return our own address."""
        return self._link.getHost()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Let the client's window pace a producer."""
        self._link.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._link.unregisterProducer()

    def pauseProducing(self) -> None:
        """Read nothing for now."""
        self._paused = True
        self._link.pauseProducing()

    def resumeProducing(self) -> None:
        """Read on."""
        self._paused = False
        if not self._editing:
            self._prompt()
        self._edit()
        self._refresh()
        if not self._paused and not self._resting and not self._ending:
            self._link.resumeProducing()

    def stopProducing(self) -> None:
        """End the session."""
        self.loseConnection()
