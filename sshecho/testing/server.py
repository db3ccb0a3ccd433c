"""The server, as a test has it in hand: what it has seen, and what it is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from inspect import iscoroutinefunction
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, overload

from sshecho.testing.answer import Answer, Answering, Command, Said, sayAnswer, sayRule
from sshecho.testing.errors import ServerError
from sshecho.testing.records import (
    Connection,
    Login,
    Session,
    readConnection,
    readLogin,
    readSession,
)
from sshecho.testing.running import RunningServer
from sshecho.testing.waiting import waitForEvent, waitUntil

_T = TypeVar("_T")


class Server(RunningServer):
    """A server in a process of its own, on loopback; it is there from `start` to `close`.

    What it has seen is as it was when that is looked at: all that a client can know of has been
    seen by then. What it is told holds from then on, until the next `reset`.

    Attributes:
        host, port, line_port: where it listens.
        user, password: who may log in.
        options: how it is at present: what it was made with, and what its test or its last reset
            has in place of that.
    """

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
        __tracebackhide__ = True
        if isinstance(what, str):
            return waitForEvent(self, what, timeout, fields)
        if fields:
            raise TypeError("fields are for events")
        return waitUntil(self, what, timeout)

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
        __tracebackhide__ = True
        both = TypeError("give an answer, or what it consists of, but not both")
        if isinstance(answer, str | bytes):
            if stdout:
                raise both
            stdout, answer = answer, None
        usual = Answer(stdout, stderr, exit_status, signal, after, at_eof, ask, prompt)
        if answer is not None and usual != Answer(at_eof=at_eof and callable(answer)):
            raise both
        if isinstance(answer, type) or iscoroutinefunction(answer):
            raise TypeError(f"an answer is an Answer, str, bytes or a function, not {answer!r}")
        if callable(answer):
            rule = sayRule(command, self._running().calls.add(_calling(answer)), at_eof)
        elif isinstance(answer, Sequence) and not isinstance(answer, bytes):
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
        __tracebackhide__ = True
        written = fault if argument is None else f"{fault}={argument}"
        number = self._ask("misbehave", fault=written, user=user, connections=connections)
        return Misbehaviour(lambda: self._ask("behave", number=number))

    def down(self) -> Misbehaviour:
        """Be down, from now until the end of a with block, or until the next reset.

        Who is here is cut off, and nobody can connect. Then it is back at the same ports, with the
        same keys, what it has seen and what it was told.

        Returns:
            What ends it as a context manager.
        """
        number = self._ask("down")
        return Misbehaviour(lambda: self._ask("up", number=number))

    def authorize(self, key: str | Path, user: str | None = None) -> None:
        """Let a user log in with one more key, until the next reset.

        Args:
            key: a line of an authorized_keys file, or the path of a file with one, such as a
                ``.pub`` file.
            user: who; the server's own unless it is given.

        Raises:
            OSError: when there is no such file.
            ValueError: when that is no key.
        """
        __tracebackhide__ = True
        line = str(key)
        if isinstance(key, Path) or os.path.isfile(key):
            line = Path(key).read_text(encoding="utf-8")
        self._ask("authorize", user=self.user if user is None else user, key=line.strip())


class Misbehaviour:
    """A fault in force, or a server that is down: a context manager that ends it.

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
        with suppress(ServerError):  # it ends with its server, too
            self._end()


def _calling(answering: Answering) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """Return what is called with what is seen of a session, and returns the reply to it."""

    def call(seen: dict[str, Any]) -> dict[str, Any] | None:
        said = answering(readSession(seen))
        return None if said is None else sayAnswer(said)

    return call
