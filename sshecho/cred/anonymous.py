"""``anonymous``: lets in whoever calls themselves so, and asks for nothing."""

from __future__ import annotations

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import IAnonymous
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.plugin import IPlugin
from zope.interface import implementer


@implementer(ICheckerFactory, IPlugin)
class AnonymousCheckerFactory:
    """Makes Twisted's own AllowAnonymousAccess; the doors ask it only for that user name."""

    authType = "anonymous"
    authHelp = (
        "The user name 'anonymous' gets in with no password and no key, and no other name does:\n"
        "SSH's 'none' method, and the line 'anonymous' at the line door."
    )
    argStringFormat = "(nothing)"
    credentialInterfaces = (IAnonymous,)

    def generateChecker(self, argstring: str) -> AllowAnonymousAccess:
        """Return a checker.

        Raises:
            InvalidAuthArgumentString: when there is an argument.
        """
        if argstring:
            raise InvalidAuthArgumentString("it takes no argument")
        return AllowAnonymousAccess()
