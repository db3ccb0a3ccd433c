"""Servers that share penalties through a real PostgreSQL."""

import signal
import socket
import threading
from contextlib import contextmanager

import psycopg
import pytest
from attacking.attacker import LOGGED_IN, receive
from helpers import eventually, result
from postgresql import PROGRAMS, postgresql
from twisted.internet.defer import Deferred, maybeDeferred
from watching import OTHER, target

from sshecho.cred.database import Database
from sshecho.service.penalties import GUESS, LARGEST
from sshecho.service.penaltytable import Debt, PenaltyTable

DENIED = b"Login denied, goodbye.\r\n"
PENALIZED = b"Too many failed logins, goodbye.\r\n"


@pytest.fixture(scope="module")
def database(need):
    """A real PostgreSQL, with psycopg to reach it."""
    need(str(PROGRAMS[-1] / "initdb") if PROGRAMS else "initdb")
    with postgresql() as server:
        yield server


@pytest.fixture
def pair(serve, database, private):
    """Return a context manager that runs two servers which share penalties."""

    @contextmanager
    def run():
        options = ("--ssh", "off", "--penalize-loopback")
        options += ("--penalties", f"db:psycopg:{database.url}")
        with serve(*options) as one, serve(*options) as other:
            yield one, other
        said = [*one.lines, *other.lines]
        assert not [line for line in said if "Traceback" in line]

    return run


def line(server, source, password):
    """Return what a login at the line door gets."""
    with target(server, source).connect(server.line_port) as connection:
        connection.sendall(b"user " + password + b"\n")
        return receive(connection, len(LOGGED_IN))


def guess(server, source, times=6):
    for _ in range(times):
        assert line(server, source, b"wrong").startswith(DENIED[:10])


def refuses(server, source) -> bool:
    with target(server, source).connect(server.line_port) as connection:
        connection.sendall(b"user pass\n")
        return receive(connection, len(PENALIZED)).startswith(PENALIZED[:8])


def test_two_servers(pair):
    """Who has guessed at one server is refused by the other; for others both are open."""
    with pair() as (one, other):
        assert line(other, OTHER, b"pass") == LOGGED_IN
        guess(one, OTHER)
        assert refuses(one, OTHER)
        eventually(lambda: refuses(other, OTHER), 4)
        assert line(one, "127.0.0.1", b"pass") == LOGGED_IN
        assert line(other, "127.0.0.1", b"pass") == LOGGED_IN


def test_lost_and_back(pair, database):
    """While the database is away nobody waits for it; then what it missed is told it."""
    source = "127.0.0.3"
    with pair() as (one, other):
        database.stop()
        try:
            guess(one, source)
            assert refuses(one, source)
            assert line(other, source, b"pass") == LOGGED_IN
            eventually(lambda: warnings(one) and warnings(other))
        finally:
            database.start()
        guess(one, "127.0.0.4")
        eventually(lambda: refuses(other, "127.0.0.4"), 4)
        eventually(lambda: len(warnings(one)) == len(warnings(other)) == 2)
    for server in (one, other):
        began, ended = warnings(server)
        assert "until it is mended penalties are this node's own" in began
        assert "it is mended, and penalties are shared with other nodes again" in ended
    with psycopg.connect(database.url) as connection:
        sources = connection.execute("SELECT source FROM sshecho_penalties").fetchall()
    assert (source,) in sources


def test_no_answer(serve):
    """A database that takes connections and never answers holds up neither logins nor the end."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"postgresql://tester@127.0.0.1:{silent.getsockname()[1]}/x"
        options = ("--ssh", "off", "--penalize-loopback", "--penalties", f"db:psycopg:{where}")
        with serve(*options) as server:
            connection, _ = silent.accept()
            with connection:
                assert line(server, "127.0.0.1", b"pass") == LOGGED_IN
                guess(server, OTHER)
                assert refuses(server, OTHER)
                server.process.send_signal(signal.SIGTERM)
                assert server.process.wait(5) == 0


def warnings(server):
    return [line for line in server.lines if "error:" in line or "warn:" in line]


def test_writers_at_once(database):
    """What several nodes add at once is added up whole, whatever order their sources came in."""
    writers, rounds = 4, 25
    sources = [f"192.0.2.{number}" for number in range(10)]
    failures = []

    def write(turn):
        with psycopg.connect(database.url, autocommit=True) as connection:

            def runQuery(query, parameters):
                def run():
                    cursor = connection.execute(query, parameters or None)
                    return [] if cursor.description is None else cursor.fetchall()

                return maybeDeferred(run)

            table = PenaltyTable(Database("psycopg", database.url), runQuery)
            mine = sources[turn:] + sources[:turn]
            try:
                for _ in range(rounds):
                    debts = {source: Debt(0, GUESS) for source in mine}
                    result(Deferred.fromCoroutine(table.add(debts, 0)))
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=write, args=(turn,)) for turn in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with psycopg.connect(database.url) as connection:
        [[least, most]] = connection.execute(
            "SELECT min(until), max(until) FROM sshecho_penalties WHERE source LIKE '192.0.2.%'"
        ).fetchall()
        [[now]] = connection.execute("SELECT EXTRACT(EPOCH FROM CURRENT_TIMESTAMP)").fetchall()
    whole = writers * rounds * GUESS
    assert whole < LARGEST
    assert whole - 60 < least - float(now) <= most - float(now) <= whole
