"""``--penalties db:MODULE:CONNECT``: nodes that share their penalties through a database."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address
from itertools import islice
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.usage import UsageError

from sshecho.cred.database import Database, DatabaseError, parseDatabase
from sshecho.cred.databasepool import DatabasePool
from sshecho.cred.files import BadFileError
from sshecho.cred.outage import Outage
from sshecho.people import oneLine
from sshecho.service.gate import Gate
from sshecho.service.penalties import MOST, Penalties
from sshecho.service.penaltytable import Debt, PenaltyTable
from sshecho.service.start import StartError

POLL: Final = 1.0
"""Seconds from one exchange with the database to the next."""
PRUNE: Final = 60.0
"""Seconds after which what is over is removed from the table."""
BATCH: Final = 1000
"""Sources that are written at once; more of them wait for the next exchange."""

_NOTHING: Final = Debt(0, 0)


class SharedPenalties(Service):
    """Writes a node's penalties to a table, and has the node learn those of others from there.

    Nobody waits for the database: the node's own penalties decide, and are brought up to date
    once a second. While the database can't be asked they stay local, and what it was not told is
    kept for it, as far as it is still owed by then. A write whose answer is lost as it is
    committed may count twice.

    Args:
        penalties: the node's own.
        isPenalized: returns whether failed logins count for a source here.
        table: what they are shared through.
        clock: what the time between exchanges is counted with.
        name: what to call the database in a warning.
    """

    def __init__(
        self,
        penalties: Penalties,
        isPenalized: Callable[[str], bool],
        table: PenaltyTable,
        clock: IReactorTime,
        name: str,
    ) -> None:
        self._penalties = penalties
        self._isPenalized = isPenalized
        self._table = table
        self._clock = clock
        self._name = name
        self._unwritten: OrderedDict[str, Debt] = OrderedDict()
        self._outage = Outage(
            name, "penalties are this node's own", "penalties are shared with other nodes again"
        )
        self._next: IDelayedCall | None = None
        self._pruned = 0.0
        penalties.observe(self._failed)

    def startService(self) -> None:
        """Begin to share."""
        super().startService()
        self._pruned = self._clock.seconds()
        self._exchangeSoon(0)

    def stopService(self) -> None:
        """Share no more; what was not written yet is lost."""
        super().stopService()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _failed(self, source: str, now: float, cost: float) -> None:
        if self._isShared(source):
            self._keep(source, self._unwritten.pop(source, Debt(now, 0)) + Debt(now, cost))

    def _isShared(self, source: str) -> bool:
        """Return whether a source has the same name at all nodes, and may have to wait here.

        Loopback is not, unless failed logins from there count, which is for tests.
        """
        if not self._isPenalized(source):
            return False
        try:
            return not ip_address(source.partition("/")[0]).is_link_local
        except ValueError:  # a socket of this machine's own
            return False

    def _keep(self, source: str, debt: Debt) -> None:
        self._unwritten[source] = debt
        if len(self._unwritten) > MOST:
            self._unwritten.popitem(last=False)

    def _exchangeSoon(self, delay: float) -> None:
        self._next = self._clock.callLater(delay, self._begin)

    def _begin(self) -> None:
        self._next = None
        Deferred.fromCoroutine(self._exchangeOrComplain())

    async def _exchangeOrComplain(self) -> None:
        try:
            await self._exchange()
        except Exception as error:
            if not self._outage.lasts:  # once, though the reasons of one outage differ
                self._outage.began(f"the penalties in {self._name}: {oneLine(error)}")
        else:
            self._outage.ended()
        if self.running:
            self._exchangeSoon(POLL)

    async def _exchange(self) -> None:
        await self._write()
        waiting = await self._table.waiting()
        now = self._clock.seconds()
        for source, owed in filter(lambda each: self._isShared(each[0]), waiting):
            unwritten = self._unwritten.get(source, _NOTHING)
            self._penalties.learned(source, now, owed + unwritten.cost)
        if now - self._pruned >= PRUNE:
            await self._table.prune()
            self._pruned = now

    async def _write(self) -> None:
        now = self._clock.seconds()
        batch = {
            source: self._unwritten.pop(source) for source in [*islice(self._unwritten, BATCH)]
        }
        owed = {source: debt for source, debt in batch.items() if debt.until > now}
        if not owed:
            return
        try:
            await self._table.add(owed, now)
        except Exception:
            for source, debt in owed.items():
                self._keep(source, debt + self._unwritten.pop(source, Debt(now, 0)))
            raise


def parsePenalties(spec: str) -> Database:
    """Return the database that ``--penalties`` names; a file is made when there is none.

    Raises:
        UsageError: when it names none.
        StartError: when it can never be used.
    """
    kind, _, argument = spec.partition(":")
    try:
        if kind != "db":
            raise ValueError("penalties are shared through db:MODULE:CONNECT")
        database, query = parseDatabase(argument)
        if query:
            raise ValueError("the table sshecho_penalties is used; no query belongs to that")
    except ValueError as error:
        raise UsageError(f"--penalties: {error}") from None
    try:
        if database.path is None:
            # Not whether it answers: without it penalties are local, and that is said.
            _ = database.module
        else:
            database.make()
    except (BadFileError, DatabaseError) as error:
        raise StartError(f"--penalties: {error}") from None
    return database


def sharePenalties(database: Database, gate: Gate, clock: IReactorTime) -> Service:
    """Return the service that shares a node's penalties through a database."""
    table = PenaltyTable(database, DatabasePool(database).runQuery)
    return SharedPenalties(gate.penalties, gate.isPenalized, table, clock, str(database))
