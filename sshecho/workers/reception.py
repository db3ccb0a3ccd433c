"""The reception: a worker's gate. Connections come from the parent, which counts them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import TypedDict

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorFDSet, IReactorTime

from sshecho.service.closing import SERVER_ENDS
from sshecho.service.gatekeeper import Arrived
from sshecho.service.limits import DRAIN, Limits
from sshecho.service.listening import AnyFactory
from sshecho.service.measures import Measures, Taken
from sshecho.service.penalties import Penalties
from sshecho.service.refusal import Refusal
from sshecho.service.turns import Turns
from sshecho.service.visit import Guest, Visit, sourceOf
from sshecho.workers.connecting import Client, connect, encoded
from sshecho.workers.link import Link


class Account(TypedDict):
    """What the parent may ask for, as JSON can carry it.

    Attributes:
        counted: what the measures have counted.
        data: bytes of data that each connection's sessions got, and sent.
    """

    counted: Taken
    data: dict[str, list[int]]


class Reception:
    """Takes connections from the parent, and tells it what becomes of them.

    Args:
        link: to the parent.
        limits: what connections may ask for.
        reactor: what watches the connections.
        done: called once no connection is left and none will come.

    Attributes:
        factories: what builds the protocols of each door, by the door's number.
        penalties: what the parent says of sources with failed logins.
        measures: what was counted and timed of connections, and the parent has not taken over.
        turns: where dear work of all connections waits for its turn.
    """

    def __init__(
        self, link: Link, limits: Limits, reactor: IReactorFDSet, done: Callable[[], None]
    ) -> None:
        clock = IReactorTime(reactor)
        self.limits = limits
        self.turns = Turns(clock)
        self.penalties = Penalties()
        self.measures = Measures()
        self.seconds = clock.seconds
        self.factories: Sequence[AnyFactory] = ()
        self._link = link
        self._reactor = reactor
        self._clock = clock
        self._done = done
        self._visits: dict[str, Visit] = {}
        self._moving: dict[str, Deferred[str]] = {}
        self._newcomer: tuple[str, str, float] | None = None
        self._leaving: set[str] = set()
        self._retired = False

    # What the parent says.

    def admit(
        self,
        carried: int | None,
        visit: str,
        source: str,
        door: int,
        since: float,
        family: int,
        client: Client,
    ) -> None:
        """Take a connection.

        Args:
            carried: the descriptor of its socket; None for one that was lost on the way.
            visit: its name.
            source: what it is counted for.
            door: the number of the door that it came through.
            since: when it was accepted, in seconds since 1970.
            family: of addresses, that the socket has.
            client: the client's address, as `socket.accept` returns it.
        """
        if carried is None:
            self._link.send("left", visit, soon=True)
            return
        self._newcomer = (visit, source, since)
        connection = socket.socket(family, socket.SOCK_STREAM, 0, carried)
        connect(connection, client, self.factories[door], self._reactor)
        if self._newcomer is not None:  # it was turned away
            self._newcomer = None
            self._link.send("left", visit, soon=True)

    def moved(self, visit: str, why: str) -> None:
        """Take the parent's answer about a client that a proxy names."""
        if visit in self._moving:  # it may have gone
            self._moving[visit].callback(why)

    def _guest(self, visit: str) -> Guest | None:
        """Return the connection of a visit, unless it has gone while its name was under way."""
        return self._visits[visit].guest if visit in self._visits else None

    def leave(self, visit: str) -> None:
        """Have a client leave: it is given all that it is owed."""
        guest = self._guest(visit)
        if guest is not None and visit not in self._leaving:
            self._leaving.add(visit)  # more than one may say it
            guest.leave()

    def cut(self, visit: str, why: str) -> None:
        """Close a connection at once."""
        guest = self._guest(visit)
        if guest is not None:
            guest.cut(why)

    def evict(self, visit: str, why: str) -> None:
        """Close a connection at once, unless a user is in."""
        if visit in self._visits and not self._visits[visit].hasLoggedIn:
            self.cut(visit, why)

    def dismiss(self, visit: str, why: str) -> None:
        """Say why a connection ends, and close it."""
        guest = self._guest(visit)
        if guest is not None:
            guest.dismiss(why)

    def account(self) -> Account:
        """Return what there is to know of the connections, for the parent to take over."""
        data = {}
        for name, visit in self._visits.items():
            visit.countData()
            if visit.guest is not None:
                data[name] = list(visit.guest.dataSoFar())
        return {"counted": self.measures.take(), "data": data}

    def retire(self) -> None:
        """Stay until the last has left; nobody comes any more."""
        self._retired = True
        if not self._visits:
            self._finish()

    def close(self) -> None:
        """Have everybody leave, and cut whoever is still there after `DRAIN` seconds."""
        for visit in list(self._visits):
            self.leave(visit)
        self._clock.callLater(DRAIN, self._cutAll)
        self.retire()

    def _cutAll(self) -> None:
        for visit in list(self._visits):
            self.cut(visit, SERVER_ENDS)

    def _finish(self) -> None:
        self.turns.stop()
        self._done()

    # What a visit asks of its gatekeeper.

    def enter(self, door: str, address: IAddress | None, *, proxy: bool = False) -> Visit | Refusal:
        """Return the visit of the connection that the parent has let in."""
        if isinstance(address, Arrived):
            return address.outcome
        assert self._newcomer is not None  # who else would bring one?
        name, source, since = self._newcomer
        self._newcomer = None
        visit = Visit(self, door, address, source, since, name)
        self._visits[name] = visit
        return visit

    async def move(self, visit: Visit, address: IAddress) -> str:
        """Ask the parent whether the client that a proxy names may come in."""
        answer = self._moving[visit.id] = Deferred()
        self._link.send("move", visit.id, encoded(address))
        try:
            why = await answer
        finally:
            del self._moving[visit.id]
        if not why:
            visit.isFrom(address, sourceOf(address))
        return why

    def begun(self, visit: Visit) -> None:
        """Tell the parent that a connection was told of, so that its end is, whatever comes."""
        self._link.send("begun", visit.id, soon=True)

    def loggedIn(self, visit: Visit) -> None:
        """Tell the parent who has logged in."""
        self._link.send("in", visit.id, visit.name, visit.user, soon=True)

    def left(self, visit: Visit) -> None:
        """Tell the parent that a connection has ended."""
        del self._visits[visit.id]
        self._leaving.discard(visit.id)
        self._link.send("left", visit.id, soon=True)
        if self._retired and not self._visits:
            self._finish()

    def failed(self, visit: Visit, cost: float) -> None:
        """Tell the parent of failed logins, at once: guesses elsewhere may wait for it."""
        self._link.send("failed", visit.id, cost)

    def reached(self, limit: str, source: str, text: str) -> None:
        """Tell the parent that a limit is reached."""
        self._link.send("reached", limit, source, text, soon=True)
