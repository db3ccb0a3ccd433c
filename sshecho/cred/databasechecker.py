"""``db:MODULE:CONNECT``: users and their keys in a database."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import (
    ISSHPrivateKey,
    IUsernameHashedPassword,
    IUsernamePassword,
    SSHPrivateKey,
)
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import Interface, implementer

from sshecho.cred.authorizedkeys import authorise, parseAuthorizedKeys
from sshecho.cred.database import (
    Database,
    DatabaseError,
    Parameters,
    Row,
    parameters,
    parseDatabase,
)
from sshecho.cred.databaselookup import Lookup, RunQuery
from sshecho.cred.databasepool import DatabasePool
from sshecho.cred.files import warnOfReaders
from sshecho.cred.passwords import COST, cost, isHash, matches
from sshecho.cred.threads import InThread, inThread
from sshecho.people import oneLine, userName

USERS_QUERY = "SELECT username, password FROM users WHERE username = {username}"
KEYS_QUERY = "SELECT username, public_key FROM public_keys WHERE username = {username}"
_HIGHEST_QUERY = (
    "SELECT max(substr(password, 5, 2)) FROM users"
    " WHERE length(password) = 60 AND substr(password, 5, 2) BETWEEN '04' AND '31'"
)


@implementer(ICredentialsChecker)
class DBCredentialsChecker:
    """Checks passwords against a database. It knows no database: it is given what asks one.

    A database that can't be asked denies everyone and says so once. Hashing happens in a thread.

    Args:
        runQuery: such as that of an adbapi.ConnectionPool.
        query: finds a user's name and bcrypt hash; its one parameter is the user's name, in the
            style of the database's module: ``?``, ``%s``, ``%(username)s``, ``:username``.
        highest: the highest cost of any hash, if it is known; it is learned from what is seen.
        inThread: runs a function elsewhere.
        name: what to call the database in a warning.
    """

    credentialInterfaces = (IUsernamePassword, IUsernameHashedPassword)

    def __init__(
        self,
        runQuery: RunQuery,
        query: str = USERS_QUERY.format(username="?"),
        highest: int = COST,
        inThread: InThread = inThread,
        name: str = "the database",
    ) -> None:
        self._lookup = Lookup(f"the users in {name}", runQuery, query)
        self._highest = highest
        self._inThread = inThread

    def requestAvatarId(
        self, credentials: IUsernamePassword | IUsernameHashedPassword
    ) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of the user's name, as the database has it.

        It fails with UnauthorizedLogin. IUsernameHashedPassword is for callers who hash the
        password themselves: its checkPassword is given what the database has, as bytes.
        """
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: IUsernamePassword | IUsernameHashedPassword) -> bytes:
        rows = await self._lookup.rows(credentials.username)
        name, secret = rows[0] if len(rows) == 1 else (b"", None)
        if IUsernameHashedPassword.providedBy(credentials):
            same = secret is not None and credentials.checkPassword(secret)
        else:
            same = await self._matches(credentials.username, credentials.password, secret)
        if same:
            return name
        if len(rows) > 1:
            raise UnauthorizedLogin("the database has several users of this name")
        raise UnauthorizedLogin("wrong password" if rows else "no such user")

    async def _matches(self, user: bytes, password: bytes, secret: bytes | None) -> bool:
        if secret is not None and not isHash(secret):
            self._lookup.once.warn(
                f"{self._lookup.what}: the password of {userName(user)} is no bcrypt hash"
            )
            secret = None
        self._highest = max(self._highest, cost(secret or b""))
        return await self._inThread(matches, password, secret, self._highest)


@implementer(ICredentialsChecker)
class DBPublicKeyChecker:
    """Checks public keys against a database, whose keys are lines as in authorized_keys.

    A key is looked up before anything is said of it. Signatures are verified in a thread.

    Args:
        runQuery: such as that of an adbapi.ConnectionPool.
        query: finds a user's name and keys, in any number of rows; its one parameter is the
            user's name.
        inThread: runs a function elsewhere.
        now: returns the time, in seconds since 1970.
        name: what to call the database in a warning.
    """

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(
        self,
        runQuery: RunQuery,
        query: str = KEYS_QUERY.format(username="?"),
        inThread: InThread = inThread,
        now: Callable[[], float] = time.time,
        name: str = "the database",
    ) -> None:
        self._lookup = Lookup(f"the keys in {name}", runQuery, query)
        self._inThread = inThread
        self._now = now

    def requestAvatarId(self, credentials: SSHPrivateKey) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of the user's name, with the terms that the key's options set.

        It fails with ValidPublicKey when the key is listed but nothing is signed with it yet,
        and with UnauthorizedLogin when the user may not log in with it.
        """
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: SSHPrivateKey) -> bytes:
        rows = await self._lookup.rows(credentials.username)
        if len({name for name, _ in rows}) > 1:
            raise UnauthorizedLogin("the database has several users of this name")
        return await self._inThread(self._authorise, rows, credentials)

    def _authorise(self, rows: list[tuple[bytes, bytes]], credentials: SSHPrivateKey) -> bytes:
        name = rows[0][0] if rows else b""
        lines = b"\n".join(line for _, line in rows)
        what = f"{self._lookup.what}, of {userName(name)}"
        keys = parseAuthorizedKeys(what, lines, self._lookup.once.warn)
        return authorise(name, keys, credentials, self._now())


@implementer(ICredentialsChecker)
class DatabaseChecker:
    """Checks passwords and public keys against one database, each with its own checker.

    The connections are made at the first login, when there is a reactor.

    Args:
        database: which.
        query: finds a user's name and bcrypt hash, instead of `USERS_QUERY`.

    Raises:
        BadFileError: when there is no such file, or others can write to it.
        DatabaseError: when the database can't be asked.
    """

    def __init__(self, database: Database, query: str | None = None) -> None:
        self._database = database
        self._pool: DatabasePool | None = None
        usersQuery = query or database.query(USERS_QUERY)
        keysQuery = database.query(KEYS_QUERY)
        self._ask(usersQuery, "" if query else " (sshecho passwd makes the tables)", username="")
        if database.path is not None:
            warnOfReaders(database.path)
        highest = COST if query else max(self._highest(), COST)
        name = str(database)
        self.users = DBCredentialsChecker(self._runQuery, usersQuery, highest, name=name)
        self.keys = DBPublicKeyChecker(self._runQuery, keysQuery, name=name)
        self.credentialInterfaces: tuple[type[Interface], ...] = self.users.credentialInterfaces
        try:
            self._ask(keysQuery, username="")
        except DatabaseError as error:
            Logger().warn("{error}; nobody gets in by a key in it", error=error)
        else:
            self.credentialInterfaces += self.keys.credentialInterfaces

    def _ask(self, query: str, hint: str = "", **values: object) -> list[Row]:
        """Ask in this thread, to see whether it can be done."""
        connection = self._database.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(query, *([parameters(query, **values)] if values else []))
            rows = cursor.fetchall()
            columns = len(cursor.description or ())
        except Exception as error:
            why = oneLine(error)
            made = hint if "users" in why else ""
            raise DatabaseError(f"{self._database}: {why}{made}") from None
        finally:
            connection.close()
        if values and columns < 2:
            raise DatabaseError(f"{self._database}: the query does not find a name and a value")
        return rows

    def _highest(self) -> int:
        try:
            [[found]] = self._ask(_HIGHEST_QUERY)
        except DatabaseError:  # a column of bytes, for instance: it is learned from what is seen
            return 0
        return int(found) if isinstance(found, str) and found.isdigit() else 0

    def _runQuery(self, query: str, parameters: Parameters) -> Deferred[list[Row]]:
        if self._pool is None:
            self._pool = DatabasePool(self._database)
        return self._pool.runQuery(query, parameters)

    def requestAvatarId(
        self, credentials: IUsernamePassword | IUsernameHashedPassword | SSHPrivateKey
    ) -> Deferred[bytes | tuple[()]]:
        """Return what the checker of these credentials does."""
        if isinstance(credentials, SSHPrivateKey):
            return self.keys.requestAvatarId(credentials)
        return self.users.requestAvatarId(credentials)


@implementer(ICheckerFactory, IPlugin)
class DatabaseCheckerFactory:
    """Makes a DatabaseChecker."""

    authType = "db"
    authHelp = (
        "A database, through any DB-API module: db:sqlite3:users.db, or\n"
        "db:psycopg:postgresql://user@host/name (the password of the server comes from its own\n"
        "file, PGPASSFILE). Its table users has the columns username and password, a bcrypt\n"
        "hash; its table public_keys, which may be missing, username and public_key, a line of\n"
        "authorized_keys. Another query for users follows ';query='. sshecho passwd makes the\n"
        "tables and writes users."
    )
    argStringFormat = "MODULE:CONNECT[;query=SQL]"
    credentialInterfaces = (
        *DBCredentialsChecker.credentialInterfaces,
        *DBPublicKeyChecker.credentialInterfaces,
    )

    def generateChecker(self, argstring: str) -> DatabaseChecker:
        """Return a checker.

        Raises:
            InvalidAuthArgumentString: when it is not clear which database.
            BadFileError: when there is no such file, or others can write to it.
            DatabaseError: when the database can't be asked.
        """
        try:
            database, query = parseDatabase(argstring)
        except ValueError as error:
            raise InvalidAuthArgumentString(str(error)) from None
        return DatabaseChecker(database, query)
