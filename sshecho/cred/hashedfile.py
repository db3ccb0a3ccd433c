"""``hashed:ALGORITHM:PATH``: the chapter's file of digests, ``user:digest`` in hexadecimal."""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import partial

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
from sshecho.cred.threads import InThread, inThread
from sshecho.cred.userlines import parseLines

MIN_DIGEST = 16
"""Bytes that a digest must have: only shake's can be of any length."""

_HEXADECIMAL = re.compile(rb"(?:[0-9A-Fa-f]{2})+")


def hexDigest(algorithm: str, data: bytes, size: int) -> bytes:
    """Return a digest in hexadecimal, lower case.

    Args:
        algorithm: a name that hashlib knows.
        data: what to digest.
        size: bytes of the digest, which only a shake's caller can choose.
    """
    digest = hashlib.new(algorithm, data, usedforsecurity=False)
    if digest.digest_size:
        return digest.hexdigest().encode()
    return digest.hexdigest(size).encode()  # type: ignore[call-arg]


def checkDigest(algorithm: str, secret: bytes) -> bytes:
    """Return a digest in lower case, if it can be one of this algorithm's.

    Raises:
        ValueError: says why it is none.
    """
    if not _HEXADECIMAL.fullmatch(secret):
        raise ValueError("the digest is not hexadecimal")
    if len(secret) != len(hexDigest(algorithm, b"", len(secret) // 2)):
        raise ValueError(f"the digest has not the length of {algorithm}'s")
    if len(secret) < 2 * MIN_DIGEST:
        raise ValueError(f"the digest is shorter than {MIN_DIGEST} bytes")
    return secret.lower()


@implementer(ICredentialsChecker)
class HashedFileChecker:
    """Checks passwords against a file of digests, read again whenever it has changed.

    Args:
        algorithm: a name that hashlib knows.
        path: the file.
        inThread: runs a function elsewhere.

    Raises:
        ValueError: when there is no such algorithm here.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, algorithm: str, path: str | bytes, inThread: InThread = inThread) -> None:
        hashlib.new(algorithm, usedforsecurity=False)
        self._algorithm = algorithm
        self._file = WatchedFile(path, partial(parseLines, check=partial(checkDigest, algorithm)))
        self._inThread = inThread

    def users(self) -> dict[bytes, bytes]:
        """Return each user's digest, as the file says now. Blocks.

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
        known = users.get(username) if users else None
        digest = hexDigest(self._algorithm, password, len(known) // 2 if known else MIN_DIGEST)
        # Compared for an unknown user too: against something as long, that no digest is.
        if hmac.compare_digest(digest, known or b"-" * len(digest)):
            return username
        if users is None:
            raise UncheckedLogin("the password file can't be used")
        raise UnauthorizedLogin("no such user" if known is None else "wrong password")


@implementer(ICheckerFactory, IPlugin)
class HashedFileCheckerFactory:
    """Makes a HashedFileChecker, and warns that digests are no password hashes."""

    authType = "hashed"
    authHelp = (
        "A file with a line 'user:digest' for each user: the digest of the password in\n"
        "hexadecimal, by any algorithm that Python's hashlib knows. Such digests are quickly\n"
        "guessed; file: with bcrypt hashes is what to use."
    )
    argStringFormat = "ALGORITHM:PATH"
    credentialInterfaces = HashedFileChecker.credentialInterfaces
    _log = Logger()

    def generateChecker(self, argstring: str) -> HashedFileChecker:
        """Return a checker.

        Raises:
            InvalidAuthArgumentString: when there is no path, or no such algorithm.
            BadFileError: when the file can't be used.
        """
        algorithm, _, path = argstring.partition(":")
        if not algorithm or not path:
            raise InvalidAuthArgumentString(f"say which: hashed:{self.argStringFormat}")
        try:
            checker = HashedFileChecker(algorithm, path)
        except (ValueError, TypeError):
            known = ", ".join(sorted(hashlib.algorithms_guaranteed))
            why = f"there is no algorithm {algorithm} here; there is {known}"
            raise InvalidAuthArgumentString(why) from None
        if not checker.users():
            self._log.warn("{path}: there are no users in it", path=path)
        self._log.warn(
            "{path}: {algorithm} digests are quickly guessed; use bcrypt hashes (file:)",
            path=path,
            algorithm=algorithm,
        )
        warnOfReaders(path)
        return checker
