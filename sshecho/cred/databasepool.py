"""A pool of connections to a database, each in a thread, as adbapi has them."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock
from typing import Protocol, cast

from twisted.enterprise import adbapi
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sshecho.cred.database import (
    QUERY_TIMEOUT,
    Connection,
    Cursor,
    Database,
    DatabaseError,
    Parameters,
    Row,
)
from sshecho.cred.threads import Pool

CONNECTIONS = 10
"""How many queries run at once; more of them wait."""


class _Transaction(Cursor, Protocol):
    """adbapi's, a cursor that can get a new connection."""

    def reconnect(self) -> None: ...

    def reopen(self) -> None: ...


class _Connection(adbapi.Connection):
    """A connection that is given up when it is lost, without a word."""

    def rollback(self) -> None:
        """Undo what was begun; when that fails, the next query has a new connection."""
        pool = self._pool
        if pool.connections.get(pool.threadID()) is not self._connection:
            return  # given up already
        try:
            self._connection.rollback()
        except Exception:
            pool.disconnect(self._connection)


class DatabasePool(adbapi.ConnectionPool):
    """Connections to a database, each in a thread; a lost one is replaced without a word.

    Args:
        database: which.
    """

    connectionFactory = _Connection

    def __init__(self, database: Database) -> None:
        positional, named = database.arguments
        super().__init__(database.moduleName, *positional, cp_min=0, cp_max=CONNECTIONS, **named)
        self._database = database
        self._identities: dict[int, tuple[int, int] | None] = {}

    def start(self) -> None:
        """Start the threads; called when the reactor runs."""
        self.threadpool = Pool(0, CONNECTIONS, "database's queries")
        super().start()

    def connect(self) -> Connection:
        """Return this thread's connection, a new one if the file is another by now."""
        thread, identity = self.threadID(), self._database.identity()
        connection = self.connections.get(thread)
        if connection is not None and self._identities[thread] != identity:
            self.disconnect(connection)
        self._identities[thread] = identity
        return cast(Connection, super().connect())

    def runQuery(self, query: str, parameters: Parameters = ()) -> Deferred[list[Row]]:
        """Ask the database, again if its first answer is an error: that may be an old connection.

        Returns:
            A Deferred of the rows, none for what has no rows; it fails with what the module
            raises, or with DatabaseError when there is no answer within `QUERY_TIMEOUT` seconds.
            Cancelled before its turn, the query is not sent at all.
        """
        question = _Question(self._database, query, parameters)
        answer: Deferred[list[Row]] = Deferred(question.giveUp)

        def deliver(result: list[Row] | Failure) -> None:
            if not answer.called:
                answer.callback(result)

        asking = self.runInteraction(question.ask)
        # Counted whether anybody waits or not: a query that hangs must not keep its thread.
        asking.addTimeout(QUERY_TIMEOUT, IReactorTime(self._reactor), question.tooLate)
        asking.addBoth(deliver)
        return answer


class _Question:
    """One query, and whether anybody still waits for its answer."""

    def __init__(self, database: Database, query: str, parameters: Parameters) -> None:
        self._database = database
        self._query = query
        self._parameters = parameters
        self._givenUp = False
        self._lock = Lock()
        self._connection: object = None

    def ask(self, transaction: _Transaction) -> list[Row]:
        """Ask, in a thread; if the connection turns out to be lost, ask again on a new one."""
        try:
            return self._ask(transaction)
        finally:
            self._uses(None)

    def _ask(self, transaction: _Transaction) -> list[Row]:
        module = self._database.module
        try:
            self._execute(transaction)
        except (module.OperationalError, module.InterfaceError):
            if self._givenUp:
                raise
            transaction.reconnect()
            transaction.reopen()
            self._execute(transaction)
        return [] if transaction.description is None else transaction.fetchall()

    def _execute(self, transaction: _Transaction) -> None:
        if self._givenUp:
            raise DatabaseError("nobody waits for the answer")
        self._uses(getattr(transaction, "connection", None))  # many modules have it
        transaction.execute(self._query, self._parameters)

    def _uses(self, connection: object) -> None:
        with self._lock:
            self._connection = connection

    def giveUp(self, _answer: object) -> None:
        """Let a query that still waits for its thread be."""
        self._givenUp = True

    def tooLate(self, _result: object, seconds: float) -> Failure:
        """Cut the connection, which frees the thread that waits for it."""
        self._givenUp = True
        # It may have no socket, or the module may have closed it by now.
        with self._lock, suppress(Exception):
            descriptor: int = self._connection.fileno()  # type: ignore[attr-defined]
            with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as connection:
                connection.shutdown(socket.SHUT_RDWR)
        return Failure(DatabaseError(f"{self._database}: no answer within {seconds} seconds"))
