"""A database, through any DB-API module (PEP 249): how it is named, reached and asked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, cast
from urllib.parse import quote

from twisted.python.reflect import namedModule

from sshecho.cred.files import checkFolder, checkStrictly
from sshecho.people import oneLine

QUERY_TIMEOUT = 10
"""Seconds after which a query, its connecting included, counts as not answered."""

_MARKS = {
    "qmark": "?",
    "format": "%s",
    "numeric": ":{number}",
    "named": ":{name}",
    "pyformat": "%({name})s",
}
_NAME = re.compile(r"{(\w+)}")
_HAS_NAMES = re.compile(r"%\(\w+\)s|(?<![:\w]):[A-Za-z]\w*")
_PASSWORD = re.compile(r"password\s*=|://[^/@\s]*:[^/@\s]*@", re.IGNORECASE)

Row = Sequence[object]
Parameters = Sequence[object] | Mapping[str, object]


class Cursor(Protocol):
    """A DB-API cursor, as much as is used of it."""

    rowcount: int
    description: Sequence[object] | None

    def execute(self, query: str, parameters: Parameters = ..., /) -> object:
        """Send a query."""

    def fetchall(self) -> list[Row]:
        """Return the rows of its answer."""


class Connection(Protocol):
    """A DB-API connection, as much as is used of it."""

    def cursor(self) -> Cursor:
        """Return a cursor."""

    def commit(self) -> None:
        """Make what was written last."""

    def close(self) -> None:
        """Close the connection."""


class DBAPI(Protocol):
    """A DB-API module."""

    paramstyle: str

    OperationalError: type[Exception]
    InterfaceError: type[Exception]

    def connect(self, *arguments: object, **options: object) -> Connection:
        """Return a connection."""


class DatabaseError(Exception):
    """A database that can't be used: one line that says which and why, and holds no secret."""


@dataclass(frozen=True)
class Database:
    """A database.

    Attributes:
        moduleName: a DB-API module, such as ``sqlite3`` or ``psycopg``.
        where: what the module's connect takes; for sqlite3 the path of the file.
    """

    moduleName: str
    where: str

    def __post_init__(self) -> None:
        """Look at the description.

        Raises:
            ValueError: when it can't be one of a database.
        """
        if not self.moduleName or not self.where:
            raise ValueError("say which database: MODULE:CONNECT")
        if self.where == ":memory:":
            raise ValueError("a database in memory would be empty")
        if _PASSWORD.search(self.where):
            # It would stand in the process list.
            raise ValueError(
                "the server's password can't be given here, where every user of this machine "
                "sees it; PGPASSFILE is for it, or the file that the module looks into"
            )

    def __str__(self) -> str:
        """Return the name of the module, and the file where it is one."""
        return f"{self.moduleName}:{self.where}" if self.path else self.moduleName

    @cached_property
    def module(self) -> DBAPI:
        """The DB-API module.

        Raises:
            DatabaseError: when it can't be imported, or is none.
        """
        try:
            module = namedModule(self.moduleName)
        except ImportError as error:
            hint = "; pip install 'sshecho[postgresql]'" if self.moduleName == "psycopg" else ""
            raise DatabaseError(f"{self.moduleName}: {oneLine(error)}{hint}") from None
        if not hasattr(module, "connect") or getattr(module, "paramstyle", "") not in _MARKS:
            raise DatabaseError(f"{self.moduleName}: not a DB-API module (PEP 249)")
        return cast(DBAPI, module)

    @cached_property
    def path(self) -> bytes | None:
        """The file, absolute; None where it is none."""
        isFile = self.moduleName.partition(".")[0] == "sqlite3"
        return os.fsencode(os.path.abspath(self.where)) if isFile else None

    @cached_property
    def arguments(self) -> tuple[tuple[object, ...], dict[str, object]]:
        """What the module's connect takes."""
        if self.path is not None:
            # In this mode SQLite does not make a file that isn't there.
            uri = f"file:{quote(self.path)}?mode=rw"
            return (uri,), {"uri": True, "check_same_thread": False}
        if self.moduleName == "psycopg" and "connect_timeout" not in self.where:
            return (self.where,), {"connect_timeout": QUERY_TIMEOUT}
        return (self.where,), {}

    def identity(self) -> tuple[int, int] | None:
        """Return which file it is at this moment; None where it is no file.

        Raises:
            BadFileError: when there is no such file, or others can write to it.
        """
        if self.path is None:
            return None
        status = checkStrictly(self.path)
        return status.st_dev, status.st_ino

    def connect(self) -> Connection:
        """Return a new connection, in this thread.

        Raises:
            BadFileError: when there is no such file, or others can write to it.
            DatabaseError: when the database can't be reached.
        """
        self.identity()
        positional, named = self.arguments
        module = self.module
        try:
            return module.connect(*positional, **named)
        except Exception as error:
            raise DatabaseError(f"{self}: {oneLine(error)}") from None

    def check(self) -> None:
        """See to it that it can be written: that it answers, or that a file can be made.

        Raises:
            BadFileError: when others can write to the file or its folder.
            DatabaseError: when it can't be reached.
        """
        if self.path is None or os.path.lexists(self.path):
            self.connect().close()
        else:
            checkFolder(os.fsdecode(os.path.dirname(self.path)), strictly=True)

    def make(self) -> None:
        """Make the file, empty and for nobody else to read, if it is one that isn't there.

        Raises:
            BadFileError: when others can write to its folder.
            DatabaseError: when that can't be done.
        """
        self.check()
        if self.path is None or os.path.lexists(self.path):
            return
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise DatabaseError(f"{self.where}: {error.strerror}") from None

    def query(self, sql: str) -> str:
        """Return a query in which ``{name}`` stands as this module wants its parameters."""
        mark = _MARKS[self.module.paramstyle]
        numbers = iter(range(1, len(sql)))
        return _NAME.sub(lambda name: mark.format(name=name[1], number=next(numbers)), sql)


def parseDatabase(argument: str) -> tuple[Database, str | None]:
    """Parse ``MODULE:CONNECT[;query=SQL]``.

    Returns:
        The database, and the query if there is one.

    Raises:
        ValueError: when it can't be one of a database.
    """
    where, asked, query = argument.partition(";query=")
    module, _, where = where.partition(":")
    if asked and not query.strip():
        raise ValueError("the query is empty")
    return Database(module, where), query or None


def parameters(query: str, **values: object) -> Parameters:
    """Return parameters as a query wants them: by name if it has names, else in this order."""
    return values if _HAS_NAMES.search(query) else tuple(values.values())


def isAboutParameters(error: BaseException) -> bool:
    """Whether an exception is about what was asked for, and not about the database."""
    # Which module raised it is not known here; its names are (PEP 249).
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, UnicodeError) or "DataError" in names
