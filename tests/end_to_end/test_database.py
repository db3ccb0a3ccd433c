"""Databases: SQLite and a real PostgreSQL, with users written by passwd."""

import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest
from postgresql import PROGRAMS, postgresql
from test_line_door import ACCEPTED, DENIED, talk

from sshecho.cred.databasepool import CONNECTIONS

PATIENCE = 60


@pytest.fixture(scope="module")
def database(need):
    """A real PostgreSQL, with psycopg to reach it."""
    need(str(PROGRAMS[-1] / "initdb") if PROGRAMS else "initdb")
    with postgresql() as server:
        yield server


def passwd(*arguments, password="secret"):
    return subprocess.run(
        [sys.executable, "-m", "sshecho", "passwd", *arguments],
        input=f"{password}\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


def login(server, user, password) -> bool:
    answer = talk(server, f"{user} {password}\n".encode())
    assert answer in (ACCEPTED, DENIED)
    return answer == ACCEPTED


@pytest.fixture(params=["sqlite3", "psycopg"])
def spec(request, private):
    if request.param == "sqlite3":
        return f"db:sqlite3:{private}/users.db"
    return f"db:psycopg:{request.getfixturevalue('database').url}"


def connect(spec: str):
    _, module, where = spec.split(":", 2)
    return __import__(module).connect(where)


def execute(spec: str, statement: str) -> None:
    connection = connect(spec)
    connection.cursor().execute(statement)
    connection.commit()
    connection.close()


def test_users(serve, spec):
    """Users that passwd writes get in at once, by their newest password, until it removes them."""
    passwd("--auth", spec, "alice")
    with serve("--auth", spec) as server:
        assert login(server, "alice", "secret")
        assert not login(server, "alice", "wrong")
        assert not login(server, "bob", "secret")
        passwd("--auth", spec, "alice", password="new")
        passwd("--auth", spec, "bob")
        assert not login(server, "alice", "secret")
        assert login(server, "alice", "new")
        assert login(server, "bob", "secret")
        assert passwd("--auth", spec, "--list") == "alice\nbob\n"
        for user in ("alice", "bob"):
            passwd("--auth", spec, "--delete", user)
            assert not login(server, user, "secret")
    assert not [line for line in server.lines if "error" in line or "Traceback" in line]


def test_injection(serve, spec):
    """SQL in a user's name finds nobody and changes nothing."""
    passwd("--auth", spec, "alice")
    with serve("--auth", spec, "--ssh", "off") as server:
        for name in ("'OR'1'='1", "alice';DROP/**/TABLE/**/users;--", "%s", ":username", "%", "?"):
            assert not login(server, name, "secret")
        assert login(server, "alice", "secret")
    assert not [line for line in server.lines if "error" in line]


def test_keys(serve, spec, runSSH, userKey, write):
    """A key in the database gets in, on the terms of its options, and no other does."""
    passwd("--auth", spec, "alice")
    line = userKey.public().toString("OPENSSH").decode()
    execute(spec, f"INSERT INTO public_keys VALUES ('alice', 'command=\"forced\" {line}')")
    key = write("id", userKey.toString("OPENSSH"))
    with serve("--auth", spec, "--line", "off") as server:
        done = runSSH(server, "asked", user="alice", key=key)
        assert (done.returncode, done.stdout) == (0, b"forced\n"), done.stderr
        assert runSSH(server, "asked", user="bob", key=key).returncode == 255
        assert runSSH(server, "asked", user="alice", password="secret").stdout == b"asked\n"


def test_query(serve, database):
    """A query of one's own finds users in tables of one's own."""
    spec = f"db:psycopg:{database.url}"
    passwd("--auth", spec, "alice")
    execute(spec, "CREATE VIEW people AS SELECT username || '@x' AS mail, password FROM users")
    query = "SELECT mail, password FROM people WHERE mail = %s"
    with serve("--auth", f"{spec};query={query}", "--ssh", "off") as server:
        assert login(server, "alice@x", "secret")
        assert not login(server, "alice", "secret")


def test_lost_and_back(serve, database):
    """A database that is gone denies, says so once, and lets in again when it is back."""
    spec = f"db:psycopg:{database.url}"
    passwd("--auth", spec, "alice")
    with serve("--auth", spec, "--auth", "memory:foo:bar", "--ssh", "off") as server:
        assert login(server, "alice", "secret")
        database.stop()
        try:
            for _ in range(3):
                assert not login(server, "alice", "secret")
                assert login(server, "foo", "bar")
        finally:
            database.start()
        assert login(server, "alice", "secret")
        # A restart that nobody noticed is no reason to deny anybody.
        database.stop()
        database.start()
        assert login(server, "alice", "secret")
    said = [line for line in server.lines if "error:" in line or "warn:" in line]
    assert "until it is mended it lets nobody in" in said[0]
    assert "it is mended, and lets people in again" in said[-1]
    assert len(said) <= 3, said  # a lost connection, and one that is refused
    assert [line for line in server.lines if "the database can't be asked" in line]
    assert not [line for line in server.lines if "Traceback" in line]


def test_slow_query(serve, database):
    """A query that takes its time keeps nobody else waiting, and the end comes when it is due."""
    spec = f"db:psycopg:{database.url}"
    passwd("--auth", spec, "alice")
    passwd("--auth", spec, "slow")
    query = (
        "SELECT username, password, pg_sleep(CASE username WHEN 'slow' THEN 60 ELSE 0 END)"
        " FROM users WHERE username = %s"
    )
    with (
        serve("--auth", f"{spec};query={query}", "--ssh", "off") as server,
        server.connect() as waiting,
    ):
        waiting.sendall(b"slow secret\n")
        for _ in range(3):
            assert login(server, "alice", "secret")
        waiting.setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting.recv(1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE / 3) == 0  # and not when the query ends
    execute(
        spec, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )


def test_hung_queries(serve, database):
    """Queries that hang are given up, and their connections with them: others get in then."""
    spec = f"db:psycopg:{database.url}"
    passwd("--auth", spec, "alice")
    query = (
        "SELECT username, password, pg_sleep(CASE username WHEN 'alice' THEN 0 ELSE 60 END)"
        " FROM (SELECT username, password FROM users UNION SELECT 'slow', 'x') AS everybody"
        " WHERE username = %s"
    )
    with ExitStack() as stack:
        server = stack.enter_context(serve("--auth", f"{spec};query={query}", "--ssh", "off"))
        assert login(server, "alice", "secret")
        *leaving, patient = (stack.enter_context(server.connect()) for _ in range(CONNECTIONS))
        for connection in leaving:
            connection.sendall(b"slow secret\n")
        assert login(server, "alice", "secret")  # so the others are under way
        patient.sendall(b"slow secret\n")
        for connection in leaving:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        assert patient.recv(1000) == DENIED
        assert login(server, "alice", "secret")
    assert any("no answer within 10 seconds" in line for line in server.lines)
    execute(
        spec, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )


def test_rights(database):
    """Who may only write users writes them, with tables that are there already."""
    spec = f"db:psycopg:{database.url}"
    passwd("--auth", spec, "alice")
    execute(spec, "DROP ROLE IF EXISTS writer")
    execute(spec, "CREATE ROLE writer LOGIN")
    execute(spec, "GRANT SELECT, INSERT, UPDATE, DELETE ON users, public_keys TO writer")
    restricted = spec.replace("tester@", "writer@")
    assert "has a new password" in passwd("--auth", restricted, "alice")
    assert "is added" in passwd("--auth", restricted, "carol")
    assert "is removed" in passwd("--auth", restricted, "--delete", "carol")
    execute(spec, "REVOKE ALL ON public_keys FROM writer")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        passwd("--auth", restricted, "--delete", "alice")
    assert "permission denied for table public_keys" in caught.value.stderr
    execute(spec, "DROP TABLE users CASCADE")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        passwd("--auth", restricted, "alice")
    assert 'relation "users" does not exist' in caught.value.stderr
    assert "can't be made: psycopg: permission denied for schema public" in caught.value.stderr
    execute(spec, "DROP OWNED BY writer")


def test_no_answer(serve, private, database):
    """A server that takes the connection and never answers denies, and says so."""
    passwd("--auth", f"db:psycopg:{database.url}", "alice")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        command = [sys.executable, "-m", "sshecho", "serve", "--auth"]
        spec = f"db:psycopg:postgresql://tester@127.0.0.1:{port}/x?connect_timeout=2"
        done = subprocess.run(
            [*command, spec], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("sshecho: --auth db: psycopg: ")
    assert done.stderr.count("\n") == 1


def test_replaced_file(serve, private):
    """A SQLite file that is replaced is the one that counts, and one that vanishes denies."""
    spec = f"db:sqlite3:{private}/users.db"
    passwd("--auth", spec, "alice")
    other = f"db:sqlite3:{private}/other.db"
    passwd("--auth", other, "bob")
    with serve("--auth", spec, "--ssh", "off") as server:
        assert login(server, "alice", "secret")
        os.replace(private / "other.db", private / "users.db")
        assert login(server, "bob", "secret")
        assert not login(server, "alice", "secret")
        shutil.copy(private / "users.db", private / "kept.db")
        (private / "users.db").unlink()
        assert not login(server, "bob", "secret")
        assert not (private / "users.db").exists()
        (private / "kept.db").chmod(0o600)
        os.replace(private / "kept.db", private / "users.db")
        assert login(server, "bob", "secret")


def test_locked_file(serve, private):
    """A SQLite file that is being written to for a while lets in all the same."""
    spec = f"db:sqlite3:{private}/users.db"
    passwd("--auth", spec, "alice")
    with serve("--auth", spec, "--ssh", "off") as server:
        writer = sqlite3.connect(private / "users.db", isolation_level=None)
        writer.execute("BEGIN EXCLUSIVE")
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(login(server, "alice", "secret")))
        waiting.start()
        waiting.join(0.5)
        assert not answers
        writer.execute("COMMIT")
        waiting.join(PATIENCE)
        writer.close()
        assert answers == [True]
