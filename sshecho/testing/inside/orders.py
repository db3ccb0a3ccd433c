"""The orders: what the test asks of its server, one by one; each gets its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sshecho.testing.faults import parseFault
from sshecho.testing.faulty.inforce import Order
from sshecho.testing.inside.house import House
from sshecho.workers.link import Link, Message

_log = Logger()


class Orders:
    """Does what is asked.

    Args:
        house: the server.

    Attributes:
        link: to the test's process.
    """

    link: Link

    def __init__(self, house: House) -> None:
        self._house = house
        self._faults: dict[int, Order] = {}
        self._outages: set[int] = set()
        self._count = 0
        self._known: Mapping[str, Callable[..., object]] = {
            "start": house.start,
            "see": house.recorder.see,
            "reset": self._reset,
            "down": self._down,
            "up": self._up,
            "authorize": house.authorize,
            "respond": house.rules.add,
            "misbehave": self._misbehave,
            "behave": self._behave,
        }

    def received(self, message: Message, _: int | None) -> None:
        """Take an order: its number, its name, its arguments."""
        number, name, arguments = message
        doing = maybeDeferred(self._known[name], **arguments)
        doing.addCallback(lambda result: self.link.send(number, True, result))
        doing.addErrback(self._failed, number)

    def _failed(self, reason: Failure, number: int) -> None:
        if not reason.check(ValueError):
            _log.failure("An order could not be carried out", reason)
        self.link.send(number, False, reason.getErrorMessage())

    async def _down(self) -> int:
        """Be down, and return the number of this outage."""
        self._count += 1
        self._outages.add(self._count)
        number = self._count
        await self._house.goDown()
        return number

    def _up(self, number: int) -> None:
        """Have an outage be over; the server is up once all are."""
        self._outages.discard(number)
        if not self._outages:
            self._house.goUp()

    async def _reset(self, options: Mapping[str, Any]) -> None:
        await self._house.reset(options)
        self._outages.clear()
        self._faults.clear()

    def _misbehave(self, fault: str, user: str | None, connections: int | None) -> int:
        """Put a fault in force, and return its number.

        Raises:
            ValueError: when there is no such fault, or nobody would ever be shown it.
        """
        name = None if user is None else user.encode()
        order = Order(parseFault(fault), name, connections)
        self._house.inForce.begin(order)
        self._count += 1
        self._faults[self._count] = order
        return self._count

    def _behave(self, number: int) -> None:
        """Have a fault in force no more."""
        order = self._faults.pop(number, None)
        if order is not None:
            self._house.inForce.end(order)
