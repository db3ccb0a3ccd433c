"""Factors: which methods a client still has to go through, where one is not enough."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.cred.error import UnauthorizedLogin


class MoreNeeded(UnauthorizedLogin):
    """What was shown is right, and not all that is asked for (RFC 4252, section 5.1)."""


class Factors:
    """What one user still has to show.

    Args:
        ways: the ways in: each has methods that are to be gone through in order, as in
            AuthenticationMethods of sshd_config(5).
    """

    def __init__(self, ways: Sequence[Sequence[bytes]]) -> None:
        self._ways = ways

    @property
    def next(self) -> list[bytes]:
        """The methods that may come now, each once."""
        return list(dict.fromkeys(way[0] for way in self._ways))

    def passed(self, method: bytes) -> bool:
        """Go on along the ways that have a method next; return whether one is at its end."""
        self._ways = [way[1:] for way in self._ways if way[0] == method]
        return any(not way for way in self._ways)
