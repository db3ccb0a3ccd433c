"""Outages: a store that can't be asked is said to be so once, and not at each login."""

from __future__ import annotations

from twisted.cred.error import UnauthorizedLogin
from twisted.logger import Logger

from sshecho.people import escape

_MOST = 1024
"""How many texts are kept; when there are more, all may be said again."""


class UncheckedLogin(UnauthorizedLogin):
    """A login that is denied because it could not be checked: it says nothing of who asked."""


class Outage:
    """Whether a store can be asked, said when it changes.

    Args:
        store: what to call it once it is mended.
    """

    _log = Logger()

    def __init__(self, store: str) -> None:
        self._store = store
        self._why = ""

    def began(self, why: str) -> None:
        """Say that the store can't be asked, unless that was said already.

        Args:
            why: one line that says which store, and what is wrong with it.
        """
        if why != self._why:
            self._why = why
            self._log.error("{why}; until it is mended it lets nobody in", why=escape(why))

    def ended(self) -> None:
        """Say that the store answers, if it was said that it doesn't."""
        if self._why:
            self._why = ""
            self._log.warn(
                "{store}: it is mended, and lets people in again", store=escape(self._store)
            )


class Once:
    """Warnings, each of which is said once."""

    _log = Logger()

    def __init__(self) -> None:
        self._said: set[str] = set()

    def warn(self, text: str) -> None:
        """Say something, unless it was said already."""
        if text in self._said:
            return
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said.add(text)
        self._log.warn("{text}", text=escape(text))
