"""The server, as a test has it in hand."""

from __future__ import annotations

import atexit
import ipaddress
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, Unpack, overload

from sshecho.testing.answer import Answer, Answering, Command, Said, sayAnswer, sayRule
from sshecho.testing.errors import ServerError
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
from sshecho.testing.seen import Seen
from sshecho.testing.waiting import waitForEvent, waitUntil

_T = TypeVar("_T")

_HIGHEST_PORT = 65535


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
    """

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
        self._wanted = {"port": port, "line_port": line_port}
        self._options = options
        self.options = options
        self._process: Process | None = None
        self._owner = 0
        self._told: dict[str, Any] = {}
        self._log = ""

    # From start to close.

    def start(self) -> Server:
        """Start it, and wait until it has let somebody in and echoed.

        Returns:
            Itself.

        Raises:
            ServerError: when it can't be started, or runs already.
            ValueError: when an option can't be had.
        """
        if self._process is not None:
            raise ServerError("the server runs already")
        _checkPlace(self.host, self._wanted)
        self._process = Process()
        self._owner = os.getpid()
        atexit.register(self.close)
        try:
            self._open()
            self.reset()
        except BaseException:
            self.close()
            raise
        return self

    def _open(self) -> None:
        try:
            self._told = self._ask(
                "start", host=self.host, user=self.user, password=self.password, **self._wanted
            )
        except ValueError as error:
            text = f"the server can't be started: {error}{_advice(str(error))}"
            raise ServerError(text) from None
        self.port, self.line_port = self._told["port"], self._told["line_port"]

    def close(self) -> None:
        """End it: connections are closed, and its files are gone. What it said stays in `log`."""
        if self._process is None or os.getpid() != self._owner:  # a fork is not the owner
            return
        process, self._process = self._process, None
        atexit.unregister(self.close)
        process.end()
        self._log = process.log
        told, self._told = self._told, {}
        if told:  # a process that was killed has left its files
            shutil.rmtree(Path(told["ssh_config"]).parent, ignore_errors=True)

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
        process = self._running()
        together: Options = {**self._options, **options}
        self._ask("reset", options=together)
        self.options = together
        process.calls.clear()
        process.forgetLog()
        self._seen = Seen(lambda since: self._ask("see", since=since))

    def _running(self) -> Process:
        if self._process is None:
            raise ServerError("the server is not running: use it in a with statement, or start it")
        if os.getpid() != self._owner:
            raise ServerError("the server can be asked only by the process that has started it")
        return self._process

    def _ask(self, order: str, /, **arguments: object) -> Any:  # noqa: ANN401
        process = self._running()
        try:
            return process.link.ask(order, **arguments)
        except ServerError as error:
            raise ServerError(f"{error}{process.lastWords()}") from None

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.runs

    # What a client needs.

    @property
    def private_key(self) -> Path:
        """The file of a key that may log in too, of type ed25519; the public one is beside it."""
        return self._paper("private_key")

    @property
    def known_hosts(self) -> Path:
        """A file of the server's host keys, as ssh and others read it."""
        return self._paper("known_hosts")

    @property
    def ssh_config(self) -> Path:
        """A file for ``ssh -F``, to which the server's name is ``sshecho``."""
        return self._paper("ssh_config")

    def _paper(self, name: str) -> Path:
        self._running()
        return Path(self._told[name])

    @property
    def lacking(self) -> frozenset[str]:
        """Names of algorithms that it can't offer, since its cryptography does not have them."""
        self._running()
        return frozenset(self._told["lacking"])

    # What it has seen.

    def _look(self, kind: str) -> list[dict[str, Any]]:
        self._running()
        return self._seen.look(kind)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The audit log, as objects."""
        return self._look("events")

    @property
    def logins(self) -> list[Login]:
        """The tries to log in, in order: denied ones too, and those that more was asked after."""
        told = ("login.ok", "login.partial", "login.denied")
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
        return self._log if self._process is None else self._process.log

    @overload
    def wait_for(self, what: str, timeout: float = 5.0, **fields: object) -> dict[str, Any]: ...

    @overload
    def wait_for(self, what: Callable[[Server], _T], timeout: float = 5.0) -> _T: ...

    def wait_for(
        self, what: str | Callable[[Server], _T], timeout: float = 5.0, **fields: object
    ) -> dict[str, Any] | _T:
        """Wait until something has happened.

        It blocks the thread: beside an event loop, call it in another one, as in
        ``await asyncio.to_thread(server.wait_for, "logout")``.

        Args:
            what: the name of an event of the audit log, such as ``"session.close"``; or a callable
                that is given the server, and returns something true once it has. It may raise
                IndexError, for what is not there yet; all else that it raises goes to the test.
            timeout: seconds to wait.
            fields: what the event has to have, such as ``user="bob"``.

        Returns:
            The event; or what the callable returned.

        Raises:
            NeverSeen: when it has not, within that time.
            TypeError: for fields beside a callable.
        """
        if isinstance(what, str):
            return waitForEvent(self, what, timeout, fields)
        if fields:
            raise TypeError("fields are for events")
        return waitUntil(self, what, timeout)

    # What it is told.

    def respond(
        self,
        command: Command,
        answer: Said | list[Said] | tuple[Said, ...] | Answering | None = None,
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
            rule = sayRule(command, self._running().calls.add(_calling(answer)), at_eof)
        elif isinstance(answer, list | tuple):
            rule = sayRule(command, answer)
        else:
            rule = sayRule(command, [usual if answer is None else answer])
        self._ask("respond", said=rule)

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
            ValueError: when that is no key.
        """
        line = key.read_text(encoding="utf-8") if isinstance(key, Path) else key
        self._ask("authorize", user=self.user if user is None else user, key=line.strip())


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


def _calling(answering: Answering) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """Return what is called with what is seen of a session, and returns the reply to it."""

    def call(seen: dict[str, Any]) -> dict[str, Any] | None:
        said = answering(readSession(seen))
        return None if said is None else sayAnswer(said)

    return call


def _checkPlace(host: str, ports: dict[str, int]) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ServerError(
            f"host={host!r}: a server for tests is for loopback only; give 127.0.0.1 or ::1"
        )
    for name, port in ports.items():
        if not isinstance(port, int) or not 0 <= port <= _HIGHEST_PORT:
            raise ValueError(f"{name}={port!r}: it is from 0, for a free one, to {_HIGHEST_PORT}")


def _advice(error: str) -> str:
    """Return what can be done about what keeps a server from starting."""
    if "Address already in use" in error:
        return "; leave the port out, and a free one is taken"
    if "Permission denied" in error:
        return "; ports below 1024 are for root: leave the port out, and a free one is taken"
    return ""
