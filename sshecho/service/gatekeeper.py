"""The gatekeeper: what doors and visits ask of whoever lets connections in and counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from sshecho.service.limits import Limits
from sshecho.service.measures import Measures
from sshecho.service.penalties import Penalties
from sshecho.service.refusal import Refusal
from sshecho.service.turns import Turns
from sshecho.service.visit import Visit


class Gatekeeper(Protocol):
    """Lets connections in and counts them: the gate, or in a worker what asks the parent's.

    Attributes:
        limits: what connections may ask for.
        turns: where dear work of all connections waits for its turn.
        measures: what is counted and timed of them.
        penalties: what failed logins cost their sources.
    """

    limits: Limits
    measures: Measures
    penalties: Penalties
    turns: Turns

    def enter(self, door: str, address: IAddress | None, *, proxy: bool = False) -> Visit | Refusal:
        """Let a connection in, or not.

        Args:
            door: ``"ssh"`` or ``"line"``.
            address: the client's; an `Arrived` has been let in, or not, before.
            proxy: whether the address is a proxy's, which stands for all of its clients: until one
                is named (see `move`) each connection counts for itself, and penalties for none.

        Returns:
            Its visit, or the protocol that sends it away.
        """

    async def move(self, visit: Visit, address: IAddress) -> str:
        """Count a proxy's connection for the client that it is said to be of.

        Returns:
            Why that one may not come in: then the connection stays counted as it was; or empty
            text.
        """

    def seconds(self) -> float:
        """Return the time, in seconds since 1970."""

    def begun(self, visit: Visit) -> None:
        """Take note that a connection was told of."""

    def loggedIn(self, visit: Visit) -> None:
        """Count a connection no more among those without a login."""

    def left(self, visit: Visit) -> None:
        """Count a connection no more."""

    def failed(self, visit: Visit, cost: float) -> None:
        """Count failed logins of a connection: what they cost its source, in seconds."""

    def reached(self, limit: str, source: str, text: str) -> None:
        """Tell that a limit is reached, but not again and again.

        Args:
            limit: the option that sets it, without its dashes, or what else it is.
            source: whoever reached it; empty when that is nobody in particular.
            text: what happened, for people.
        """


@implementer(IAddress)
@dataclass(frozen=True)
class Arrived:
    """Stands for the address of a client that was let in, or not, before its door sees it.

    Attributes:
        outcome: what `Gatekeeper.enter` returns for it.
    """

    outcome: Visit | Refusal
