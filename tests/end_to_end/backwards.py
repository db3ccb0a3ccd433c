"""A checker of someone else's."""

from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory
from twisted.plugin import IPlugin
from zope.interface import implementer


class Backwards:
    """Lets in whose password is their name, backwards."""

    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials):
        if credentials.password == credentials.username[::-1]:
            return credentials.username
        raise UnauthorizedLogin("not backwards")


@implementer(ICheckerFactory, IPlugin)
class BackwardsFactory:
    """Makes a Backwards, for --auth."""

    authType = "backwards"
    authHelp = "The password is the user's name, backwards."
    argStringFormat = "(nothing)"
    credentialInterfaces = (IUsernamePassword,)

    def generateChecker(self, argstring):
        return Backwards()


factory = BackwardsFactory()
