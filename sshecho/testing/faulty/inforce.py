"""What is in force: which faults a server shows, to whom, and for how many connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

from sshecho.people import escape
from sshecho.testing.faults import KINDS, parseFault
from sshecho.testing.faults.fault import Connection, Fault

_MARK = "+"


class Suspect(Connection, Protocol):
    """A connection, as far as it decides which faults it shows.

    Attributes:
        user: who the client says it is, without faults; None while that is not known.
        own: the faults that it has chosen by user name.
    """

    user: bytes | None
    own: list[Fault]

    def faultEnded(self) -> None:
        """Make up for what a fault has kept back, if none does any more."""


@dataclass(eq=False)
class Order:
    """One fault in force.

    Attributes:
        fault: it.
        user: whom it is for; None for everybody.
        connections: how many more connections are to show it; None for all, those that are open
            too.
        chosen: those that are.

    Raises:
        ValueError: when nobody would ever be shown it; the text says why.
    """

    fault: Fault
    user: bytes | None = None
    connections: int | None = None
    chosen: WeakSet[Suspect] = field(default_factory=WeakSet)

    def __post_init__(self) -> None:
        """See to it that somebody can be shown the fault."""
        if self.user is not None and not self.fault.byUserName:
            raise ValueError(f"{self.fault} {_TOO_EARLY}")
        count = self.connections
        if count is not None and (not isinstance(count, int) or count < 1):
            raise ValueError(f"connections={count!r}: it is a number from 1")

    def concerns(self, connection: Suspect) -> bool:
        """Return whether a connection shows the fault."""
        if self.user is not None and self.user != connection.user:
            return False
        return self.connections is None or connection in self.chosen

    def enters(self, connection: Suspect) -> None:
        """Choose a connection that is made, or says whose it is, if there are to be more."""
        if self.connections and self.user == connection.user and connection not in self.chosen:
            self.connections -= 1
            self.chosen.add(connection)


class InForce:
    """The faults of one server.

    Args:
        byUserName: whether a client may choose faults by its user's name: ``user+exit=3``.
    """

    def __init__(self, *, byUserName: bool = False) -> None:
        self._byUserName = byUserName
        self._orders: list[Order] = []
        self._connections: WeakSet[Suspect] = WeakSet()

    def begin(self, order: Order) -> None:
        """Put a fault in force."""
        self._orders.append(order)

    def end(self, order: Order) -> None:
        """Have a fault in force no more; what it has done to a connection stays done."""
        if order in self._orders:
            self._orders.remove(order)
            for connection in list(self._connections):
                connection.faultEnded()

    def clear(self) -> None:
        """Have none in force any more."""
        for order in list(self._orders):
            self.end(order)

    def enters(self, connection: Suspect) -> None:
        """Take note of a connection that is new, or of which it is new whose it is."""
        self._connections.add(connection)
        for order in self._orders:
            order.enters(connection)

    def of(self, connection: Suspect) -> Iterator[Fault]:
        """Yield the faults that a connection is to show now."""
        for order in list(self._orders):
            if order.concerns(connection):
                yield order.fault
        yield from connection.own

    def split(self, name: bytes) -> tuple[bytes, list[Fault], str]:
        """Return the user of a name, the faults that are chosen in it, and what is wrong with them.

        A name is split before the first ``+`` behind which the name of a fault stands.
        """
        text = name.decode("latin-1")
        if not self._byUserName or _MARK not in text:
            return name, [], ""
        user, *words = text.split(_MARK)
        while words and not _isFault(words[0]):
            user += _MARK + words.pop(0)
        faults: list[Fault] = []
        mistake = ""
        for word in words:
            try:
                faults.append(_chosen(word))
            except ValueError as error:
                mistake = mistake or escape(f"the fault {word}: {error}")
        return user.encode("latin-1"), faults, mistake


def cut(faults: Iterable[Fault], connection: Connection, size: int) -> tuple[int, Fault | None]:
    """Return how many of so many bytes may go out, and the fault that cuts behind them."""
    allowed, cause = size, None
    for fault in faults:
        carried = fault.carries(connection, size)
        if carried is not None and (cause is None or carried < allowed):
            allowed, cause = carried, fault
    return allowed, cause


def checkUser(name: str) -> None:
    """See to it that a user can be called so where clients choose faults by name.

    Raises:
        ValueError: when faults are chosen in the name.
    """
    if any(map(_isFault, name.split(_MARK)[1:])):
        raise ValueError(f"{name!r} can't be a user's name: behind the + stands a fault")


def _isFault(word: str) -> bool:
    return word.partition("=")[0] in _NAMES


_NAMES = {kind.name for kind in KINDS}
_TOO_EARLY = "comes before the user's name is known: it is for everybody"


def _chosen(written: str) -> Fault:
    fault = parseFault(written)
    if not fault.byUserName:
        raise ValueError(f"it {_TOO_EARLY}")
    return fault
