"""``unix``: the passwords of the system's accounts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import implementer

from sshecho.cred.files import BadFileError, WatchedFile
from sshecho.cred.outage import UncheckedLogin
from sshecho.cred.shadow import SHADOW, crypt, parseShadow, passwordMatches
from sshecho.cred.threads import InThread, inThread


@implementer(ICredentialsChecker)
class UnixChecker:
    """Checks passwords against the system's accounts; locked and expired ones are denied.

    The file is read again when it has changed. Reading and hashing happen in a thread.

    Args:
        path: the shadow file, which only root and its own group can read.
        inThread: runs a function elsewhere.
        now: returns the time, in seconds since 1970.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(
        self,
        path: str | bytes = SHADOW,
        inThread: InThread = inThread,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file = WatchedFile(path, parseShadow)
        self._inThread = inThread
        self._now = now

    def begin(self) -> None:
        """See to it that passwords can be checked. Blocks.

        Raises:
            BadFileError: when the shadow file can't be used.
            NoCryptError: when the system has no libcrypt.
        """
        try:
            self._file.read()
        except BadFileError as error:
            if os.path.exists(self._file.path) and not os.access(self._file.path, os.R_OK):
                raise BadFileError(f"{error}; it takes root to read it") from None
            raise
        crypt(b"", b"$5$.")

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of the user's name; it fails with UnauthorizedLogin."""
        return self._inThread(self._check, credentials.username, credentials.password)

    def _check(self, username: bytes, password: bytes) -> bytes:
        accounts = self._file.readOrComplain()
        if accounts is None:
            raise UncheckedLogin("the system's accounts can't be read")
        account = accounts.byName.get(username)
        matches = passwordMatches(accounts, account, password)
        if account is None:
            raise UnauthorizedLogin("no such user")
        if not account.hasPassword:
            raise UnauthorizedLogin("the account is locked, or has no password")
        if not matches:
            raise UnauthorizedLogin("wrong password")
        if refusal := account.refusal(self._now()):
            raise UnauthorizedLogin(refusal)
        return username


@implementer(ICheckerFactory, IPlugin)
class UnixCheckerFactory:
    """Makes a UnixChecker."""

    authType = "unix"
    authHelp = (
        "The passwords of this system's accounts, in /etc/shadow: needs root. Locked and expired\n"
        "accounts, and passwords that have to be changed, are denied."
    )
    argStringFormat = "(nothing)"
    credentialInterfaces = UnixChecker.credentialInterfaces

    def generateChecker(self, argstring: str) -> UnixChecker:
        """Return a checker.

        Raises:
            InvalidAuthArgumentString: when there is an argument.
            BadFileError: when the accounts can't be read.
            NoCryptError: when the system has no libcrypt.
        """
        if argstring:
            raise InvalidAuthArgumentString("it takes no argument")
        checker = UnixChecker()
        checker.begin()
        return checker
