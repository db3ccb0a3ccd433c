"""Penalties that nodes share through a database, here SQLite in memory."""

import operator
import sqlite3
from functools import reduce

import pytest
from helpers import logged
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent
from twisted.python.usage import UsageError

from sshecho.cred.database import Database
from sshecho.service.gate import Gate, Refusal
from sshecho.service.limits import Limits
from sshecho.service.penalties import GUESS, LARGEST, MOST, THRESHOLD, Penalties
from sshecho.service.penaltytable import MOST_READ, Debt, PenaltyTable
from sshecho.service.sharedpenalties import BATCH, POLL, PRUNE, SharedPenalties, parsePenalties
from sshecho.service.start import StartError

HOST = "192.0.2.1"


class Server:
    """A database whose clock is a Clock, that may be down or hang.

    Attributes:
        queries: what was asked, each time.
        down: what each query fails with, or None.
        hanging: Deferreds of the queries that are not answered; None where all are.
    """

    def __init__(self, clock):
        self.database = Database("sqlite3", "/nowhere/penalties.db")
        self.connection = sqlite3.connect(":memory:")
        self.connection.create_function(
            "julianday", 1, lambda _: (10_000 + clock.seconds()) / 86400 + 2440587.5
        )
        self.queries = []
        self.down = None
        self.hanging = None

    def runQuery(self, query, parameters=()):
        self.queries.append(query)
        if self.hanging is not None:
            self.hanging.append(Deferred())
            return self.hanging[-1]
        return maybeDeferred(self.run, query, parameters)

    def run(self, query, parameters):
        if self.down is not None:
            raise self.down
        return self.connection.execute(query, parameters).fetchall()

    def owed(self):
        """Return what the table says, in seconds."""
        now = "((julianday('now') - 2440587.5) * 86400.0)"
        rows = self.run(f"SELECT source, until - {now} FROM sshecho_penalties", ())
        return {source: round(owed, 3) for source, owed in rows}


class Node:
    """A gate with shared penalties, and a client that guesses there."""

    def __init__(self, server, clock):
        self.clock = clock
        self.gate = Gate(Limits(), clock)
        table = PenaltyTable(server.database, server.runQuery)
        self.sharing = SharedPenalties(
            self.gate.penalties, self.gate.isPenalized, table, clock, "the database"
        )
        self.sharing.startService()
        clock.advance(0)

    def enter(self, host=HOST):
        return self.gate.enter("ssh", IPv4Address("TCP", host, 1))

    def guess(self, times=1, host=HOST):
        for _ in range(times):
            visit = self.enter(host)
            assert not isinstance(visit, Refusal)
            visit.denied(b"user", "password", "wrong")

    def refuses(self, host=HOST):
        return isinstance(self.enter(host), Refusal)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    return Server(clock)


@pytest.fixture
def nodes(server, clock):
    return [Node(server, clock) for _ in range(2)]


def test_others_learn(nodes, clock):
    """Whom one node has wait, the others have wait too; nobody else, and no longer."""
    one, other = nodes
    one.guess(6)
    assert one.refuses()
    assert not other.refuses()
    clock.pump([POLL, POLL])
    assert other.refuses()
    assert not other.refuses("192.0.2.2")
    clock.pump([POLL] * int(GUESS - POLL))
    assert not other.refuses()
    assert not one.refuses()


def test_sum(nodes, clock, server):
    """Guesses at several nodes are added up, and what has passed is taken off."""
    one, other = nodes
    one.guess(3)
    other.guess(3)
    assert not one.refuses()
    assert not other.refuses()
    clock.pump([POLL, POLL])
    assert one.refuses()
    assert other.refuses()
    assert server.owed() == {HOST: 6 * GUESS - 2 * POLL}
    clock.pump([POLL] * 60)
    one.guess()
    clock.advance(POLL)
    assert server.owed() == {HOST: GUESS - POLL}


def test_own_guesses_are_not_counted_twice(nodes, clock):
    """What a node has written comes back to it without making its clients wait for longer."""
    one, _ = nodes
    one.guess(5)
    for _ in range(3):
        clock.advance(POLL)
    assert not one.refuses()


def test_a_guess_on_the_way(nodes, clock, server):
    """A guess made while the database is asked counts beside what it tells."""
    one, other = nodes
    other.sharing.stopService()
    server.hanging = []
    clock.advance(POLL)
    one.guess()
    [query] = server.hanging
    query.callback([(HOST, 6 * GUESS)])
    assert one.gate.penalties.owed(HOST, clock.seconds()) == 7 * GUESS


def test_most(server, clock, nodes):
    """However much is added at once, nobody owes more than the most."""
    _, other = nodes
    for _ in range(5):
        for node in nodes:
            node.gate.penalties.failed(HOST, clock.seconds(), LARGEST)
        clock.advance(POLL)
    assert server.owed() == {HOST: LARGEST}
    assert other.gate.penalties.owed(HOST, clock.seconds()) <= LARGEST


def test_a_machines_own(nodes, clock, server):
    """What comes by a socket that has no address is that machine's own affair."""
    nodes[0].gate.penalties.failed("", clock.seconds(), GUESS)
    clock.advance(POLL)
    assert server.owed() == {}


def test_clocks_of_nodes(server, clock):
    """Nodes whose clocks are an hour apart agree on how long somebody has to wait."""
    late = Clock()
    late.rightNow = 3600
    one, other = Node(server, clock), Node(server, late)
    one.guess(6)
    clock.advance(POLL)
    late.advance(POLL)
    assert other.gate.penalties.owed(HOST, late.seconds()) == pytest.approx(
        6 * GUESS - POLL, abs=0.01
    )


def test_a_flood(nodes, clock, server):
    """A flood of guesses is two queries a second, and reading takes the longest waits only."""
    one, _ = nodes
    for number in range(BATCH + 10):
        one.gate.penalties.failed(
            f"10.0.{number >> 8}.{number & 255}", clock.seconds(), 2 * THRESHOLD
        )
    server.queries.clear()
    clock.advance(POLL)
    assert [query.split()[0] for query in server.queries] == ["INSERT", "SELECT", "SELECT"]
    assert len(server.owed()) == BATCH
    clock.advance(POLL)
    assert len(server.owed()) == BATCH + 10
    for number in range(2 * MOST_READ):
        one.gate.penalties.failed(
            f"10.9.{number >> 8}.{number & 255}", clock.seconds(), 3 * THRESHOLD
        )
    clock.pump([POLL] * (2 * MOST_READ // BATCH + 2))
    table = PenaltyTable(server.database, server.runQuery)
    outcome = []
    Deferred.fromCoroutine(table.waiting()).addCallback(outcome.extend)
    assert len(outcome) == MOST_READ
    assert all(source.startswith("10.9.") for source, _ in outcome)


def test_few_guesses_stay(nodes, clock):
    """Who need not wait yet takes no room at the other nodes."""
    one, other = nodes
    one.guess(4)
    clock.pump([POLL, POLL])
    assert not other.gate.penalties.owed(HOST, clock.seconds())


def test_pruned(nodes, clock, server):
    """What is over is removed after a while, and so is what lies too far ahead; the rest stays."""
    nodes[0].guess(1, "192.0.2.2")
    clock.advance(POLL)
    server.run("INSERT INTO sshecho_penalties VALUES ('far ahead', 1e9, 0)", ())
    for _ in range(int(PRUNE - 2 * POLL)):
        clock.advance(POLL)
    nodes[0].guess()
    assert set(server.owed()) == {"192.0.2.2", "far ahead"}
    clock.pump([POLL, POLL])
    assert set(server.owed()) == {HOST}


def test_down(server, clock):
    """While the database is down penalties are local, which is said once; all is told it later."""
    server.down = sqlite3.OperationalError("gone")
    with logged() as events:
        one = Node(server, clock)
        one.guess(6)
        assert one.refuses()
        clock.pump([POLL] * 3)
        server.down = sqlite3.OperationalError("starting up")
        clock.advance(POLL)
        one.gate.penalties.failed(HOST, clock.seconds(), GUESS)
        clock.advance(POLL)
        server.down = None
        clock.pump([POLL] * 2)
        assert server.owed() == {HOST: 7 * GUESS - 7 * POLL}
    said = [(e["log_level"], formatEvent(e)) for e in events if e["log_level"] >= LogLevel.warn]
    assert said == [
        (
            LogLevel.error,
            "the penalties in the database: gone; until it is mended penalties are this node's own",
        ),
        (
            LogLevel.warn,
            "the database: it is mended, and penalties are shared with other nodes again",
        ),
    ]


def test_hanging(server, clock, nodes):
    """A database that hangs is waited for by nobody, and asked nothing more meanwhile."""
    one, _ = nodes
    server.hanging = []
    for number in range(MOST + 10):
        one.gate.penalties.failed(f"10.0.{number >> 8}.{number & 255}", clock.seconds(), LARGEST)
    clock.pump([POLL] * 5)
    one.gate.penalties.failed(HOST, clock.seconds(), LARGEST)
    assert one.refuses()
    assert len(server.hanging) == 2  # one of each node
    assert len(one.sharing._unwritten) <= MOST
    hanging, server.hanging = server.hanging, None
    for query in hanging:
        query.errback(sqlite3.OperationalError("no answer"))
    clock.pump([POLL] * (MOST // BATCH + 2))
    assert HOST in server.owed()


def test_stopping(server, clock, nodes):
    """Once it is stopped it asks nothing more, also if a query was under way."""
    one, other = nodes
    one.sharing.stopService()
    server.hanging = []
    clock.advance(POLL)
    [query] = server.hanging
    other.sharing.stopService()
    query.callback([])
    assert not clock.getDelayedCalls()


def test_a_table_that_cannot_be_made(server, clock):
    """Why there is no table is said."""
    server.connection.set_authorizer(
        lambda action, *_: (
            sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_CREATE_TABLE else sqlite3.SQLITE_OK
        )
    )
    with logged() as events:
        Node(server, clock)
    [said] = [formatEvent(e) for e in events if e["log_level"] >= LogLevel.warn]
    assert "no such table: sshecho_penalties, and can't be made: not authorized" in said


def test_learning():
    """What others say of an address never takes anything off what is known here."""
    penalties = Penalties()
    penalties.failed("a", 0.0, GUESS)
    penalties.learned("a", 0.0, GUESS - 1)
    assert penalties.owed("a", 0.0) == GUESS
    penalties.learned("a", 0.0, 2 * LARGEST)
    assert penalties.owed("a", 0.0) == LARGEST


def test_debts():
    """Debts come to the same whether they are taken one by one or together."""

    def owe(until, debt):
        return max(until + debt.cost, debt.until)

    debts = [Debt(0, 5), Debt(2, 5), Debt(20, 5), Debt(21, 1)]
    for until in range(0, 40, 3):
        one_by_one = reduce(owe, debts, until)
        assert owe(until, reduce(operator.add, debts)) == one_by_one
    assert reduce(operator.add, [Debt(0, LARGEST)] * 5).cost == LARGEST


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("db", "say which database"),
        ("db:sqlite3", "say which database"),
        ("file:penalties", "penalties are shared through db:MODULE:CONNECT"),
        ("db:sqlite3:x.db;query=SELECT 1", "no query belongs to that"),
        ("db:psycopg:postgresql://me:secret@host/x", "PGPASSFILE"),
    ],
)
def test_usage(spec, why):
    """What is wrong with the option is said, without the password that may be in it."""
    with pytest.raises(UsageError) as caught:
        parsePenalties(spec)
    assert str(caught.value).startswith("--penalties: ")
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("db:nosuchmodule:x", "nosuchmodule: No module named"),
        ("db:string:x", "string: not a DB-API module"),
        ("db:sqlite3:/nowhere/x.db", "/nowhere: No such file"),
    ],
)
def test_what_can_never_be_used(spec, why):
    """A database that can never be used keeps the server from starting."""
    with pytest.raises(StartError) as caught:
        parsePenalties(spec)
    assert f"--penalties: {why}" in caught.value.why


def test_file(private):
    """A file is made for us alone; a server that may be down is no reason not to start."""
    path = private / "penalties.db"
    assert parsePenalties(f"db:sqlite3:{path}").path == bytes(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert parsePenalties("db:psycopg:postgresql://127.0.0.1:1/x").path is None
