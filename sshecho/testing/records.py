"""What a server has seen: logins, connections and sessions, as a test looks at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Login:
    """One try to log in.

    Attributes:
        user: who the client said it was; None at the line door when that might be the password.
        method: ``publickey``, ``password``, ``keyboard-interactive`` or ``none``.
        ok: whether it was let in.
        why: why not; empty if it was. The client is never told.
        key: the fingerprint of the key that it showed, ``SHA256:...``, or None.
        key_type: that key's type, as ssh names it to people, or None.
        door: ``ssh`` or ``line``.
        connection: the id of its connection.
        time: when, RFC 3339 in UTC.
    """

    user: str | None
    method: str
    ok: bool
    why: str
    key: str | None
    key_type: str | None
    door: str
    connection: str
    time: str


@dataclass(frozen=True)
class Connection:
    """One connection.

    Attributes:
        id: its name in events, logins and sessions.
        door: ``ssh`` or ``line``.
        peer: the client's ``address:port``.
        user: who is logged in, or was; None for nobody.
        open: whether it is open.
        why: why it ended, as far as the server knows.
        bytes_in: bytes of data that its sessions got.
        bytes_out: bytes of data that they sent.
        client_version: the client's first line, once it has come.
        offered: what the client offers, best first: ``kex``, ``host_keys``, ``ciphers``, ``macs``
            and ``compression``; None before that has come.
        algorithms: what was agreed on, as the subsystem ``inspect`` has it; None before it was.
        strict_kex: whether key exchange is strict.
    """

    id: str
    door: str
    peer: str
    user: str | None
    open: bool
    why: str
    bytes_in: int
    bytes_out: int
    client_version: str | None = None
    offered: Mapping[str, Sequence[str]] | None = field(default=None, repr=False)
    algorithms: Mapping[str, Any] | None = field(default=None, repr=False)
    strict_kex: bool = False


@dataclass(frozen=True)
class Session:
    """One session: a shell, a command or a subsystem; or what comes behind a line login.

    Attributes:
        connection: the id of its connection.
        door: ``ssh`` or ``line``.
        user: who it is of.
        request: ``shell``, ``exec`` or ``subsystem``; None before any was granted.
        command: the command of an exec; what is no UTF-8 in it, or in other texts, is escaped.
        subsystem: the subsystem that was asked for, granted or not.
        requests: all that was asked, in order: its name, and whether it was granted.
        env: the environment that the client sent.
        term: the terminal's type; None without one.
        modes: how the terminal is set, such as ``{"ECHO": 1}``.
        windows: sizes of the terminal, the first and those after it: columns and rows.
        signals: names of the signals that came, without SIG.
        input: what came, as far as it is kept: see the option ``kept_input``.
        bytes_in: how many bytes came.
        bytes_out: how many went out, standard error included.
        eof: whether the client has said that no more comes.
        exit_status: how it ended; None if it did not, or by a signal, or without a word.
        exit_signal: the signal by which it ended.
        open: whether it is open: False once the server has said that it is over.
    """

    connection: str
    door: str
    user: str
    request: str | None
    command: str | None
    env: Mapping[str, str]
    input: bytes = field(repr=False)
    bytes_in: int
    bytes_out: int
    eof: bool
    open: bool
    subsystem: str | None = None
    requests: Sequence[tuple[str, bool]] = ()
    term: str | None = None
    modes: Mapping[str, int] = field(default_factory=dict)
    windows: Sequence[tuple[int, int]] = ()
    signals: Sequence[str] = ()
    exit_status: int | None = None
    exit_signal: str | None = None

    def __str__(self) -> str:
        """Return it in a line, for people."""
        what = f"exec {self.command!r}" if self.request == "exec" else self.request or "no program"
        if self.request == "subsystem":
            what = f"subsystem {self.subsystem!r}"
        facts = [f"{self.bytes_in} bytes in", f"{self.bytes_out} out"]
        facts += [f"terminal {self.term!r}"] if self.term is not None else []
        facts += [f"signals {', '.join(self.signals)}"] if self.signals else []
        facts += ["EOF"] if self.eof else []
        facts += [f"exit status {self.exit_status}"] if self.exit_status is not None else []
        facts += [f"exit signal {self.exit_signal}"] if self.exit_signal is not None else []
        facts += ["open" if self.open else "closed"]
        return f"{self.door} {what} of {self.user}: {', '.join(facts)}"

    @property
    def window(self) -> tuple[int, int] | None:
        """The terminal's size at last, columns and rows; None without one."""
        return self.windows[-1] if self.windows else None


def readLogin(event: Mapping[str, Any]) -> Login:
    """Return the login that an event tells of."""
    return Login(
        user=event["user"],
        method=event["method"],
        ok=event["event"] == "login.ok",
        why=event.get("why", ""),
        key=event.get("key"),
        key_type=event.get("key_type"),
        door=event["door"],
        connection=event["connection"],
        time=event["time"],
    )


def readConnection(seen: Mapping[str, Any]) -> Connection:
    """Return a connection as it was sent."""
    return Connection(**seen)


def readSession(seen: Mapping[str, Any]) -> Session:
    """Return a session as it was sent; bytes travel as the characters of Latin-1."""
    pairs = {name: [tuple(each) for each in seen.get(name, ())] for name in ("requests", "windows")}
    return Session(**{**seen, **pairs, "input": seen["input"].encode("latin-1")})
