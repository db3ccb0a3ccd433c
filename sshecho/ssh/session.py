"""The session channel: a shell or a command, with a terminal or without (RFC 4254, section 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IProtocol
from zope.interface import implementer

from sshecho.people import escape
from sshecho.session import ISessionTransport, Pty, Session
from sshecho.ssh.channel import Channel
from sshecho.ssh.inspection import INSPECT, Inspection
from sshecho.ssh.modes import parseModes
from sshecho.ssh.terminal import Terminal
from sshecho.wire import Reader, onlyString

if TYPE_CHECKING:
    from sshecho.ssh.avatar import SSHAvatar

MAX_ENV = 64
"""How many environment variables a session keeps."""
MAX_ENV_BYTES = 16 * 1024
"""How many bytes the names and values of a session's environment may have together."""
_LONGEST_TOLD = 1024  # bytes of a command that are told
MAX_TERM = 256
"""How many bytes the name of a terminal may have."""

LETHAL = (b"HUP", b"KILL", b"TERM")
"""Signals that end a session, as they would end a program that does not mind them."""

ORIGINAL_COMMAND = b"SSH_ORIGINAL_COMMAND"
"""The variable that says what a client asked for who has to run something else."""


@implementer(ISessionTransport)
class SessionChannel(Channel):
    """One session: what a client asks for, and the application that runs for it.

    Attributes:
        session: what the client has asked for so far.
        opened: when, in seconds since 1970.
    """

    __slots__ = ("_begun", "_greeting", "_program", "_terminal", "opened", "session")

    avatar: SSHAvatar
    name = b"session"

    def channelOpen(self, specificData: bytes) -> None:
        """Begin to wait for requests."""
        super().channelOpen(specificData)
        self.opened = self.conn.transport.factory.clock.seconds()
        peer = self.conn.transport.visit.peer
        terms = self.avatar.terms
        self.session = Session(
            user=self.avatar.user, door="ssh", peer=peer, env=dict(terms.environment)
        )
        self._program: IProtocol | None = None  # what runs, or is about to
        self._terminal: Terminal | None = None
        self._greeting = b""
        self._begun = False

    def request_pty_req(self, data: bytes) -> bool:
        """Keep the terminal's type and size (section 6.2)."""
        if self._program is not None or not self.avatar.terms.pty:
            return False
        reader = Reader(data)
        term = reader.string()
        columns, rows, width, height = _readSize(reader)
        modes = parseModes(reader.string())
        reader.end()
        if len(term) > MAX_TERM:
            return False
        self.session.pty = Pty(term, columns, rows, width, height, modes)
        return True

    def request_window_change(self, data: bytes) -> bool:
        """Keep the terminal's new size (section 6.7)."""
        if self.session.pty is None:
            return False
        reader = Reader(data)
        columns, rows, width, height = _readSize(reader)
        reader.end()
        self.session.pty = replace(
            self.session.pty, columns=columns, rows=rows, width=width, height=height
        )
        if self._terminal is not None:
            self._terminal.resize()
        return True

    def endWith(self, request: tuple[bytes, bytes]) -> None:
        """End the session, and leave the person's terminal as it was found."""
        if self._terminal is not None:
            self._terminal.leave()
        super().endWith(request)

    def request_signal(self, data: bytes) -> bool:
        """Do what the signal does; refuse those that do nothing here (section 6.9)."""
        name = onlyString(data)
        if name == b"INT":
            return self._interrupt()
        if name not in LETHAL or not self._begun or self.closing:
            return False
        self.endBySignal(name)
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
        reader = Reader(data)
        name, value = reader.string(), reader.string()
        reader.end()
        if name in (*self.avatar.terms.environment, ORIGINAL_COMMAND):
            return False
        env = {**self.session.env, name: value}
        size = sum(len(name) + len(value) for name, value in env.items())
        if self._program is not None or len(env) > MAX_ENV or size > MAX_ENV_BYTES:
            return False
        self.session.env = env
        return True

    def request_shell(self, data: bytes) -> bool:
        """Get ready to run the application (section 6.5)."""
        Reader(data).end()
        return self._prepare(None)

    def request_exec(self, data: bytes) -> bool:
        """Get ready to run the application with a command (section 6.5)."""
        return self._prepare(onlyString(data))

    def request_subsystem(self, data: bytes) -> bool:
        """Get ready to tell what this server sees of the connection (section 6.5)."""
        name = onlyString(data)
        if name != INSPECT:
            subsystem = name.decode(errors="backslashreplace")
            self.conn.transport.visit.refused(f"the subsystem {subsystem}")
            return False
        if self.avatar.terms.command is not None:
            return self._prepare(name)  # whoever has to run something else runs it here too
        if self._program is not None:
            return False
        self._program = Inspection(self)
        return True

    def _prepare(self, asked: bytes | None) -> bool:
        if self._program is not None:
            return False  # a session runs one program
        forced = self.avatar.terms.command
        if forced is not None and asked is not None:
            self.session.env[ORIGINAL_COMMAND] = asked
        self.session.command = asked if forced is None else forced
        try:
            self._program = self.avatar.application()
        except Exception:
            self._log.failure("An application could not be made")
            return False
        self._greeting = self.avatar.greeting() if self.session.command is None else b""
        return True

    def begin(self) -> None:
        """Run the application, once a request for it has been answered."""
        if self._program is None or self._begun:
            return
        self._begun = True
        visit = self.conn.transport.visit
        what, asked = self._asked()
        visit.opened(f"{visit.name} began {what}", **asked)
        if self.session.pty is None:
            self.run(self._program)
        else:
            self._terminal = self.newTerminal(self._program, self._greeting)
            self.run(self._terminal)

    def newTerminal(self, program: IProtocol, greeting: bytes) -> Terminal:
        """Return what stands between the client and a program; may be overridden."""
        return Terminal(program, greeting, self.conn.transport.factory.clock)

    def ended(self) -> None:
        """Tell of the end."""
        visit, status = self.conn.transport.visit, self.exitStatus
        how = "" if status is None else f" with status {status}"
        what, asked = self._asked()
        visit.tell(
            "session.close",
            f"{visit.name} ended {what}{how}",
            **asked,
            exit_status=status,
            received=self.received,
            sent=self.sent,
        )

    def _asked(self) -> tuple[str, dict[str, str]]:
        """Return what the session was opened for, for people and for the audit log."""
        if isinstance(self._program, Inspection):
            name = INSPECT.decode()
            return f"the subsystem {name}", {"request": "subsystem", "subsystem": name}
        command = self.session.command
        if command is None:
            return "a shell", {"request": "shell"}
        text = escape(command[:_LONGEST_TOLD].decode(errors="backslashreplace"))
        return f"the command {text}", {"request": "exec", "command": text}


def _readSize(reader: Reader) -> tuple[int, int, int, int]:
    """Return a terminal's columns, rows, width and height, as Pty has them."""
    columns, rows, width, height = (reader.number(4) for _ in range(4))
    return columns or 80, rows or 24, width, height
