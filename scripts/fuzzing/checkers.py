"""Checkers that decide at once, or when they are told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import SSHPrivateKey, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import Interface, implementer

from sshecho.cred.authorizedkeys import AuthorizedKey, authorise


@implementer(ICredentialsChecker)
class Checker:
    """Checks credentials of one kind.

    Args:
        kind: which.
        decide: returns whose they are, or raises.

    Attributes:
        slow: whether it waits until it is told to answer.
    """

    def __init__(self, kind: type[Interface], decide: Callable[[Any], bytes]) -> None:
        self.credentialInterfaces = (kind,)
        self.slow = False
        self._decide = decide
        self._waiting: list[tuple[Deferred[Any], object]] = []

    def requestAvatarId(self, credentials: object) -> Deferred[bytes | tuple[()]]:
        """Return what is decided, then or later."""
        if not self.slow:
            return maybeDeferred(self._decide, credentials)
        answer: Deferred[Any] = Deferred()
        self._waiting.append((answer, credentials))
        return answer

    def answer(self, which: int = 0) -> None:
        """Answer one of those that wait, whether or not they still do; the first, if not told."""
        if self._waiting:
            answer, credentials = self._waiting.pop(which % len(self._waiting))
            maybeDeferred(self._decide, credentials).chainDeferred(answer)

    def hurry(self) -> None:
        """Answer all, and those to come at once."""
        self.slow = False
        while self._waiting:
            self.answer()


def checkPassword(credentials: UsernamePassword) -> bytes:
    """Let in the demonstration's user."""
    if (credentials.username, credentials.password) != (b"user", b"pass"):
        raise UnauthorizedLogin
    return b"user"


def checkKey(keys: Sequence[AuthorizedKey], credentials: SSHPrivateKey) -> bytes:
    """Let in the same user with one of these keys."""
    if credentials.username != b"user":
        raise UnauthorizedLogin
    return authorise(b"user", keys, credentials, 0)
