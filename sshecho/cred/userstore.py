"""Stores of users that can be changed: a password file, and a database."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import NamedTuple, Protocol

from sshecho.cred.database import Cursor, Database, DatabaseError, parameters
from sshecho.cred.files import BadFileError, checkFolder, readStrictly
from sshecho.cred.passwordfile import parseUsers
from sshecho.cred.userlines import checkUser, replaceLine
from sshecho.people import oneLine

TABLES = (
    "CREATE TABLE IF NOT EXISTS users"
    " (username VARCHAR(255) PRIMARY KEY, password VARCHAR(255) NOT NULL)",
    "CREATE TABLE IF NOT EXISTS public_keys"
    " (username VARCHAR(255) NOT NULL, public_key TEXT NOT NULL)",
)
DELETE_USER = "DELETE FROM users WHERE username = {username}"
DELETE_KEYS = "DELETE FROM public_keys WHERE username = {username}"


class UserStore(Protocol):
    """Users and their passwords, kept somewhere.

    What can't be done is a ValueError, a BadFileError or a DatabaseError, whose text says why.
    """

    def users(self) -> list[bytes]:
        """Return the users' names, sorted."""

    def check(self, user: bytes) -> None:
        """See to it that there can be a user of this name."""

    def put(self, user: bytes, secret: bytes) -> bool:
        """Give a user a bcrypt hash; return whether the user is new."""

    def delete(self, user: bytes) -> bool:
        """Remove a user; return whether there was one."""


class _Content(NamedTuple):
    text: bytes
    secrets: Mapping[bytes, bytes]
    owner: os.stat_result | None


class FileUsers:
    """The users of a password file (see `sshecho.cred.passwordfile`).

    The file is replaced in one step by a new one of mode 0600: whenever this is broken off, the
    old file or the new one is there, whole. Two who change it at once wait for each other.

    Args:
        path: the file; it is made when there is none.
    """

    def __init__(self, path: str) -> None:
        # Behind a link the file is replaced, and not the link.
        self._path = os.path.realpath(os.fsencode(path))
        self._name = path

    def users(self) -> list[bytes]:
        """Return the users' names, sorted."""
        return sorted(self._read().secrets)

    def check(self, user: bytes) -> None:
        """See to it that a line can begin with this name, and that the file can be changed."""
        checkUser(user)
        self._readOrBegin()

    def put(self, user: bytes, secret: bytes) -> bool:
        """Give a user a bcrypt hash; return whether the user is new."""
        checkUser(user)
        return not self._change(user, secret)

    def delete(self, user: bytes) -> bool:
        """Remove a user; return whether there was one."""
        return self._change(user, None)

    def _change(self, user: bytes, secret: bytes | None) -> bool:
        """Change a user's line; return whether there was one."""
        with self._locked() as folder:
            now = self._read() if secret is None else self._readOrBegin()
            known = user in now.secrets
            if known or secret is not None:
                self._replace(replaceLine(now.text, user, secret), now.owner, folder)
        return known

    def _read(self) -> _Content:
        text, status = readStrictly(self._path)
        try:
            return _Content(text, parseUsers(text).secrets, status)
        except ValueError as error:
            raise BadFileError(f"{self._name}: {error}") from None

    def _readOrBegin(self) -> _Content:
        if os.path.lexists(self._path):
            return self._read()
        # What could not be read again is not made.
        checkFolder(os.fsdecode(os.path.dirname(self._path)), strictly=True)
        return _Content(b"", {}, None)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the folder's lock; the file's own would go when the file is replaced."""
        try:
            folder = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise BadFileError(f"{self._name}: {error.strerror}") from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield folder
        except OSError as error:
            raise BadFileError(f"{self._name}: {error.strerror}") from None
        finally:
            os.close(folder)

    def _replace(self, text: bytes, owner: os.stat_result | None, folder: int) -> None:
        new = os.path.join(
            os.path.dirname(self._path), b"." + os.path.basename(self._path) + b".new"
        )
        if os.path.lexists(new):  # of one that was broken off
            os.unlink(new)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                if owner is not None and os.geteuid() == 0:
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._path)
        except OSError:
            os.unlink(new)
            raise
        os.fsync(folder)


class MissingTableError(DatabaseError):
    """There is no such table."""


def isMissingTable(error: Exception) -> bool:
    """Whether an exception of a database's says that there is no such table."""
    # PEP 249 has no name for it: an SQLSTATE, or the words of SQLite and of MySQL.
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return bool(state == "42P01")
    return "no such table" in str(error) or "doesn't exist" in str(error)


class DatabaseUsers:
    """The users of a database; its tables are made when there are none.

    Args:
        database: which.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def users(self) -> list[bytes]:
        """Return the users' names, sorted."""
        with self._cursor() as cursor:
            cursor.execute("SELECT username FROM users ORDER BY username")
            return [str(row[0]).encode() for row in cursor.fetchall() if row[0] is not None]

    def check(self, user: bytes) -> None:
        """See to it that a column of text can hold this name, and that there can be one."""
        self._name(user)
        self._database.check()

    def put(self, user: bytes, secret: bytes) -> bool:
        """Give a user a bcrypt hash; return whether the user is new."""
        name = self._name(user)
        self._database.make()
        try:
            return self._put(name, secret.decode())
        except MissingTableError as error:
            self._makeTables(error)
            return self._put(name, secret.decode())

    def _makeTables(self, why: MissingTableError) -> None:
        try:
            with self._cursor() as cursor:
                for table in TABLES:
                    cursor.execute(table)
        except DatabaseError as error:
            raise DatabaseError(f"{why}, and can't be made: {error}") from None

    def _put(self, name: str, secret: str) -> bool:
        values = {"password": secret, "username": name}
        with self._cursor() as cursor:
            update = "UPDATE users SET password = {password} WHERE username = {username}"
            if self._execute(cursor, update, values):
                return False
            insert = "INSERT INTO users (password, username) VALUES ({password}, {username})"
            self._execute(cursor, insert, values)
        return True

    def delete(self, user: bytes) -> bool:
        """Remove a user and their keys; return whether there was one."""
        values = {"username": self._name(user)}
        try:
            return self._delete(values, DELETE_KEYS, DELETE_USER)
        except MissingTableError:  # there may be no table of keys
            return self._delete(values, DELETE_USER)

    def _delete(self, values: dict[str, str], *statements: str) -> bool:
        with self._cursor() as cursor:
            found = [self._execute(cursor, statement, values) for statement in statements]
        return any(found)

    def _execute(self, cursor: Cursor, sql: str, values: dict[str, str]) -> bool:
        query = self._database.query(sql)
        cursor.execute(query, parameters(query, **values))
        return bool(cursor.rowcount)

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        with closing(self._database.connect()) as connection:
            try:
                cursor = connection.cursor()
                yield cursor
                connection.commit()
            except Exception as error:
                why = f"{self._database}: {oneLine(error)}"
                kind = MissingTableError if isMissingTable(error) else DatabaseError
                raise kind(why) from None

    @staticmethod
    def _name(user: bytes) -> str:
        try:
            name = user.decode()
        except UnicodeDecodeError:
            raise ValueError("a user name in a database is UTF-8") from None
        if not name or "\0" in name:
            raise ValueError("the user name is empty, or holds a NUL")
        return name
