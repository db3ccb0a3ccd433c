"""The gate: who may come in, and how many, before anything is read of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime

from sshecho.service.closing import SERVER_ENDS
from sshecho.service.events import happened
from sshecho.service.gatekeeper import Arrived
from sshecho.service.limits import DRAIN, OPTIONS, Limits
from sshecho.service.measures import Measures
from sshecho.service.penalties import PENALIZED, Penalties
from sshecho.service.refusal import Refusal
from sshecho.service.turns import Turns
from sshecho.service.visit import Visit, sourceOf

GREED: Final = 9
"""How many connections a source may have for each that is still free: so one address alone has
nine tenths of all at most, and some are left for others."""
PAUSE: Final = 10.0
"""Seconds in which a limit is told of once, however often it is reached."""

_TOO_MANY = "too many connections"
_PROXY = "proxy "


class Gate:
    """Counts the connections of all doors, each source address for itself.

    When too many are not logged in, a newcomer takes the place of the one that has waited
    longest, of the address that has most: so whoever floods the doors floods out itself.

    Args:
        limits: what to count against.
        clock: what time is told by.
        penalizeLoopback: whether failed logins from loopback slow it down too.

    Attributes:
        turns: where dear work of all connections waits for its turn.
        penalties: what failed logins cost their sources.
        measures: what was counted and timed of them.
    """

    def __init__(
        self, limits: Limits, clock: IReactorTime, *, penalizeLoopback: bool = False
    ) -> None:
        self.limits = limits
        self.seconds = clock.seconds
        self._clock = clock
        self._penalizeLoopback = penalizeLoopback
        self.turns = Turns(clock)
        self.measures = Measures()
        self.penalties = Penalties()
        self._visits: dict[Visit, None] = {}
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, dict[Visit, None]] = {}  # not logged in, oldest first
        self._startups = 0
        self._proxies = count()
        self._told: dict[str, _Told] = {}
        self._closing = False
        self._empty: Deferred[None] = Deferred()
        self._cutting: IDelayedCall

    def enter(self, door: str, address: IAddress | None, *, proxy: bool = False) -> Visit | Refusal:
        """Let a connection in, or not; see `Gatekeeper`."""
        if isinstance(address, Arrived):
            return address.outcome
        source = f"{_PROXY}{next(self._proxies)}" if proxy else sourceOf(address)
        why = self._whyNot(source, address, len(self._visits))
        if why:
            return Refusal(why)
        if self._startups >= self.limits.maxStartups:
            self._makeRoom(source)
        visit = Visit(self, door, address, source, self.seconds())
        self._visits[visit] = None
        self._hold(visit, waits=True)
        return visit

    def _hold(self, visit: Visit, *, waits: bool) -> None:
        """Count a connection for its source, and among those without a login if it waits for one.

        `_release` and `_settle` undo that.
        """
        self._held[visit.source] += 1
        if waits:
            self._waiting.setdefault(visit.source, {})[visit] = None
            self._startups += 1

    @property
    def isOpen(self) -> bool:
        """Whether somebody may still come in."""
        return not self._closing

    @property
    def visits(self) -> Collection[Visit]:
        """The connections that are open."""
        return self._visits.keys()

    async def move(self, visit: Visit, address: IAddress) -> str:
        """Count a proxy's connection for the client that it is said to be of."""
        source = sourceOf(address)
        why = self._whyNot(source, address, len(self._visits) - 1)
        if why:
            return why
        waits = self._settle(visit)
        self._release(visit.source)
        visit.isFrom(address, source)
        self._hold(visit, waits=waits)
        return ""

    def _whyNot(self, source: str, address: IAddress | None, others: int) -> str:
        """Return, and tell, why a source may not come in beside so many others, if it may not."""
        if self._closing:
            return SERVER_ENDS
        if self.penalties.wait(source, self.seconds()):
            self.reached("penalties", source, PENALIZED)
            return PENALIZED
        if self._held[source] >= GREED * (self.limits.maxConnections - others):
            self.reached("max-connections", sourceOf(address), _TOO_MANY)
            return _TOO_MANY
        return ""

    def _makeRoom(self, newcomer: str) -> None:
        """Cut the connection that has waited longest, of the source that has most of them."""

        def greed(source: str) -> tuple[int, float]:
            waiting = self._waiting[source]
            return len(waiting) + (source == newcomer), -next(iter(waiting)).since

        source = max(self._waiting, key=greed)
        visit = next(iter(self._waiting[source]))
        where = sourceOf(visit.address)
        self.reached("max-startups", where, "too many connections without a login")
        self._settle(visit)
        if visit.guest is not None:
            visit.guest.evict("too many connections without a login")

    def begun(self, visit: Visit) -> None:
        """Nothing to do: it is counted already."""

    def loggedIn(self, visit: Visit) -> None:
        """Count a connection no more among those without a login."""
        self._settle(visit)

    def _settle(self, visit: Visit) -> bool:
        """Count a connection no more among those without a login; return whether it was one."""
        waiting = self._waiting.get(visit.source, {})
        if visit not in waiting:
            return False
        del waiting[visit]
        self._startups -= 1
        if not waiting:
            del self._waiting[visit.source]
        return True

    def _release(self, source: str) -> None:
        self._held[source] -= 1
        if not self._held[source]:
            del self._held[source]

    def left(self, visit: Visit) -> None:
        """Count a connection no more."""
        self._settle(visit)
        del self._visits[visit]
        self._release(visit.source)
        if self._closing and not self._visits:
            self._finish()

    # Failed logins.

    def failed(self, visit: Visit, cost: float) -> None:
        """Count failed logins of a connection: what they cost its source, in seconds."""
        if self.isPenalized(visit.source):
            self.measures.count("penalty_seconds", n=cost)
            self.penalties.failed(visit.source, self.seconds(), cost)

    def isPenalized(self, source: str) -> bool:
        """Return whether failed logins count for a source: not those of this very machine."""
        if not source:  # a socket of the machine's own
            return self._penalizeLoopback
        try:
            ip = ip_address(source.partition("/")[0])
        except ValueError:  # a proxy, which stands for many
            return False
        return self._penalizeLoopback or not ip.is_loopback

    # The end.

    def close(self) -> Deferred[None]:
        """Let nobody in any more, and have everybody leave.

        Returns:
            A Deferred that fires once the last is gone; who hangs is cut after `DRAIN` seconds.
        """
        self._closing = True
        self._cutting = self._clock.callLater(DRAIN, self._cut)
        staying = list(self._visits)
        for visit in staying:
            if visit.guest is not None:
                visit.guest.leave()
        if not staying:
            self._finish()
        return self._empty

    def _cut(self) -> None:
        for visit in list(self._visits):
            if visit.guest is not None:
                visit.guest.cut(SERVER_ENDS)

    def _finish(self) -> None:
        if self._cutting.active():
            self._cutting.cancel()
        self.forgetTold()
        self.turns.stop()
        self._empty.callback(None)

    # What is told.

    def reached(self, limit: str, source: str, text: str) -> None:
        """Tell that a limit is reached, but not again and again; see `Gatekeeper`."""
        self.measures.count("limits", (limit,))
        told = self._told.get(limit)
        if told is not None:
            told.times += 1
            told.source = source
            return
        _tell(limit, source, text)
        self._told[limit] = _Told(text, source, self._clock.callLater(PAUSE, self._sum, limit))

    def forgetTold(self) -> None:
        """Tell of each limit anew."""
        for told in self._told.values():
            told.timer.cancel()
        self._told.clear()

    def _sum(self, limit: str) -> None:
        """Tell how often a limit was reached since it was last told."""
        told = self._told.pop(limit)
        if told.times:
            _tell(
                limit, told.source, f"{told.text}, {told.times} times in {PAUSE:.0f} s", told.times
            )
            timer = self._clock.callLater(PAUSE, self._sum, limit)
            self._told[limit] = _Told(told.text, told.source, timer)


@dataclass
class _Told:
    """What was told of a limit, and how often it was reached since."""

    text: str
    source: str
    timer: IDelayedCall
    times: int = 0


def _tell(limit: str, source: str, text: str, times: int = 1) -> None:
    where = f" from {source}" if source else ""
    option = f" (--{limit})" if limit in OPTIONS else ""
    happened("limit.reached", f"{text}{where}{option}", limit=limit, source=source, times=times)
