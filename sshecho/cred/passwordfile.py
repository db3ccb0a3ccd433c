"""``file:PATH``: a file of ``user:secret`` lines, the secrets bcrypt hashes or plain text."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from sshecho.cred.files import WatchedFile
from sshecho.cred.passwords import BadSecretError, checkSecret, cost, isHash, matches


@dataclass(frozen=True)
class Users:
    """What a password file says.

    Attributes:
        secrets: each user's secret.
        highest: the highest cost of any of them (see `sshecho.cred.passwords.cost`).
    """

    secrets: dict[bytes, bytes]
    highest: int


def parseUsers(text: bytes) -> Users:
    """Parse a password file.

    LF and CR LF end a line, and nothing else is stripped: a password keeps its spaces and its
    colons. Blank lines and lines that begin with ``#`` are skipped.

    Raises:
        ValueError: says which line can't be used, and why.
    """
    secrets: dict[bytes, bytes] = {}
    for number, line in enumerate(text.split(b"\n"), 1):
        line = line.removesuffix(b"\r")
        if not line or line.startswith(b"#"):
            continue
        user, colon, secret = line.partition(b":")
        if not colon:
            raise ValueError(f"line {number}: no colon; a line is user:secret")
        if not user:
            raise ValueError(f"line {number}: the user name is empty")
        if user in secrets:
            raise ValueError(f"line {number}: this user has a line already")
        try:
            secrets[user] = checkSecret(secret)
        except BadSecretError as error:
            raise ValueError(f"line {number}: {error}") from None
    return Users(secrets, max(map(cost, secrets.values()), default=0))


@implementer(ICredentialsChecker)
class PasswordFileChecker:
    """Checks passwords against a file, which is read again whenever it has changed.

    A file that can't be used denies everyone and says so once; it works again when it is whole
    again. Reading and hashing happen in a thread.

    Args:
        path: the file.
        inThread: runs a function elsewhere and returns a Deferred of its result.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(
        self,
        path: str | bytes,
        inThread: Callable[..., Deferred[bytes | tuple[()]]] = deferToThread,
    ) -> None:
        self._file = WatchedFile(path, parseUsers)
        self._inThread = inThread
        self._highest = 0

    def users(self) -> Users:
        """Return what the file says now. Blocks.

        Raises:
            BadFileError: when the file can't be used.
        """
        return self._file.read()

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of the user's name; it fails with UnauthorizedLogin."""
        return self._inThread(self._check, credentials.username, credentials.password)

    def _check(self, username: bytes, password: bytes) -> bytes:
        users = self._file.readOrComplain()
        if users is not None:
            self._highest = users.highest
        secret = users.secrets.get(username) if users is not None else None
        if matches(password, secret, self._highest):
            return username
        raise UnauthorizedLogin


@implementer(ICheckerFactory, IPlugin)
class PasswordFileCheckerFactory:
    """Makes a PasswordFileChecker, and warns of what is unwise in its file."""

    authType = "file"
    authHelp = (
        "A file with a line 'user:secret' for each user. A secret is a bcrypt hash ($2b$...) or\n"
        "plain text. Blank lines and lines that begin with # are skipped. The file and its\n"
        "folder must belong to you or root, and nobody else may write to them."
    )
    argStringFormat = "PATH"
    credentialInterfaces = PasswordFileChecker.credentialInterfaces
    _log = Logger()

    def generateChecker(self, argstring: str) -> PasswordFileChecker:
        """Return a checker.

        Raises:
            InvalidAuthArgumentString: when there is no path.
            BadFileError: when the file can't be used.
        """
        if not argstring:
            raise InvalidAuthArgumentString("say which file: file:PATH")
        checker = PasswordFileChecker(argstring)
        users = checker.users()
        plain = sum(not isHash(secret) for secret in users.secrets.values())
        if not users.secrets:
            self._log.warn("{path}: there are no users in it", path=argstring)
        if plain:
            self._log.warn(
                "{path}: {plain} of {all} passwords are plain text; bcrypt hashes are safer",
                path=argstring,
                plain=plain,
                all=len(users.secrets),
            )
        if os.stat(argstring).st_mode & 0o044:
            self._log.warn("{path}: others can read it; chmod 600 it", path=argstring)
        return checker
