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
        meanwhile: what that means until then.
        again: what it does then.
    """

    _log = Logger()

    def __init__(
        self,
        store: str,
        meanwhile: str = "it lets nobody in",
        again: str = "lets people in again",
    ) -> None:
        self._store = store
        self._meanwhile = meanwhile
        self._again = again
        self._why = ""

    def began(self, why: str) -> None:
        """Say that the store can't be asked, unless that was said already.

        Args:
            why: one line that says which store, and what is wrong with it.
        """
        if why != self._why:
            self._why = why
            text = "{why}; until it is mended {meanwhile}"
            self._log.error(text, why=escape(why), meanwhile=self._meanwhile)

    @property
    def lasts(self) -> bool:
        """Whether the store can't be asked, as far as that was said."""
        return bool(self._why)

    def ended(self) -> None:
        """Say that the store answers, if it was said that it doesn't."""
        if self.lasts:
            self._why = ""
            text = "{store}: it is mended, and {again}"
            self._log.warn(text, store=escape(self._store), again=self._again)


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
