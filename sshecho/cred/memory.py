"""``memory:user:pass:foo:bar``: passwords on the command line, for trying things."""

from __future__ import annotations

import os
from collections.abc import Mapping

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred, fail, succeed
from twisted.plugin import IPlugin
from zope.interface import implementer

from sshecho.cred.passwords import plainMatches


@implementer(ICredentialsChecker)
class MemoryChecker:
    """Checks passwords against a mapping.

    Args:
        users: each user's password.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, users: Mapping[bytes, bytes]) -> None:
        self._users = users

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """Return the user's name, or fail with UnauthorizedLogin."""
        password = self._users.get(credentials.username)
        if plainMatches(credentials.password, password or b"") and password is not None:
            return succeed(credentials.username)
        return fail(UnauthorizedLogin("no such user" if password is None else "wrong password"))


@implementer(ICheckerFactory, IPlugin)
class MemoryCheckerFactory:
    """Makes a MemoryChecker of ``user:password`` pairs."""

    authType = "memory"
    authHelp = (
        "Users and passwords given on the command line, where every user of this machine\n"
        "can see them: for trying things."
    )
    argStringFormat = "user:password[:user:password]..."
    credentialInterfaces = MemoryChecker.credentialInterfaces

    def generateChecker(self, argstring: str) -> MemoryChecker:
        """Return a checker.

        Raises:
            InvalidAuthArgumentString: when the pairs are no pairs.
        """
        words = [os.fsencode(word) for word in argstring.split(":")]
        users = dict(zip(words[::2], words[1::2], strict=False))
        if len(words) % 2 or not all(words):
            raise InvalidAuthArgumentString(f"give pairs: {self.argStringFormat}")
        if 2 * len(users) != len(words):
            raise InvalidAuthArgumentString("a user is named twice")
        return MemoryChecker(users)
