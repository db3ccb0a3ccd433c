"""A checker factory as a plugin: it imports its checker only when someone asks for it."""

from __future__ import annotations

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ICredentials
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.plugin import IPlugin
from twisted.python.reflect import namedAny
from zope.interface import Interface, implementer

from sshecho.cred.identity import Identity, Terms


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
        """Return a checker for an application that knows nothing of terms."""
        return WithoutTerms(self._factory.generateChecker(argstring))


@implementer(ICredentialsChecker)
class WithoutTerms:
    """Denies whoever may be let in on terms only, which an application would not keep.

    Args:
        checker: the checker that is asked.
    """

    def __init__(self, checker: ICredentialsChecker) -> None:
        self.checker = checker
        self.credentialInterfaces = checker.credentialInterfaces

    def requestAvatarId(self, credentials: ICredentials) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of what the checker answers."""
        return Deferred.fromCoroutine(self._ask(credentials))

    async def _ask(self, credentials: ICredentials) -> bytes | tuple[()]:
        avatarId: bytes | tuple[()] = await maybeDeferred(self.checker.requestAvatarId, credentials)
        if isinstance(avatarId, Identity) and avatarId.terms != Terms():
            raise UnauthorizedLogin("the key has options, and this application keeps none")
        return avatarId
