"""The recorder: what the server has seen since the test began, for the test to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from sshecho.service.auditlog import auditRecord
from sshecho.session import Session
from sshecho.ssh.inspection import algorithms
from sshecho.ssh.packets.negotiation import Offer
from sshecho.testing.inside.doors import SeenLine, SeenLineSession, SeenSession, SeenTransport

_MARKERS = ("ext-info-", "kex-strict-")  # among the methods of key exchange, which they are not

Seen = dict[str, Any]


@implementer(ILogObserver)
class Recorder:
    """Keeps what there is to see, and tells what of it has changed.

    Attributes:
        connections: all there were, in order.
        sessions: all there were, in order.
    """

    def __init__(self) -> None:
        self._version = 0
        self._changes: dict[tuple[str, int], tuple[int, Seen]] = {}
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._events: list[Seen] = []
        self.connections: list[SeenTransport | SeenLine] = []
        self.sessions: list[SeenSession | SeenLineSession] = []
        self._changes.clear()

    def __call__(self, event: LogEvent) -> None:
        """Keep an event, if it is one of the audit log's."""
        record = auditRecord(event)
        if record is not None:
            self._events.append(record)

    def see(self, since: int) -> Seen:
        """Return what is new.

        Args:
            since: the version of what the test has seen; 0 for nothing.

        Returns:
            The version of this, and ``changes``: the kind of a thing, its number, and what is seen
            of it.
        """
        self._version += 1
        changes = []
        for kind, things in self._things():
            for number, seen in enumerate(things):
                version, before = self._changes.get((kind, number), (0, None))
                if seen != before:
                    version = self._version
                    self._changes[kind, number] = version, seen
                if version > since:
                    changes.append((kind, number, seen))
        return {"version": self._version, "changes": changes}

    def seenOfSession(self, session: Session) -> Seen:
        """Return what is seen of the one that an application runs in."""
        return next(_session(each) for each in self.sessions if each.session is session)

    def _things(self) -> Iterator[tuple[str, Sequence[Seen]]]:
        yield "events", self._events
        yield "connections", [_connection(each) for each in self.connections]
        yield "sessions", [_session(each) for each in self.sessions]


def _connection(one: SeenTransport | SeenLine) -> Seen:
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


def _session(one: SeenSession | SeenLineSession) -> Seen:
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
        "open": one.open,
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
