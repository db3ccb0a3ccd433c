"""The checkers of a database, on one in memory."""

import sqlite3

import bcrypt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import Password, denied, inline, logged, result
from twisted.conch.error import ValidPublicKey
from twisted.conch.ssh.keys import Key
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.logger import formatEvent
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sshecho.cred.credentials import PublicKey
from sshecho.cred.database import DatabaseError
from sshecho.cred.databasechecker import (
    DatabaseCheckerFactory,
    DBCredentialsChecker,
    DBPublicKeyChecker,
)
from sshecho.cred.files import BadFileError
from sshecho.cred.identity import termsOf

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
KEY = Key(ed25519.Ed25519PrivateKey.generate())
LINE = KEY.public().toString("OPENSSH").decode()


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE TABLE users (username, password);CREATE TABLE public_keys (username, public_key);"
    )
    yield connection
    connection.close()


@pytest.fixture
def runQuery(database):
    """Stand in for the runQuery of an adbapi.ConnectionPool, without threads."""
    return lambda *arguments: maybeDeferred(lambda: database.execute(*arguments).fetchall())


@pytest.fixture
def checker(database, runQuery):
    database.execute("INSERT INTO users VALUES ('user', ?), ('b', ?)", (HASH, HASH.encode()))
    return DBCredentialsChecker(runQuery, highest=0, inThread=inline)


@implementer(IUsernameHashedPassword)
class Hashed:
    """Credentials whose password is hashed already."""

    def __init__(self, username, hashed):
        self.username = username
        self.hashed = hashed

    def checkPassword(self, password):
        return self.hashed == password


def ask(checker, user, password):
    return checker.requestAvatarId(Password(user, password))


def test_passwords(checker):
    """A bcrypt hash, in a column of text or of bytes, lets its user in."""
    verifyObject(ICredentialsChecker, checker)
    assert result(ask(checker, b"user", b"secret")) == b"user"
    assert result(ask(checker, b"b", b"secret")) == b"b"


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (b"user", b"wrong"),
        (b"user", b""),
        (b"user", b"secret\0"),
        (b"user", HASH.encode()),
        (b"nobody", b"secret"),
        (b"", b""),
        (b"user\0", b"secret"),
        (b"\xff", b"secret"),
        (b"' OR '1'='1", b"secret"),
        (b"x' UNION SELECT 'user', password FROM users --", b"secret"),
        (b"user'; DROP TABLE users; --", b"secret"),
        (b"us%", b"secret"),
        (b"u" * 65536, b"secret"),
        (b"user", b"secret" * 11000),
    ],
)
def test_denied(checker, database, user, password):
    """Nobody else gets in, whatever SQL the name holds, and the table stays as it is."""
    with logged() as seen:
        assert denied(ask(checker, user, password))
    assert seen == []
    assert database.execute("SELECT count(*) FROM users").fetchone() == (2,)


def test_already_hashed(checker):
    """Who has hashed the password already is compared with what the database has."""
    assert result(checker.requestAvatarId(Hashed(b"user", HASH.encode()))) == b"user"
    assert denied(checker.requestAvatarId(Hashed(b"user", b"something else")))
    assert denied(checker.requestAvatarId(Hashed(b"nobody", HASH.encode())))


def test_no_bcrypt_hash(checker, database):
    """A password in plain text lets nobody in, and is warned of once, without itself."""
    database.execute("INSERT INTO users VALUES ('plain', 'text')")
    with logged() as seen:
        assert denied(ask(checker, b"plain", b"text"))
        assert denied(ask(checker, b"plain", b"text"))
    assert [formatEvent(event) for event in seen] == [
        "the users in the database: the password of 'plain' is no bcrypt hash"
    ]


def test_several_users_of_a_name(checker, database):
    """A name that stands there twice lets nobody in."""
    database.execute("INSERT INTO users VALUES ('user', ?)", (HASH,))
    with pytest.raises(UnauthorizedLogin, match="several users"):
        result(ask(checker, b"user", b"secret"))


def test_name_as_the_database_has_it(database, runQuery):
    """A query that finds a user by something else names them as the database does."""
    database.execute("INSERT INTO users VALUES ('User', ?)", (HASH,))
    query = "SELECT username, password FROM users WHERE lower(username) = lower(?)"
    checker = DBCredentialsChecker(runQuery, query, inThread=inline)
    assert result(ask(checker, b"USER", b"secret")) == b"User"


@pytest.mark.parametrize("parameter", ["?", ":username"])
def test_parameter_styles(database, runQuery, checker, parameter):
    """The parameter is given in the way that the query asks for it."""
    query = f"SELECT username, password FROM users WHERE username = {parameter}"
    checker = DBCredentialsChecker(runQuery, query, inThread=inline)
    assert result(ask(checker, b"user", b"secret")) == b"user"


def test_same_work(checker, database, monkeypatch):
    """Unknown users, and those with cheaper hashes, cost as much as the highest cost yet seen."""
    spent = []
    monkeypatch.setattr(
        "sshecho.cred.databasechecker.matches",
        lambda password, secret, highest: spent.append(highest),
    )
    costly = bcrypt.hashpw(b"x", bcrypt.gensalt(6)).decode()
    database.execute("INSERT INTO users VALUES ('costly', ?)", (costly,))
    for user in (b"user", b"nobody", b"costly", b"user", b"nobody"):
        assert denied(ask(checker, user, b"wrong"))
    assert spent == [4, 4, 6, 6, 6]


def test_lost_database():
    """A database that can't be asked denies, says so once, and lets in again when it answers."""
    answers = [fail(OSError("gone\nfor good")), fail(OSError("gone")), fail(OSError("gone"))]
    answer = [("user", HASH)]
    checker = DBCredentialsChecker(
        lambda *_: answers.pop() if answers else maybeDeferred(lambda: answer), inThread=inline
    )
    with logged() as seen:
        for _ in range(3):
            with pytest.raises(UnauthorizedLogin, match="the database can't be asked"):
                result(ask(checker, b"user", b"secret"))
        assert result(ask(checker, b"user", b"secret")) == b"user"
        assert result(ask(checker, b"user", b"secret")) == b"user"
    assert [formatEvent(event) for event in seen] == [
        "the users in the database: gone; until it is mended it lets nobody in",
        "the users in the database: it is mended, and lets people in again",
    ]


def test_names_that_the_database_can_not_hold():
    """A name that the database has no characters for is no outage, only nobody's."""

    class DataError(Exception):
        """As each DB-API module has it."""

    for error in (DataError("x"), UnicodeEncodeError("latin-1", "x", 0, 1, "why")):
        checker = DBCredentialsChecker(lambda *_, error=error: fail(error), inThread=inline)
        with logged() as seen, pytest.raises(UnauthorizedLogin, match="no such user"):
            result(ask(checker, b"user", b"secret"))
        assert seen == []


@pytest.mark.parametrize("row", [("user", None), ("user", 7), (None, HASH)])
def test_rows_without_text(row):
    """A row that is no text lets nobody in, is warned of once, and is no outage."""
    checker = DBCredentialsChecker(lambda *_: maybeDeferred(lambda: [row]), inThread=inline)
    with logged() as seen:
        for _ in range(2):
            assert denied(ask(checker, b"user", b"secret"))
    [said] = seen
    assert formatEvent(said).startswith("the users in the database: 'user' has ")


@pytest.mark.parametrize("row", [("user",), ()])
def test_odd_columns(row):
    """A query that finds less than two columns lets nobody in, and that is said."""
    checker = DBCredentialsChecker(lambda *_: maybeDeferred(lambda: [row]), inThread=inline)
    with logged() as seen:
        assert denied(ask(checker, b"user", b"secret"))
    assert len(seen) == 1


def test_one_waits_for_nobody(checker, runQuery):
    """A query that has no answer yet keeps no other login waiting."""
    slow = Deferred()
    waiting = DBCredentialsChecker(
        lambda query, values: slow if values == ("slow",) else runQuery(query, values),
        inThread=inline,
    )
    first = ask(waiting, b"slow", b"secret")
    runQuery("INSERT INTO users VALUES ('quick', ?)", (HASH,))
    assert result(ask(waiting, b"quick", b"secret")) == b"quick"
    slow.callback([("slow", HASH)])
    assert result(first) == b"slow"


def key(user=b"user", signed=True) -> PublicKey:
    blob, kind = KEY.public().blob(), KEY.sshType()
    if not signed:
        return PublicKey(user, kind, blob, None, None, "127.0.0.1")
    return PublicKey(user, kind, blob, b"data", KEY.sign(b"data", kind), "127.0.0.1")


def test_keys(database, runQuery):
    """A key in a row of the user's is known, lets in when it has signed, and keeps its options."""
    checker = DBPublicKeyChecker(runQuery, inThread=inline)
    verifyObject(ICredentialsChecker, checker)
    database.execute("INSERT INTO public_keys VALUES ('user', 'ssh-rsa AAAA'), ('other', 'x')")
    with logged() as seen:
        assert denied(checker.requestAvatarId(key()))
        database.execute("INSERT INTO public_keys VALUES ('user', ?)", (f"no-pty {LINE}",))
        with pytest.raises(ValidPublicKey):
            result(checker.requestAvatarId(key(signed=False)))
        identity = result(checker.requestAvatarId(key()))
        assert denied(checker.requestAvatarId(key(b"other")))
    assert identity == b"user"
    assert not termsOf(identity).pty
    assert len(seen) == 2  # each damaged row, once


def test_names_of_keys(database, runQuery):
    """Who gets in by a key has the database's name for them, and no two users have one name."""
    query = "SELECT username, public_key FROM public_keys WHERE lower(username) = lower(?)"
    checker = DBPublicKeyChecker(runQuery, query, inThread=inline)
    database.execute("INSERT INTO public_keys VALUES ('User', ?)", (LINE,))
    assert result(checker.requestAvatarId(key(b"user"))) == b"User"
    database.execute("INSERT INTO public_keys VALUES ('user', 'x')")
    assert denied(checker.requestAvatarId(key(b"user")))


def make(path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    path.chmod(0o600)


USERS = "CREATE TABLE users (username, password)"
KEYS = "CREATE TABLE public_keys (username, public_key)"


def test_factory(private):
    """The factory makes a checker of passwords, and of keys if there is a table of keys."""
    factory = DatabaseCheckerFactory()
    verifyObject(ICheckerFactory, factory)
    path = private / "users.db"
    make(path, USERS, KEYS)
    checker = factory.generateChecker(f"sqlite3:{path}")
    verifyObject(ICredentialsChecker, checker)
    assert set(checker.credentialInterfaces) == set(factory.credentialInterfaces)
    make(path, "DROP TABLE public_keys")
    path.chmod(0o644)
    with logged() as seen:
        checker = factory.generateChecker(f"sqlite3:{path}")
    assert f"{path}: others can read it" in formatEvent(seen.pop(0))
    assert checker.credentialInterfaces == DBCredentialsChecker.credentialInterfaces
    assert "no such table: public_keys; nobody gets in by a key" in formatEvent(seen[0])


@pytest.mark.parametrize(
    ("rows", "highest"),
    [
        ([], 12),
        ([HASH], 12),
        ([HASH, HASH.replace("$04$", "$13$"), HASH.replace("$04$", "$07$")], 13),
        (["$2b$99$short", HASH.replace("$04$", "$xx$")], 12),
        ([HASH.replace("$04$", "$99$"), HASH.replace("$04$", "$13$")], 13),
    ],
)
def test_highest_cost(private, rows, highest):
    """The highest cost in the table is known from the start."""
    path = private / "users.db"
    make(path, USERS, KEYS, *(f"INSERT INTO users VALUES ('{row}', '{row}')" for row in rows))
    checker = DatabaseCheckerFactory().generateChecker(f"sqlite3:{path}")
    assert checker.users._highest == highest


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("", "say which database"),
        ("sqlite3", "say which database"),
        ("sqlite3:", "say which database"),
        (":x", "say which database"),
        ("sqlite3::memory:", "a database in memory would be empty"),
        ("sqlite3:x;query=", "the query is empty"),
        ("psycopg:postgresql://user:hunter2@host/db", "every user of this machine"),
        ("psycopg:host=h PASSWORD = hunter2", "every user of this machine"),
        ("psycopg:postgresql://host/db?password=hunter2", "every user of this machine"),
    ],
)
def test_bad_argument(argument, why):
    """An argument that names no database, or holds a password, is refused without repeating it."""
    with pytest.raises(InvalidAuthArgumentString, match=why) as caught:
        DatabaseCheckerFactory().generateChecker(argument)
    assert "hunter2" not in str(caught.value)


def test_what_keeps_it_from_starting(private):
    """A module, a file or a table that is missing is said in one line, and no file is made."""
    factory = DatabaseCheckerFactory()
    path = private / "users.db"
    for argument, error, why in [
        ("nosuchmodule:x", DatabaseError, "No module named"),
        ("json:x", DatabaseError, "not a DB-API module"),
        (f"sqlite3:{path}", BadFileError, f"{path}: No such file"),
    ]:
        with pytest.raises(error, match=why):
            factory.generateChecker(argument)
    assert not path.exists()
    make(path, KEYS)
    with pytest.raises(DatabaseError, match=r"no such table: users \(sshecho passwd makes"):
        factory.generateChecker(f"sqlite3:{path}")
    with pytest.raises(DatabaseError, match="does not find a name and a value"):
        factory.generateChecker(f"sqlite3:{path};query=SELECT 1 WHERE ? = 1")
    with pytest.raises(BadFileError, match="No such file"):
        factory.generateChecker(f"sqlite3.dbapi2:{path}x")
    path.chmod(0o666)
    with pytest.raises(BadFileError, match="others can write"):
        factory.generateChecker(f"sqlite3:{path}")
    path.write_text("no database" * 1000)
    path.chmod(0o600)
    with pytest.raises(DatabaseError, match="not a database"):
        factory.generateChecker(f"sqlite3:{path}")
