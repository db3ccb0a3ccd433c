"""The server, as a test has it in hand."""

from __future__ import annotations

import atexit
import ipaddress
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, Unpack

from sshecho.testing.answer import Answer, Answering, Command, Said, sayAnswer, sayRule
from sshecho.testing.errors import NeverSeen, ServerError
from sshecho.testing.options import Options
from sshecho.testing.process import Process
from sshecho.testing.records import (
    Connection,
    Login,
    Session,
    readConnection,
    readLogin,
    readSession,
)

_T = TypeVar("_T")

_PAUSE = 0.01
"""Seconds between looks at what has happened."""


class Server:
    """A server in a process of its own, on loopback; it is there from `start` to `close`.

    It may be used from any thread. What it has seen is as it was when that is looked at: all
    that a client can know of has been seen by then.

    Args:
        user: who may log in.
        password: their password; a random one unless it is given.
        host: where it listens: an address of loopback.
        port: the SSH door's port; a free one unless it is given.
        line_port: the line door's, likewise.
        options: see `Options`.

    Attributes:
        host, port, line_port: where it listens.
        user, password: who may log in.
        options: how it is at present: what it was made with, and what its test or its last reset
            has in place of that.
        private_key: the file of a key that may, too, of type ed25519.
        known_hosts: a file of the server's host keys, as ssh and others read it.
        ssh_config: a file for ``ssh -F``, to which the server's name is ``sshecho``.
    """

    private_key: Path
    known_hosts: Path
    ssh_config: Path

    def __init__(
        self,
        *,
        user: str = "user",
        password: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        line_port: int = 0,
        **options: Unpack[Options],
    ) -> None:
        self.user = user
        self.password = secrets.token_urlsafe(12) if password is None else password
        self.host = host
        self.port = port
        self.line_port = line_port
        self._options = options
        self.options = options
        self._process: Process | None = None
        self._owner = os.getpid()
        self._looking = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._version = 0
        self._seen: dict[str, list[dict[str, Any]]] = {
            kind: [] for kind in ("events", "connections", "sessions")
        }

    # From start to close.

    def start(self) -> Server:
        """Start it, and wait until it has let somebody in and echoed.

        Returns:
            Itself.

        Raises:
            ServerError: when it can't be started.
            ValueError: when an option can't be had.
        """
        _checkLoopback(self.host)
        self._process = Process()
        atexit.register(self.close)
        try:
            told = self._ask(
                "start",
                host=self.host,
                port=self.port,
                line_port=self.line_port,
                user=self.user,
                password=self.password,
            )
        except ValueError as error:
            self.close()
            raise ServerError(
                f"the server can't be started: {error}{_advice(str(error))}"
            ) from None
        except BaseException:
            self.close()
            raise
        self.port, self.line_port = told["port"], told["line_port"]
        self.private_key = Path(told["private_key"])
        self.known_hosts = Path(told["known_hosts"])
        self.ssh_config = Path(told["ssh_config"])
        try:
            self.reset()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End it: connections are closed, and its files are gone."""
        process, self._process = self._process, None
        if process is not None and os.getpid() == self._owner:  # a fork is not the owner
            atexit.unregister(self.close)
            process.end()

    def __enter__(self) -> Server:
        """Start it."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def reset(self, **options: Unpack[Options]) -> None:
        """Begin anew: close connections, and forget what was seen, dictated and ordered.

        Args:
            options: those that differ, until the next reset, from the ones it was made with.

        Raises:
            ValueError: when an option can't be had; then nothing has changed.
        """
        with self._looking:
            together: Options = {**self._options, **options}
            self._ask("reset", options=together)
            self.options = together
            process = self._running()
            process.calls.clear()
            process.forgetLog()
            self._forget()

    def _running(self) -> Process:
        if self._process is None:
            raise ServerError("the server is not running: use it in a with statement, or start it")
        return self._process

    def _ask(self, order: str, /, **arguments: object) -> Any:  # noqa: ANN401
        process = self._running()
        try:
            return process.link.ask(order, **arguments)
        except ServerError as error:
            log = process.log.strip()
            raise ServerError(f"{error}; its last words:\n{log}" if log else str(error)) from None

    # What it has seen.

    def _look(self, kind: str) -> list[dict[str, Any]]:
        with self._looking:
            news = self._ask("see", since=self._version)
            self._version = news["version"]
            for changed, number, seen in news["changes"]:
                self._seen[changed][number : number + 1] = [seen]
            return list(self._seen[kind])

    @property
    def events(self) -> list[dict[str, Any]]:
        """The audit log, as objects."""
        return self._look("events")

    @property
    def logins(self) -> list[Login]:
        """The tries to log in, denied ones too, in order."""
        told = ("login.ok", "login.denied")
        return [readLogin(event) for event in self.events if event["event"] in told]

    @property
    def connections(self) -> list[Connection]:
        """The connections, in order."""
        return [readConnection(seen) for seen in self._look("connections")]

    @property
    def sessions(self) -> list[Session]:
        """The sessions, in order."""
        return [readSession(seen) for seen in self._look("sessions")]

    @property
    def log(self) -> str:
        """What the server has said for people to read: a line for each thing that happened."""
        return self._running().log

    def wait_for(
        self, what: str | Callable[[Server], _T], timeout: float = 5.0, **fields: object
    ) -> Any:  # noqa: ANN401 - an event, or what the callable returns
        """Wait until something has happened.

        It blocks the thread: beside an event loop, call it in another one, as in
        ``await asyncio.to_thread(server.wait_for, "logout")``.

        Args:
            what: the name of an event of the audit log, such as ``"session.close"``; or a callable
                that is given the server, and returns something true once it has.
            timeout: seconds to wait.
            fields: what the event has to have, such as ``user="bob"``.

        Returns:
            The event; or what the callable returned.

        Raises:
            NeverSeen: when it has not, within that time.
        """
        until = time.monotonic() + timeout
        while True:
            found = self._event(what, fields) if isinstance(what, str) else what(self)
            if found:
                return found
            if time.monotonic() >= until:
                raise NeverSeen(self._complaint(what, timeout, fields))
            time.sleep(_PAUSE)

    def _event(self, name: str, fields: dict[str, object]) -> dict[str, Any] | None:
        for event in self.events:
            if event["event"] == name and all(event.get(k) == v for k, v in fields.items()):
                return event
        return None

    def _complaint(self, what: object, timeout: float, fields: dict[str, object]) -> str:
        wanted = repr(what) if isinstance(what, str) else getattr(what, "__qualname__", repr(what))
        having = "".join(f", {name}={value!r}" for name, value in fields.items())
        log = self.log.strip()
        happened = "\n".join(f"  {line}" for line in log.splitlines()) or "  nothing"
        sessions = "".join(f"\n  {session}" for session in self.sessions)
        seen = f"\nsessions:{sessions}" if sessions else ""
        return f"{wanted}{having}: not seen within {timeout:g} s; what happened:\n{happened}{seen}"

    # What it is told.

    def respond(
        self,
        command: Command,
        answer: Said | Sequence[Said] | Answering | None = None,
        *,
        stdout: str | bytes = b"",
        stderr: str | bytes = b"",
        exit_status: int | None = None,
        signal: str | None = None,
        after: float = 0.0,
        at_eof: bool = False,
        ask: str | None = None,
        prompt: str | None = None,
    ) -> None:
        """Dictate the answer to a command, or to a line at a terminal's shell.

        What nobody has dictated an answer to is echoed; of several that fit, the last one counts.

        Args:
            command: the command, or a compiled pattern that has to fit all of it.
            answer: standard output; or in place of all that follows an `Answer`, or a sequence of
                answers and outputs, of which the last one stays; or a callable, which is called in
                a thread with the `Session` and returns one of those, or None for an echo, and with
                ``at_eof`` not before the client has said that it sends no more.
            stdout: standard output; text is sent as UTF-8.
            stderr: standard error, likewise.
            exit_status: how the session ends, unless by a signal; 0 unless it is given. At a
                terminal's shell the session goes on unless one of the two is given.
            signal: the signal that it ends by, such as ``"KILL"``.
            after: seconds to wait before all this.
            at_eof: whether to wait, before that, until the client has said that it sends no more.
            ask: what is asked first of all, such as ``"Password: "``: then a line has to come.
            prompt: what the next lines begin with at a terminal's shell.

        Raises:
            TypeError: when an answer is given in both ways, or is none.
            ValueError: when it can't be given.
        """
        both = TypeError("give an answer, or what it consists of, but not both")
        if isinstance(answer, str | bytes):
            if stdout:
                raise both
            stdout, answer = answer, None
        usual = Answer(stdout, stderr, exit_status, signal, after, at_eof, ask, prompt)
        if answer is not None and usual != Answer(at_eof=at_eof and callable(answer)):
            raise both
        if callable(answer):
            answering = answer

            def call(seen: dict[str, Any]) -> dict[str, Any] | None:
                said = answering(readSession(seen))
                return None if said is None else sayAnswer(said)

            rule = self._ask("respond", said=sayRule(command, None, at_eof=at_eof))
            self._running().calls.answer(rule, call)
            return
        if answer is None:
            answers: Sequence[Said] = [usual]
        elif isinstance(answer, Answer):
            answers = [answer]
        else:
            answers = answer
        self._ask("respond", said=sayRule(command, answers))

    def misbehave(
        self,
        fault: str,
        argument: object = None,
        *,
        user: str | None = None,
        connections: int | None = None,
    ) -> Misbehaviour:
        """Put a fault in force, from now until the end of a with block, or until the next reset.

        Connections that are open show it too, from now on, unless ``connections`` is given.

        Args:
            fault: its name, such as ``"drop-after"``, or all of it: ``"drop-after=4096"``.
            argument: what belongs to it.
            user: whose connections show it; everybody's unless it is given.
            connections: how many of the next connections show it; all unless it is given.

        Returns:
            What ends it as a context manager.

        Raises:
            ValueError: when there is no such fault; the text says which there are.
        """
        written = fault if argument is None else f"{fault}={argument}"
        number = self._ask("misbehave", fault=written, user=user, connections=connections)
        return Misbehaviour(lambda: self._ask("behave", number=number))

    def authorize(self, key: str | Path, user: str | None = None) -> None:
        """Let a user log in with one more key, until the next reset.

        Args:
            key: a line of an authorized_keys file, or the path of a ``.pub`` file.
            user: who; the server's own unless it is given.

        Raises:
            OSError: when there is no such file.
        """
        line = key.read_text() if isinstance(key, Path) else key
        self._ask("authorize", user=user or self.user, key=line.strip())


class Misbehaviour:
    """A fault in force: a context manager that ends it.

    Args:
        end: ends it.
    """

    def __init__(self, end: Callable[[], object]) -> None:
        self._end = end

    def __enter__(self) -> None:
        """Begin nothing: it is in force already."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it; what it has done to a connection stays done."""
        self._end()


def _checkLoopback(host: str) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ServerError(
            f"host={host!r}: a server for tests is for loopback only; give 127.0.0.1 or ::1"
        )


def _advice(error: str) -> str:
    """Return what can be done about what keeps a server from starting."""
    if "Address already in use" in error:
        return "; leave the port out, and a free one is taken"
    if "Permission denied" in error:
        return "; ports below 1024 are for root: leave the port out, and a free one is taken"
    return ""
