"""Every store at both doors, with whatever may be typed for a user and a password."""

import hashlib
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import paramiko
import pytest
from postgresql import PROGRAMS, postgresql
from slapd import directory
from test_accounts import NAME, PASSWORD, SERVE, account, changes_the_system  # noqa: F401
from test_line_door import ACCEPTED, DENIED, talk

PATIENCE = 60
USERS = {"user": "right", "\u00fcser": "p\u00e4ss w:rd"}
RIGHT = [(user.encode(), password.encode()) for user, password in USERS.items()]
HUGE = b"x" * 65536


def wrong(user: bytes, password: bytes) -> list[tuple[bytes, bytes]]:
    """Return what must let nobody in, made of what would."""
    return [
        (user, b"wrong"),
        (b"unknown", password),
        (user, b""),
        (b"", b""),
        (b"", password),
        (user, HUGE),
        (HUGE, password),
        (user, password + b"\0"),
        (user, password + b"\0x"),
        (user + b"\0", password),
        (user, b"\0"),
        (user, password + b"\n"),
        (user, password + b"\r"),
        (user + b"\n", password),
        (user, b"\n" + password),
        (user, b"\xff" + password),
        (b"\xff" + user, password),
        (b"\xff\xfe", b"\xff\xfe"),
        (b"*", password),
        (user, b"*"),
        (b"%u", password),
        (b"user)(uid=*", password),
        (b"' OR '1'='1", b"' OR '1'='1"),
    ]


def hashed(cost: int = 4) -> dict[str, str]:
    return {
        user: bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
        for user, password in USERS.items()
    }


def lines(secrets: dict[str, str]) -> str:
    return "".join(f"{user}:{secret}\n" for user, secret in secrets.items())


@pytest.fixture
def memory():
    # A password with a colon can't be given on the command line.
    return "memory:user:right", [(b"user", b"right")]


@pytest.fixture
def file(write):
    return f"file:{write('users', lines(hashed()))}", RIGHT


@pytest.fixture
def plain(write):
    return f"file:{write('users', lines(USERS))}", RIGHT


@pytest.fixture
def digests(write):
    secrets = {
        user: hashlib.sha256(password.encode()).hexdigest() for user, password in USERS.items()
    }
    return f"hashed:sha256:{write('users', lines(secrets))}", RIGHT


TABLE = "CREATE TABLE users (username VARCHAR(255) PRIMARY KEY, password VARCHAR(255))"


@pytest.fixture
def sqlite(private):
    connection = sqlite3.connect(private / "users.db")
    connection.execute(TABLE)
    connection.executemany("INSERT INTO users VALUES (?, ?)", hashed().items())
    connection.commit()
    connection.close()
    (private / "users.db").chmod(0o600)
    return f"db:sqlite3:{private}/users.db", RIGHT


@pytest.fixture
def psycopg(need):
    need(str(PROGRAMS[-1] / "initdb") if PROGRAMS else "initdb")
    import psycopg

    with postgresql() as server:
        with psycopg.connect(server.url) as connection:
            connection.execute(TABLE)
            cursor = connection.cursor()
            cursor.executemany("INSERT INTO users VALUES (%s, %s)", list(hashed().items()))
        yield f"db:psycopg:{server.url}", RIGHT


@pytest.fixture
def ldap(need, private):
    with directory(need, private, USERS) as running:
        yield f"ldap:{running.ldap()}", RIGHT


@pytest.fixture
def unix(account):  # noqa: F811
    return "unix", [(NAME.encode(), PASSWORD.encode())]


def enter(server, user: bytes, password: bytes) -> bool:
    """Return whether a user gets in at the SSH door."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    transport = paramiko.Transport(("127.0.0.1", server.ssh_port))
    try:
        transport.start_client(timeout=PATIENCE)
        transport.auth_timeout = PATIENCE
        transport.auth_password(user, password)
    except paramiko.AuthenticationException:
        return False
    else:
        return True
    finally:
        transport.close()


STORES = ["memory", "file", "plain", "digests", "sqlite", "psycopg", "ldap"]


@pytest.mark.parametrize("store", [*STORES, pytest.param("unix", marks=changes_the_system)])
def test_both_doors(serve, request, store):
    """At both doors the right password gets in, and nothing that is like it."""
    spec, right = request.getfixturevalue(store)
    with (
        serve("--auth", spec, command=SERVE) as server,
        ThreadPoolExecutor(8) as executor,
    ):
        for user, password in right:
            assert enter(server, user, password)
            assert talk(server, user + b" " + password + b"\r\n.") == ACCEPTED + b"."
        pairs = wrong(*right[0])
        entered = list(executor.map(lambda pair: enter(server, *pair), pairs))
        assert [pair for pair, got in zip(pairs, entered, strict=True) if got] == []
        # There a line's end is no part of the password.
        pairs = [pair for pair in pairs if pair[1].rstrip(b"\r\n") != right[0][1]]
        answers = list(executor.map(lambda pair: talk(server, b" ".join(pair) + b"\n."), pairs))
        for pair, answer in zip(pairs, answers, strict=True):
            assert answer in (DENIED, b"Login line too long, goodbye.\r\n"), (pair, answer)
        assert enter(server, *right[0])
    text = "\n".join(server.lines)
    assert "Traceback" not in text
    assert "error:" not in text
    for _, password in right:
        assert password.decode() not in text


@pytest.mark.parametrize("order", [["digests", "sqlite"], ["sqlite", "digests"]])
def test_chain(serve, request, order, write):
    """Behind a store that does not know a user, or knows another password, the next one counts."""
    stores = [request.getfixturevalue(store)[0] for store in order]
    last = write("last", "user:other\nlast:word\n")
    options = [part for spec in (*stores, f"file:{last}") for part in ("--auth", spec)]
    with serve(*options) as server:
        for pair in [(b"user", b"right"), (b"user", b"other"), (b"last", b"word")]:
            assert enter(server, *pair)
            assert talk(server, b" ".join(pair) + b"\n") == ACCEPTED
        assert not enter(server, b"last", b"right")
        assert talk(server, b"last right\n") == DENIED
