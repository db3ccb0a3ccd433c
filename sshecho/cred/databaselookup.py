"""Looks a user up in a database, whatever asks it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import CancelledError

from sshecho.cred.database import Parameters, Row, isAboutParameters, parameters
from sshecho.cred.outage import Once, Outage, UncheckedLogin
from sshecho.people import oneLine, userName

RunQuery = Callable[[str, Parameters], Awaitable[list[Row]]]
"""Asks a database, as adbapi.ConnectionPool.runQuery does."""


class Lookup:
    """Finds a user's rows; when the database can't be asked there are none, which is said once."""

    def __init__(self, what: str, runQuery: RunQuery, query: str) -> None:
        self._runQuery = runQuery
        self._query = query
        self._outage = Outage(what)
        self.what = what
        self.once = Once()

    async def rows(self, user: bytes) -> list[tuple[bytes, bytes]]:
        """Return name and value of each of a user's rows.

        Raises:
            UnauthorizedLogin: when the database can't be asked.
        """
        try:
            name = user.decode()
        except UnicodeDecodeError:
            return []
        if "\0" in name:  # which some databases take for an error
            return []
        try:
            answer = await self._runQuery(self._query, parameters(self._query, username=name))
            rows = [(row[0], row[1]) for row in answer]
        except CancelledError:  # whoever wanted in has left
            raise
        except Exception as error:
            if isAboutParameters(error):  # a name that the database has no characters for
                return []
            self._outage.began(f"{self.what}: {oneLine(error)}")
            raise UncheckedLogin("the database can't be asked") from None
        self._outage.ended()
        try:
            return [(_bytes(name), _bytes(value)) for name, value in rows]
        except TypeError as error:
            self.once.warn(f"{self.what}: {userName(user)} has {error}, and is not let in")
            return []


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError("a NULL" if value is None else f"{type(value).__name__} where text belongs")
