"""A checker factory as a plugin: it imports its checker only when someone asks for it."""

from __future__ import annotations

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.strcred import ICheckerFactory
from twisted.plugin import IPlugin
from twisted.python.reflect import namedAny
from zope.interface import Interface, implementer


@implementer(ICheckerFactory, IPlugin)
class CheckerPlugin:
    """Stands for a checker factory.

    Args:
        authType: its name.
        factory: the dotted name of its class.
    """

    def __init__(self, authType: str, factory: str) -> None:
        self.authType = authType
        self._name = factory

    @property
    def _factory(self) -> ICheckerFactory:
        factory: ICheckerFactory = namedAny(self._name)()
        return factory

    @property
    def authHelp(self) -> str:
        """What the checker does, in some lines."""
        return str(self._factory.authHelp)

    @property
    def argStringFormat(self) -> str:
        """What its argument looks like."""
        return str(self._factory.argStringFormat)

    @property
    def credentialInterfaces(self) -> tuple[type[Interface], ...]:
        """The credentials that it checks."""
        return tuple(self._factory.credentialInterfaces)

    def generateChecker(self, argstring: str) -> ICredentialsChecker:
        """Return a checker."""
        checker: ICredentialsChecker = self._factory.generateChecker(argstring)
        return checker
