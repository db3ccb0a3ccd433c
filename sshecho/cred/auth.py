"""``--auth TYPE[:ARG]``: from a word on the command line to a checker."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.strcred import ICheckerFactory, InvalidAuthType, findCheckerFactories

from sshecho.cred.anonymous import AnonymousCheckerFactory
from sshecho.cred.authorizedkeys import AuthorizedKeysCheckerFactory
from sshecho.cred.memory import MemoryCheckerFactory
from sshecho.cred.passwordfile import PasswordFileCheckerFactory

OURS: tuple[ICheckerFactory, ...] = (
    MemoryCheckerFactory(),
    PasswordFileCheckerFactory(),
    AuthorizedKeysCheckerFactory(),
    AnonymousCheckerFactory(),
)
"""Ours, some of which stand in for Twisted's of the same name, whose flaws they mend."""

_FLAWED = {"sshkey"}
"""Twisted's that are not offered: this one calls any key of any user accepted, then looks."""


def checkerFactories() -> Iterator[ICheckerFactory]:
    """Yield each checker factory there is, one for each name, ours before the plugins."""
    names = set(_FLAWED)
    for factory in (*OURS, *findCheckerFactories()):
        if factory.authType not in names:
            names.add(factory.authType)
            yield factory


def checkerFactory(authType: str) -> ICheckerFactory:
    """Return the checker factory of a name.

    Raises:
        InvalidAuthType: when there is none.
    """
    for factory in checkerFactories():
        if factory.authType == authType:
            return factory
    raise InvalidAuthType(authType)


def makeChecker(spec: str) -> ICredentialsChecker:
    """Return the checker of a ``TYPE[:ARG]``.

    Raises:
        InvalidAuthType: when there is no such type.
        InvalidAuthArgumentString: when the argument is not one of that type.
        BadFileError: when a file that the argument names can't be used.
    """
    authType, _, argument = spec.partition(":")
    checker: ICredentialsChecker = checkerFactory(authType).generateChecker(argument)
    return checker
