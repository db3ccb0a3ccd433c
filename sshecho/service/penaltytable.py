"""The table in which nodes share their penalties, in PostgreSQL or SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from sshecho.cred.database import Database, DatabaseError, Row, parameters
from sshecho.cred.databaselookup import RunQuery
from sshecho.cred.userstore import isMissingTable
from sshecho.people import oneLine
from sshecho.service.penalties import GUESS, LARGEST, THRESHOLD

TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS sshecho_penalties"
    " (source TEXT PRIMARY KEY, until DOUBLE PRECISION NOT NULL, added DOUBLE PRECISION NOT NULL)",
    "CREATE INDEX IF NOT EXISTS sshecho_penalties_until ON sshecho_penalties (until)",
)
"""``until`` is when a source owes nothing any more, in seconds since 1970 by the database's clock;
``added`` is what was added last, in seconds."""
MOST_READ: Final = 4096
"""Sources that are read at once, those first that have to wait longest."""

_POSTGRESQL = "CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) AS DOUBLE PRECISION)"
_SQLITE = "((julianday('now') - 2440587.5) * 86400.0)"

# Whoever writes at once, nothing is lost: the row is locked from being found to being changed.
_ADD = (
    "INSERT INTO sshecho_penalties (source, until, added) VALUES {rows}"
    " ON CONFLICT (source) DO UPDATE SET added = excluded.added, until = CASE"
    " WHEN sshecho_penalties.until + excluded.added < excluded.until THEN excluded.until"
    " WHEN sshecho_penalties.until + excluded.added > {now} + {largest} THEN {now} + {largest}"
    " ELSE sshecho_penalties.until + excluded.added END"
)
_ROW = "({source@}, {now} + {owed@}, {cost@})"
_WAITING = (
    "SELECT source, until - {now} FROM sshecho_penalties"
    " WHERE until > {now} + {wait} ORDER BY until DESC LIMIT {most}"
)
# What lies so far ahead was written before the database's clock was set back.
_PRUNE = "DELETE FROM sshecho_penalties WHERE until <= {now} OR until > {now} + 2 * {largest}"


@dataclass(frozen=True)
class Debt:
    """What failed tries cost a source that owed nothing before.

    Attributes:
        since: when they were, as it were all at once, in seconds.
        cost: of all of them, in seconds.
    """

    since: float
    cost: float

    @property
    def until(self) -> float:
        """When it is paid."""
        return self.since + self.cost

    def __add__(self, later: Debt) -> Debt:
        """Return one that comes to what both come to, one after the other."""
        cost = min(self.cost + later.cost, LARGEST)
        return Debt(max(self.since, later.since - self.cost), cost)


class PenaltyTable:
    """Penalties by source, added up by a database. Time is the database's own.

    So clocks of nodes may differ: they say and learn how many seconds are owed, and not when.

    Args:
        database: which; its table is made when there is none.
        runQuery: asks it.
    """

    def __init__(self, database: Database, runQuery: RunQuery) -> None:
        self._database = database
        self._runQuery = runQuery
        self._now = _POSTGRESQL if database.path is None else _SQLITE

    async def add(self, debts: Mapping[str, Debt], now: float) -> None:
        """Add what failed tries cost, in one statement.

        Args:
            debts: what each source owes for them.
            now: the time in seconds, as debts have it.
        """
        values: dict[str, object] = {}
        # In one order everywhere, or two nodes could wait for each other's rows.
        for number, (source, debt) in enumerate(sorted(debts.items())):
            values[f"source{number}"] = source
            values[f"owed{number}"] = debt.until - now
            values[f"cost{number}"] = debt.cost
        rows = ", ".join(_ROW.replace("@", str(number)) for number in range(len(debts)))
        await self._ask(_ADD.replace("{rows}", rows), values)

    async def waiting(self) -> list[tuple[str, float]]:
        """Return the sources that have to wait, and the seconds that each of them owes."""
        return [(str(source), cast(float, owed)) for source, owed in await self._ask(_WAITING)]

    async def prune(self) -> None:
        """Remove what is over."""
        await self._ask(_PRUNE)

    async def _ask(self, sql: str, values: Mapping[str, object] | None = None) -> list[Row]:
        for name, value in {
            "now": self._now,
            "largest": LARGEST,
            "wait": THRESHOLD - GUESS,
            "most": MOST_READ,
        }.items():
            sql = sql.replace(f"{{{name}}}", str(value))
        query = self._database.query(sql)
        given = parameters(query, **values or {})
        try:
            return await self._runQuery(query, given)
        except Exception as error:
            if not isMissingTable(error):
                raise
        why = await self._makeTable()
        try:
            return await self._runQuery(query, given)
        except Exception as error:
            if why and isMissingTable(error):
                raise DatabaseError(f"{oneLine(error)}, and can't be made: {why}") from None
            raise

    async def _makeTable(self) -> str:
        """Make the table; return why that can't be done, which another node may just have done."""
        try:
            for statement in TABLE:
                await self._runQuery(statement, ())
        except Exception as error:
            return oneLine(error)
        return ""
