"""``ca:PATH``: certificates of users, signed by an authority whose key is in a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey, SSHPrivateKey
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred
from twisted.plugin import IPlugin
from zope.interface import implementer

from sshecho.cred.authorizedkeys import AuthorizedKey, authorise, keyLines, parseKey
from sshecho.cred.files import WatchedFile
from sshecho.cred.keyoptions import KeyOptions
from sshecho.cred.outage import UncheckedLogin
from sshecho.cred.threads import InThread, inThread

_OPTIONS = KeyOptions(isAuthority=True, touchRequired=False)
"""Those of each key in the file: the certificate alone says what holds for it."""


def parseAuthorities(text: bytes) -> Sequence[AuthorizedKey]:
    """Parse lines of authorities' keys (sshd_config(5), TrustedUserCAKeys).

    Args:
        text: a public key a line; blank lines and lines that begin with ``#`` are skipped.

    Raises:
        ValueError: says which line can't be used, and why; or that there is no key.
    """
    keys = []
    for number, line in keyLines(text):
        try:
            keys.append(AuthorizedKey(parseKey(line.split()), _OPTIONS))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if not keys:
        raise ValueError("there is no key in it")
    return keys


@implementer(ICredentialsChecker)
class CertificateChecker:
    """Checks users' certificates: who signed them, for whom, when and from where.

    Nothing is said of a certificate before all of that is found right. Reading and verifying
    happen in a thread.

    Args:
        path: the file of the authorities' keys, read again when it changes.
        inThread: runs a function elsewhere.
        now: returns the time, in seconds since 1970.
    """

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(
        self, path: str, inThread: InThread = inThread, now: Callable[[], float] = time.time
    ) -> None:
        self.file = WatchedFile(path, parseAuthorities)
        self._inThread = inThread
        self._now = now

    def checkFile(self) -> None:
        """See to it that the file can be used.

        Raises:
            BadFileError: when it can't.
        """
        self.file.read()

    def requestAvatarId(self, credentials: SSHPrivateKey) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of the user's name, with the terms that the certificate sets.

        It fails with ValidPublicKey when the certificate lets the user in but nothing is signed
        with its key yet, and with UnauthorizedLogin when it does not.
        """
        return self._inThread(self._check, credentials)

    def _check(self, credentials: SSHPrivateKey) -> bytes:
        authorities = self.file.readOrComplain()
        if authorities is None:
            raise UncheckedLogin("the file of authorities can't be used")
        return authorise(credentials.username, authorities, credentials, self._now())


@implementer(ICheckerFactory, IPlugin)
class CertificateCheckerFactory:
    """Makes a CertificateChecker."""

    authType = "ca"
    authHelp = (
        "OpenSSH's user certificates, signed with a key in a file: a public key a line, as in\n"
        "sshd's TrustedUserCAKeys. The user's name must be one of the certificate's principals;\n"
        "its dates and options are followed, and one with a critical option other than\n"
        "force-command, source-address and verify-required lets nobody in. The file and its\n"
        "folder must belong to you or root, and nobody else may write to them."
    )
    argStringFormat = "PATH"
    credentialInterfaces = CertificateChecker.credentialInterfaces

    def generateChecker(self, argstring: str) -> CertificateChecker:
        """Return a checker.

        Raises:
            InvalidAuthArgumentString: when there is no path.
            BadFileError: when there is no such file, or it can't be used.
        """
        if not argstring:
            raise InvalidAuthArgumentString(f"say which file: ca:{self.argStringFormat}")
        checker = CertificateChecker(argstring)
        checker.file.read()
        return checker
