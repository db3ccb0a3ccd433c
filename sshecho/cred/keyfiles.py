"""``keys:PATH``: public keys in files of OpenSSH's authorized_keys format."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from functools import partial

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey, SSHPrivateKey
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred, execute
from twisted.plugin import IPlugin
from zope.interface import implementer

from sshecho.cred.authorizedkeys import AuthorizedKey, authorise, parseAuthorizedKeys
from sshecho.cred.files import WatchedFile, checkFolder
from sshecho.cred.outage import Once, UncheckedLogin
from sshecho.cred.threads import InThread, inThread

_WATCHED = 1024
"""How many files are kept parsed at once."""


class KeyFiles:
    """Files of keys, each read again whenever it has changed. Blocks; for several threads."""

    def __init__(self) -> None:
        self._files: dict[tuple[bytes, int | None], WatchedFile[Sequence[AuthorizedKey]]] = {}
        self._once = Once()

    def keys(
        self, path: str | bytes, *, owner: int | None = None, mayBeMissing: bool = True
    ) -> Sequence[AuthorizedKey] | None:
        """Return the keys in a file; None when it can't be used, which is said once.

        Args:
            path: the file.
            owner: the user ID that it may belong to besides root's and ours.
            mayBeMissing: whether a file that isn't there is one without keys.
        """
        if mayBeMissing and not os.path.lexists(path):
            return ()
        return self._file(os.fsencode(path), owner).readOrComplain()

    def kept(self, path: bytes) -> Sequence[AuthorizedKey] | None:
        """Return the keys in a file that has not changed since it was read, else None."""
        return self._file(path, None).kept()

    def check(self, path: str | bytes) -> None:
        """See to it that a file can be used.

        Raises:
            BadFileError: when it can't.
        """
        self._file(os.fsencode(os.path.abspath(path)), None).read()

    def _file(self, path: bytes, owner: int | None) -> WatchedFile[Sequence[AuthorizedKey]]:
        file = self._files.get((path, owner))
        if file is None:
            if len(self._files) >= _WATCHED:
                self._files.clear()
            parse = partial(parseAuthorizedKeys, os.fsdecode(path), warn=self._once.warn)
            file = self._files[path, owner] = WatchedFile(path, parse, owner)
        return file


@implementer(ICredentialsChecker)
class KeyFilesChecker:
    """Checks public keys against authorized_keys files.

    A key is looked up before anything is said of it, so nobody learns more than that they were
    denied. Files are looked at in a thread: where a client's choice of name leads may be slow to
    answer. But one user's one file, when it has not changed, costs less than a thread's turn,
    and is seen to at once.

    Args:
        path: the file; ``%u`` in it stands for the user's name, ``%%`` for a ``%``.
        user: whose file it is, when the path does not hold ``%u``.
        inThread: runs a function elsewhere.
        now: returns the time, in seconds since 1970.

    Raises:
        ValueError: when the keys would be anybody's.
    """

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(
        self,
        path: str,
        user: bytes | None = None,
        inThread: InThread = inThread,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._forEach = "%u" in path.replace("%%", "")
        if user is None and not self._forEach:
            raise ValueError(f"{path}: it is not clear whose keys they are")
        self._path = os.path.abspath(path)
        self._user = user
        self._inThread = inThread
        self._now = now
        self.files = KeyFiles()

    def checkFile(self) -> None:
        """See to it that the file can be used; where each user has one, there is none to check.

        Raises:
            BadFileError: when it can't.
        """
        if not self._forEach:
            self.files.check(self._path)

    def requestAvatarId(self, credentials: SSHPrivateKey) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of the user's name, with the terms that the key's options set.

        It fails with ValidPublicKey when the key is listed but nothing is signed with it yet,
        and with UnauthorizedLogin when the user may not log in with it.
        """
        user: bytes = credentials.username
        kept = None if self._forEach else self._kept(user)
        if kept is None:
            return self._inThread(self._check, credentials)
        return execute(authorise, user, kept, credentials, self._now())

    def _kept(self, user: bytes) -> Sequence[AuthorizedKey] | None:
        """Return what `keys` would, or None when the file has to be read for that."""
        path = self._pathOf(user)
        return () if path is None else self.files.kept(path)

    def _check(self, credentials: SSHPrivateKey) -> bytes:
        user: bytes = credentials.username
        return authorise(user, self.keys(user), credentials, self._now())

    def keys(self, user: bytes) -> Sequence[AuthorizedKey]:
        """Return a user's keys; none when there is no such user. Blocks.

        Raises:
            UnauthorizedLogin: when their file can't be used, which is said once.
        """
        path = self._pathOf(user)
        keys = self.files.keys(path, mayBeMissing=self._forEach) if path is not None else ()
        if keys is None:
            raise UncheckedLogin("the file of keys can't be used")
        return keys

    def _pathOf(self, user: bytes) -> bytes | None:
        """Return a user's file, or None for a name that has none or could leave the folder."""
        if self._user not in (None, user):
            return None
        if user in (b"", b".", b"..") or b"/" in user or b"\0" in user:
            return None
        parts = os.fsencode(self._path).split(b"%%")
        return b"%".join(part.replace(b"%u", user) for part in parts)


@implementer(ICheckerFactory, IPlugin)
class KeyFilesCheckerFactory:
    """Makes a KeyFilesChecker."""

    authType = "keys"
    authHelp = (
        "Public keys in files of OpenSSH's authorized_keys format, with its options. In the path,\n"
        "%u stands for the user's name and %% for a %. A folder holds a file for each user, under\n"
        "the user's name. A single file must say whose it is: keys:USER=PATH. Each file and its\n"
        "folder must belong to you or root, and nobody else may write to them."
    )
    argStringFormat = "PATH-WITH-%u | FOLDER | USER=PATH"
    credentialInterfaces = KeyFilesChecker.credentialInterfaces

    def generateChecker(self, argstring: str) -> KeyFilesChecker:
        """Return a checker.

        Raises:
            InvalidAuthArgumentString: when it is not clear whose keys they are.
            BadFileError: when there is no such folder or file, or it can't be used.
        """
        name, equals, path = argstring.partition("=")
        user = os.fsencode(name) if equals and "/" not in name else None
        if user is None:
            path = argstring
        if not path or user == b"":
            raise InvalidAuthArgumentString(f"say which keys: keys:{self.argStringFormat}")
        plain = path.replace("%%", "%")
        if re.search("%[^u]|%$", path.replace("%%", "")):
            raise InvalidAuthArgumentString("behind a % there is only u, for the user, or %")
        if os.path.isdir(plain):
            path = os.path.join(path, "%u")
        if "%u" in path.replace("%%", ""):
            above, _, rest = path.replace("%%", "\0").partition("%u")
            folder = os.path.dirname(os.path.abspath(f"{above}%u".replace("\0", "%")))
            checkFolder(folder, strictly="/" not in rest)
            return KeyFilesChecker(path, user)
        if user is None and os.path.exists(plain):
            raise InvalidAuthArgumentString(
                f"whose keys are in {path}? Give the user: keys:USER={path}"
            )
        checker = KeyFilesChecker(path, user or b"")
        checker.files.check(plain)
        return checker
