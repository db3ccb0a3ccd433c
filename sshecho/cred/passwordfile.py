"""``file:PATH``: a file of ``user:secret`` lines, the secrets bcrypt hashes or plain text."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from sshecho.cred.files import WatchedFile, warnOfReaders
from sshecho.cred.outage import UncheckedLogin
from sshecho.cred.passwords import checkSecret, cost, isHash, matches
from sshecho.cred.threads import InThread, inThread
from sshecho.cred.userlines import parseLines

_log = Logger()


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

    Raises:
        ValueError: says which line can't be used, and why.
    """
    secrets = parseLines(text, checkSecret)
    return Users(secrets, max(map(cost, secrets.values()), default=0))


@implementer(ICredentialsChecker)
class PasswordFileChecker:
    """Checks passwords against a file, which is read again whenever it has changed.

    A file that can't be used denies everyone and says so once; it works again when it is whole
    again. Reading and hashing happen in a thread.

    Args:
        path: the file.
        inThread: runs a function elsewhere.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, path: str | bytes, inThread: InThread = inThread) -> None:
        self._file = WatchedFile(path, parseUsers)
        self._inThread = inThread
        self._highest = 0

    def users(self) -> Users:
        """Return what the file says now. Blocks.

        Raises:
            BadFileError: when the file can't be used.
        """
        return self._file.read()

    def checkFile(self) -> None:
        """See to it that the file can be used.

        Raises:
            BadFileError: when it can't.
        """
        self._file.read()

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
        if users is None:
            raise UncheckedLogin("the password file can't be used")
        raise UnauthorizedLogin("no such user" if secret is None else "wrong password")


@implementer(ICheckerFactory, IPlugin)
class PasswordFileCheckerFactory:
    """Makes a PasswordFileChecker, and warns of what is unwise in its file."""

    authType = "file"
    authHelp = (
        "A file with a line 'user:secret' for each user. A secret is a bcrypt hash ($2b$...) or\n"
        "plain text. Blank lines and lines that begin with # are skipped. The file and its\n"
        "folder must belong to you or root, and nobody else may write to them. sshecho passwd\n"
        "writes such a file."
    )
    argStringFormat = "PATH"
    credentialInterfaces = PasswordFileChecker.credentialInterfaces

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
            _log.warn("{path}: there are no users in it", path=argstring)
        if plain:
            _log.warn(
                "{path}: {plain} of {all} passwords are plain text; bcrypt hashes are safer",
                path=argstring,
                plain=plain,
                all=len(users.secrets),
            )
        warnOfReaders(argstring)
        return checker
