"""The session channel: a shell or a command, with a terminal or without (RFC 4254, section 6)."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.connection import EXTENDED_DATA_STDERR
from twisted.conch.ssh.session import parseRequest_window_change
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProducer, IProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho.people import peerName
from sshecho.session import ISessionTransport, Pty, Session, endInput
from sshecho.ssh.inspection import INSPECT, Inspection
from sshecho.ssh.modes import parseModes
from sshecho.ssh.terminal import Terminal

if TYPE_CHECKING:
    from sshecho.ssh.avatar import SSHAvatar
    from sshecho.ssh.connection import Connection

MAX_ENV = 64
"""How many environment variables a session keeps."""
MAX_ENV_BYTES = 16 * 1024
"""How many bytes the names and values of a session's environment may have together."""

LETHAL = (b"HUP", b"KILL", b"TERM")
"""Signals that end a session, as they would end a program that does not mind them."""

ORIGINAL_COMMAND = b"SSH_ORIGINAL_COMMAND"
"""The variable that says what a client asked for who has to run something else."""


@implementer(ISessionTransport)
class SessionChannel(SSHChannel):
    """One session: Conch's channel, and the transport of the application that runs in it.

    Conch's SSHSession gives a program no way to slow down a client that sends more than it
    reads. Here the channel is a producer like any transport: while it is paused it keeps what
    still arrives, at most one window, and grants the client no more.

    Attributes:
        session: what the client has asked for so far.
        paused: whether the application has told the channel to wait.
    """

    conn: Connection
    avatar: SSHAvatar
    name = b"session"
    _log = Logger()

    def channelOpen(self, specificData: bytes) -> None:
        """Begin to wait for requests."""
        self.opened = self.conn.transport.factory.clock.seconds()
        peer = peerName(self.conn.transport.transport.getPeer())
        terms = self.avatar.terms
        self.session = Session(
            user=self.avatar.user, door="ssh", peer=peer, env=dict(terms.environment)
        )
        self.paused = True  # until there is an application
        self._application: IProtocol | None = None
        self._terminal: Terminal | None = None
        self._greeting = b""
        self._begun = False
        self._received: deque[bytes] = deque()
        self._eof = False
        self._producer: IPushProducer | None = None
        self._stalled = False
        self._end = _exitStatus(0)

    # What the client asks for.

    def request_pty_req(self, data: bytes) -> bool:
        """Keep the terminal's type and size (section 6.2)."""
        if self._application is not None or not self.avatar.terms.pty:
            return False
        term, rest = getNS(data)
        columns, rows, width, height = struct.unpack(">4L", rest[:16])
        modes = parseModes(getNS(rest[16:])[0])
        self.session.pty = Pty(term, columns or 80, rows or 24, width, height, modes)
        return True

    def request_window_change(self, data: bytes) -> bool:
        """Keep the terminal's new size (section 6.7)."""
        if self.session.pty is None:
            return False
        rows, columns, width, height = parseRequest_window_change(data)
        self.session.pty = replace(
            self.session.pty, columns=columns or 80, rows=rows or 24, width=width, height=height
        )
        if self._terminal is not None:
            self._terminal.resize()
        return True

    def request_signal(self, data: bytes) -> bool:
        """Do what the signal does; refuse those that do nothing here (section 6.9)."""
        name, _ = getNS(data)
        if name == b"INT":
            return self._interrupt()
        if name not in LETHAL or not self._begun or self.closing:
            return False
        self._end = _exitSignal(name)
        self.loseConnection()
        return True

    def request_break(self, data: bytes) -> bool:
        """Interrupt, as a break does on a terminal that is set so (RFC 4335)."""
        return self._interrupt()

    def _interrupt(self) -> bool:
        if self._terminal is None or self.closing:
            return False
        with self._guarded():
            self._terminal.interrupt()
        return True

    def request_env(self, data: bytes) -> bool:
        """Keep an environment variable, but none that the login's terms set (section 6.4)."""
        name, value, _ = getNS(data, 2)
        if name in (*self.avatar.terms.environment, ORIGINAL_COMMAND):
            return False
        env = {**self.session.env, name: value}
        size = sum(len(name) + len(value) for name, value in env.items())
        if self._application is not None or len(env) > MAX_ENV or size > MAX_ENV_BYTES:
            return False
        self.session.env = env
        return True

    def request_shell(self, _data: bytes) -> bool:
        """Get ready to run the application (section 6.5)."""
        return self._prepare(None)

    def request_exec(self, data: bytes) -> bool:
        """Get ready to run the application with a command (section 6.5)."""
        return self._prepare(getNS(data)[0])

    def request_subsystem(self, data: bytes) -> bool:
        """Get ready to tell what this server sees of the connection (section 6.5)."""
        name, _ = getNS(data)
        if name != INSPECT:
            return False
        if self.avatar.terms.command is not None:
            return self._prepare(name)  # whoever has to run something else runs it here too
        if self._application is not None:
            return False
        self._application = Inspection(self)
        return True

    def _prepare(self, asked: bytes | None) -> bool:
        if self._application is not None:
            return False  # a session runs one program
        forced = self.avatar.terms.command
        if forced is not None and asked is not None:
            self.session.env[ORIGINAL_COMMAND] = asked
        self.session.command = asked if forced is None else forced
        try:
            self._application = self.avatar.application()
        except Exception:
            self._log.failure("An application could not be made")
            return False
        self._greeting = self.avatar.greeting() if self.session.command is None else b""
        return True

    def begin(self) -> None:
        """Run the application, once a request for it has been answered."""
        if self._application is None or self._begun:
            return
        self._begun = True
        if self.session.pty is not None:
            self._application = self._terminal = Terminal(self._application, self._greeting)
        self.paused = False
        with self._guarded():
            self._application.makeConnection(self)
        if not self.paused:
            self.resumeProducing()

    # What the client sends.

    def dataReceived(self, data: bytes) -> None:
        """Pass it on, or keep it while the application is not ready for it."""
        self.conn.transport.traffic.received += len(data)
        if data and not self.closing:
            self._received.append(data)
            self._deliver()

    def eofReceived(self) -> None:
        """Nothing more will come, but what is kept still has to be passed on."""
        self._eof = True
        self._deliver()

    def _deliver(self) -> None:
        """Pass on what has been received, for as long as the application wants it."""
        application = cast(IProtocol, self._application)
        while self._received and not self.paused and not self.closing:
            with self._guarded():
                application.dataReceived(self._received.popleft())
        if self._eof and not self._received and not self.paused and not self.closing:
            self._eof = False
            with self._guarded():
                endInput(application, self)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Let an application that breaks end its own session, and nobody else's."""
        try:
            yield
        except Exception:
            self._log.failure("An application broke, and its session is ended")
            self.exit(1)

    def extReceived(self, dataType: int, data: bytes) -> None:
        """Drop what a client has no business to send; Conch would log it."""

    def closeReceived(self) -> None:
        """The client wants no more of this session: what it has not taken by now is dropped."""
        self.buf = b""
        self.extBuf = []
        self.closing = 1
        self.conn.sendClose(self)

    def closed(self) -> None:
        """Both sides have closed: tell the application, whatever state it is in."""
        self.closing = 1
        if self._application is None or not self._begun:
            return
        with self._guarded():
            if self._producer is not None:
                self._producer.stopProducing()
        with self._guarded():
            self._application.connectionLost(Failure(ConnectionDone()))

    # What the application does: the rest of ITransport is Conch's.

    @property
    def disconnecting(self) -> bool:
        """Whether it is closing."""
        return bool(self.closing)

    def loseConnection(self) -> None:
        """End the session, once all that was written has gone out."""
        self.closing = 1
        if self.buf or self.extBuf or self.localClosed:
            return
        self.conn.sendRequest(self, *self._end)
        self.conn.sendEOF(self)
        self.conn.sendClose(self)

    def exit(self, status: int) -> None:
        """End the session with an exit status, unless it is ending already (section 6.10)."""
        if not self.closing:
            self._end = _exitStatus(status)
        self.loseConnection()

    def writeError(self, data: bytes) -> None:
        """Send to the client's standard error (section 5.2)."""
        self.writeExtended(EXTENDED_DATA_STDERR, data)

    # What paces the two: IConsumer and IPushProducer.

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Tell a producer to pause when the client's window is full, and when to go on.

        Raises:
            RuntimeError: for a second producer, or one that has to be asked for each piece.
        """
        if self._producer is not None or not streaming:
            raise RuntimeError("a session takes one producer, and a streaming one")
        self._producer = cast(IPushProducer, producer)
        if self._stalled:
            self._producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None

    def stopWriting(self) -> None:
        """Let the producer wait: the client's window is full, or its connection."""
        self._stalled = True
        if self._producer is not None:
            with self._guarded():
                self._producer.pauseProducing()

    def addWindowBytes(self, data: int) -> None:
        """The client takes so many bytes more: send what waits, then let the producer go on."""
        super().addWindowBytes(data)
        # Not at startWriting, which comes before what waits is sent: a client could make that
        # grow by a window for each byte that it takes.
        self.goOn()

    def goOn(self) -> None:
        """Let the producer go on, if the client takes more and has got everything that waited."""
        if self._stalled and not self.buf and not self.extBuf and not self.conn.transport.paused:
            self._stalled = False
            if self._producer is not None:
                with self._guarded():
                    self._producer.resumeProducing()

    def pauseProducing(self) -> None:
        """Pass nothing on for now, and let the client send no more than its window."""
        self.paused = True

    def resumeProducing(self) -> None:
        """Pass on what has come meanwhile, and let the client send more."""
        self.paused = False
        self._deliver()
        owed = self.localWindowSize - self.localWindowLeft
        if not self.paused and owed > self.localWindowSize // 2:
            self.conn.adjustWindow(self, owed)

    def stopProducing(self) -> None:
        """End the session."""
        self.loseConnection()


def _exitStatus(status: int) -> tuple[bytes, bytes]:
    """Return the name and the payload of the request that tells an exit status."""
    return b"exit-status", struct.pack(">L", status)


def _exitSignal(name: bytes) -> tuple[bytes, bytes]:
    """Return the name and the payload of the request that tells a signal (section 6.10).

    Payload: the signal's name, whether a core was dumped, a message, its language.
    """
    return b"exit-signal", NS(name) + b"\0" + NS(b"") + NS(b"")
