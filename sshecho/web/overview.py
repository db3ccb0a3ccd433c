"""The overview: what the web side asks of the server, however many processes that has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

from sshecho.service.closing import SERVER_ENDS
from sshecho.service.gate import Gate
from sshecho.service.measures import Measures

ENDED = "ended by an operator"
"""What a client is told whose connection was ended."""
_AT_ONCE = 500
"""Connections that are looked at before others have their turn: a millisecond's work or two."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection that is open.

    Attributes:
        id: its name in the audit log.
        door: ``"ssh"`` or ``"line"``.
        peer: the client's ``address:port``.
        user: who logged in, odd things escaped; None for nobody yet.
        since: when it was accepted, in seconds since 1970.
        received: bytes of data that its sessions got so far.
        sent: bytes of data that they sent.
        ending: whether it is about to end.
    """

    id: str
    door: str
    peer: str
    user: str | None
    since: float
    received: int
    sent: int
    ending: bool = False


@dataclass(frozen=True)
class Report:
    """What the server has counted since it started, and which connections are open."""

    measures: Measures
    connections: Sequence[Connection]


class Overview(Protocol):
    """The server, as the web side sees it."""

    @property
    def trouble(self) -> str:
        """Why nobody gets in; empty when somebody may."""

    async def report(self) -> Report:
        """Return what there is to see now."""

    async def end(self, id: str) -> bool:  # noqa: A002 - as everywhere
        """End a connection; its client is told.

        Returns:
            Whether there was one of that name that was not about to end anyway.
        """


class Others(Protocol):
    """Other processes, which have the connections that a gate lets in."""

    @property
    def isReady(self) -> bool:
        """Whether one of them can have more, and does not hang."""

    async def refresh(self) -> None:
        """Bring up to date what the gate has of their connections."""


class GateOverview:
    """The overview of what a gate has let in.

    Args:
        gate: who lets its connections in.
        others: the processes that have the connections; None if this one has.
    """

    def __init__(self, gate: Gate, others: Others | None = None) -> None:
        self._gate = gate
        self._others = others
        self._total = Measures()

    @property
    def trouble(self) -> str:
        """Why nobody gets in; empty when somebody may."""
        if not self._gate.isOpen:
            return SERVER_ENDS
        if self._others is not None and not self._others.isReady:
            return "no worker answers"
        return ""

    async def report(self) -> Report:
        """Return what there is to see now."""
        if self._others is not None:
            await self._others.refresh()
        connections: list[Connection] = []
        for number, visit in enumerate(list(self._gate.visits), 1):
            if number % _AT_ONCE == 0:
                await self._othersTurn()
            if visit.guest is not None and visit.begun:
                if self._others is None:
                    visit.countData()
                received, sent = visit.guest.dataSoFar()
                connections.append(
                    Connection(
                        visit.id,
                        visit.door,
                        visit.peer,
                        visit.user,
                        visit.since,
                        received,
                        sent,
                        bool(visit.why),
                    )
                )
        self._total.add(self._gate.measures.take())
        return Report(self._total, connections)

    def _othersTurn(self) -> Deferred[None]:
        """Return what fires when others had their turn."""
        turn: Deferred[None] = Deferred()
        self._gate.turns.later("", lambda: None if turn.called else turn.callback(None))
        return turn

    async def end(self, id: str) -> bool:  # noqa: A002
        """End a connection; its client is told."""
        for visit in self._gate.visits:
            if visit.id == id and visit.guest is not None and not visit.why:
                visit.guest.dismiss(ENDED)
                return True
        return False
