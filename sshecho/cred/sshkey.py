"""``sshkey``: the public keys of the system's accounts, in ``~/.ssh/authorized_keys``."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Iterator

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey, SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import implementer

from sshecho.cred.authorizedkeys import AuthorizedKey, authorise
from sshecho.cred.files import BadFileError, WatchedFile, checkFolder
from sshecho.cred.keyfiles import KeyFiles
from sshecho.cred.outage import Once
from sshecho.cred.shadow import SHADOW, parseShadow
from sshecho.cred.threads import InThread, inThread

_FILES = ("authorized_keys", "authorized_keys2")


@implementer(ICredentialsChecker)
class SystemKeysChecker:
    """Checks public keys against each system account's own files.

    A key is looked up before anything is said of it. Each file, its folder and the home folder
    must belong to the user or root, and nobody else may write to them. An account that has
    expired is denied, if we are allowed to know that it has. All of it happens in a thread.

    Args:
        inThread: runs a function elsewhere.
        now: returns the time, in seconds since 1970.
        account: returns a system account by name (pwd.getpwnam), or raises KeyError.
        shadow: the file that says which accounts have expired.
    """

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(
        self,
        inThread: InThread = inThread,
        now: Callable[[], float] = time.time,
        account: Callable[[str], pwd.struct_passwd] = pwd.getpwnam,
        shadow: str = SHADOW,
    ) -> None:
        self._inThread = inThread
        self._now = now
        self._account = account
        self._shadow = WatchedFile(shadow, parseShadow)
        self._files = KeyFiles()
        self._once = Once()

    def requestAvatarId(self, credentials: SSHPrivateKey) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of the user's name, with the terms that the key's options set.

        It fails with ValidPublicKey when the key is listed but nothing is signed with it yet,
        and with UnauthorizedLogin when the user may not log in with it.
        """
        return self._inThread(self._check, credentials)

    def _check(self, credentials: SSHPrivateKey) -> bytes:
        user: bytes = credentials.username
        try:
            account = self._account(user.decode())
        except (KeyError, ValueError):  # ValueError: a NUL, or no UTF-8
            raise UnauthorizedLogin("no such user") from None
        if self._hasExpired(user):
            raise UnauthorizedLogin("the account has expired")
        return authorise(user, list(self._keys(account)), credentials, self._now())

    def _hasExpired(self, user: bytes) -> bool:
        if not os.access(self._shadow.path, os.R_OK):
            return False
        accounts = self._shadow.readOrComplain()
        if accounts is None:
            return True
        known = accounts.byName.get(user)
        return known is not None and known.hasExpired(self._now())

    def _keys(self, account: pwd.struct_passwd) -> Iterator[AuthorizedKey]:
        folder = os.path.join(account.pw_dir, ".ssh")
        for name in _FILES:
            path = os.path.join(folder, name)
            if not os.path.lexists(path):
                continue
            try:
                checkFolder(account.pw_dir, strictly=True, owner=account.pw_uid)
            except BadFileError as error:
                self._once.warn(f"{path} is not used: {error}")
                return
            yield from self._files.keys(path, owner=account.pw_uid) or ()


@implementer(ICheckerFactory, IPlugin)
class SystemKeysCheckerFactory:
    """Makes a SystemKeysChecker."""

    authType = "sshkey"
    authHelp = (
        "The public keys of this system's accounts, in ~/.ssh/authorized_keys; only root can read\n"
        "those of others. The files, their folder and the home folder must belong to the user or\n"
        "root, and nobody else may write to them."
    )
    argStringFormat = "(nothing)"
    credentialInterfaces = SystemKeysChecker.credentialInterfaces

    def generateChecker(self, argstring: str) -> SystemKeysChecker:
        """Return a checker.

        Raises:
            InvalidAuthArgumentString: when there is an argument.
        """
        if argstring:
            raise InvalidAuthArgumentString("it takes no argument")
        return SystemKeysChecker()
