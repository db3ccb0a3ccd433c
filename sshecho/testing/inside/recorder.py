"""The recorder: what the server has seen since the test began, for the test to look at."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from sshecho.service.auditlog import auditRecord
from sshecho.session import Session
from sshecho.ssh.inspection import algorithms
from sshecho.ssh.packets.negotiation import Offer
from sshecho.testing.inside.linedoor import SeenLine, SeenLineSession
from sshecho.testing.inside.sshdoor import SeenSession, SeenTransport

_MARKERS = ("ext-info-", "kex-strict-")  # among the methods of key exchange, which they are not

Seen = dict[str, Any]
_Connection = SeenTransport | SeenLine
_Session = SeenSession | SeenLineSession
_T = TypeVar("_T")


class Kept(Generic[_T]):
    """Things of one kind, in order, and what is seen of each.

    Args:
        read: returns what is seen of a thing now.
        isOver: whether that changes no more.

    Attributes:
        things: all there are; None for those that are over, and can't change any more.
    """

    def __init__(self, read: Callable[[_T], Seen], isOver: Callable[[_T], bool]) -> None:
        self._read = read
        self._isOver = isOver
        self.things: list[_T | None] = []
        self._seen: list[tuple[int, Seen]] = []  # and the version that brought it
        self._changes: list[tuple[int, int]] = []  # versions, and the numbers of what they brought
        self._changing: list[int] = []

    def look(self, version: int) -> None:
        """Take down what is seen now.

        Args:
            version: that of what has changed since the last look.
        """
        due = [*self._changing, *range(len(self._seen), len(self.things))]
        self._changing = []
        for number in due:
            thing = self.things[number]
            assert thing is not None
            seen = self._read(thing)
            if number == len(self._seen):
                self._seen.append((version, seen))
                self._changes.append((version, number))
            elif seen != self._seen[number][1]:
                self._seen[number] = version, seen
                self._changes.append((version, number))
            if self._isOver(thing):
                self.things[number] = None
            else:
                self._changing.append(number)

    def since(self, version: int) -> Iterator[tuple[int, Seen]]:
        """Yield what has changed since a version: its number, and what was seen of it last."""
        for changed, number in self._changes[bisect(self._changes, (version + 1, -1)) :]:
            last, seen = self._seen[number]
            if last == changed:
                yield number, seen


@implementer(ILogObserver)
class Recorder:
    """Keeps what there is to see, and tells what of it has changed."""

    def __init__(self) -> None:
        self._version = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._events: Kept[Seen] = Kept(lambda record: record, lambda _: True)
        self._connections: Kept[_Connection] = Kept(
            _connection, lambda one: one.visit.begun and one.visit.guest is None
        )
        self._sessions: Kept[_Session] = Kept(_session, _isOver)

    def connected(self, connection: _Connection) -> None:
        """Keep a new connection."""
        self._connections.things.append(connection)

    def opened(self, session: _Session) -> None:
        """Keep a new session."""
        self._sessions.things.append(session)

    def __call__(self, event: LogEvent) -> None:
        """Keep an event, if it is one of the audit log's."""
        record = auditRecord(event)
        if record is not None:
            self._events.things.append(record)

    def see(self, since: int) -> Seen:
        """Return what is new.

        Args:
            since: the version of what the test has seen; 0 for nothing.

        Returns:
            The version of this, and ``changes``: the kind of a thing, its number, and what is seen
            of it.
        """
        self._version += 1
        changes: list[tuple[str, int, Seen]] = []
        kinds: dict[str, Kept[Any]] = {
            "events": self._events,
            "connections": self._connections,
            "sessions": self._sessions,
        }
        for kind, kept in kinds.items():
            kept.look(self._version)
            changes += [(kind, number, seen) for number, seen in kept.since(since)]
        return {"version": self._version, "changes": changes}

    def seenOfSession(self, session: Session) -> Seen:
        """Return what is seen of the one that an application runs in."""
        for one in reversed(self._sessions.things):
            if one is not None and one.session is session:
                return _session(one)
        raise LookupError("a session that is over")


def _isOver(one: _Session) -> bool:
    if isinstance(one, SeenLineSession):
        return one.line.visit.guest is None
    return bool(one.localClosed and one.remoteClosed)


def _connection(one: _Connection) -> Seen:
    visit = one.visit
    received, sent = one.dataSoFar()
    seen: Seen = {
        "id": visit.id,
        "door": visit.door,
        "peer": visit.peer,
        "user": visit.user,
        "open": visit.guest is not None,
        "why": visit.why,
        "bytes_in": received,
        "bytes_out": sent,
    }
    if isinstance(one, SeenTransport):
        seen |= {
            "client_version": _text(one.otherVersionString) if one.gotVersion else None,
            "offered": None if one.offered is None else _offered(one.offered),
            "algorithms": None if one.agreed is None else algorithms(one),
            "strict_kex": one.strictKeyExchange,
        }
    return seen


def _offered(offer: Offer) -> Mapping[str, Sequence[str]]:
    """Return what a client offers to send with, and to be sent."""
    lists = {
        "kex": offer.keyExchanges,
        "host_keys": offer.hostKeys,
        "ciphers": offer.ciphers[0],
        "macs": offer.macs[0],
        "compression": offer.compressions[0],
    }
    names = {kind: [_text(name) for name in names] for kind, names in lists.items()}
    names["kex"] = [name for name in names["kex"] if not name.startswith(_MARKERS)]
    return names


def _session(one: _Session) -> Seen:
    """Return what is seen of a session."""
    session = one.session
    visit = one.line.visit if isinstance(one, SeenLineSession) else one.conn.transport.visit
    seen: Seen = {
        "connection": visit.id,
        "door": session.door,
        "user": _text(session.user),
        "request": "shell",
        "command": None if session.command is None else _text(session.command),
        "env": {_text(name): _text(value) for name, value in session.env.items()},
        "input": one.input.decode("latin-1"),
        "bytes_in": one.received,
        "bytes_out": one.sent,
        "eof": one.eof,
        "open": not (one.disconnecting if isinstance(one, SeenLineSession) else one.localClosed),
    }
    if isinstance(one, SeenSession):
        asked = [name for name, granted in one.requests if granted and name in _PROGRAMS]
        signal = one.exitSignal
        seen |= {
            "request": asked[0] if asked else None,
            "subsystem": one.subsystem,
            "requests": list(one.requests),
            "term": None if session.pty is None else _text(session.pty.term),
            "modes": {} if session.pty is None else dict(session.pty.modes),
            "windows": list(one.windows),
            "signals": list(one.signals),
            "exit_status": one.exitStatus,
            "exit_signal": None if signal is None else _text(signal),
        }
    return seen


_PROGRAMS = ("shell", "exec", "subsystem")


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
