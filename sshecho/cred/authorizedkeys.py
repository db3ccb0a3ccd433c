"""``keys:PATH``: public keys in files of OpenSSH's authorized_keys format (sshd(8))."""

from __future__ import annotations

import base64
import binascii
import functools
import os
from collections.abc import Callable

from twisted.conch.error import ValidPublicKey
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey, SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from sshecho.cred.files import WatchedFile, checkFolder

KEY_TYPES = (
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"ssh-rsa",
)
RSA_BITS = range(2048, 8192 + 1)
_WATCHED = 1024
"""How many files are kept parsed at once."""

_log = Logger()


def parseAuthorizedKeys(name: str, text: bytes) -> frozenset[bytes]:
    """Parse an authorized_keys file.

    A line that can't be used is left out, with a warning: it lets nobody in. So is one with
    options, which ask for a login with conditions that are not known here.

    Args:
        name: what to call the file in a warning.
        text: what is in it.

    Returns:
        The keys as blobs (RFC 4253, section 6.6).
    """
    blobs = set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        try:
            blobs.add(_parseKey(words))
        except ValueError as error:
            _log.warn(
                "{name}: line {number} is left out: {error}", name=name, number=number, error=error
            )
    return frozenset(blobs)


def _parseKey(words: list[bytes]) -> bytes:
    if words[0] not in KEY_TYPES:
        raise ValueError("it does not begin with a key type that is accepted here")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError("the key is damaged") from None
    if not blob.startswith(NS(words[0])):
        raise ValueError("the key is of another type than the line says")
    try:
        key = Key.fromString(blob, type="BLOB")
    except Exception:
        raise ValueError("the key is damaged") from None
    if key.type() == "RSA" and key.size() not in RSA_BITS:
        raise ValueError(f"an RSA key of {key.size()} bits; 2048 to 8192 are accepted")
    return blob


def watchKeys(path: str | bytes) -> WatchedFile[frozenset[bytes]]:
    """Return an authorized_keys file that is parsed again when it has changed."""
    return WatchedFile(path, functools.partial(parseAuthorizedKeys, os.fsdecode(path)))


@implementer(ICredentialsChecker)
class AuthorizedKeysChecker:
    """Checks public keys against authorized_keys files, read again whenever they have changed.

    A key is looked up before anything is said of it, so nobody learns more than that they were
    denied; and only a key that is listed is ever parsed. Reading and verifying happen in a
    thread.

    Args:
        path: the file; ``%u`` in it stands for the user's name, ``%%`` for a ``%``.
        user: whose file it is, when the path does not hold ``%u``.
        inThread: runs a function elsewhere and returns a Deferred of its result.

    Raises:
        ValueError: when the keys would be anybody's.
    """

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(
        self,
        path: str,
        user: bytes | None = None,
        inThread: Callable[..., Deferred[bytes | tuple[()]]] = deferToThread,
    ) -> None:
        if user is None and "%u" not in path.replace("%%", ""):
            raise ValueError(f"{path}: it is not clear whose keys they are")
        self._path = os.path.abspath(path)
        self._user = user
        self._inThread = inThread
        self._files: dict[bytes, WatchedFile[frozenset[bytes]]] = {}

    def requestAvatarId(self, credentials: SSHPrivateKey) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of the user's name.

        It fails with ValidPublicKey when the key is listed but nothing is signed with it yet,
        and with UnauthorizedLogin when the user may not log in with it.
        """
        return self._inThread(self._check, credentials)

    def _check(self, credentials: SSHPrivateKey) -> bytes:
        user: bytes = credentials.username
        if credentials.blob not in self.keys(user):
            raise UnauthorizedLogin
        if not credentials.signature:
            raise ValidPublicKey
        key = Key.fromString(credentials.blob, type="BLOB")
        if not key.verify(credentials.signature, credentials.sigData):
            raise UnauthorizedLogin
        return user

    def keys(self, user: bytes) -> frozenset[bytes]:
        """Return the blobs of a user's keys; none when there is no such user. Blocks."""
        if self._user not in (None, user):
            return frozenset()
        path = self.path(user)
        if path is None or not os.path.lexists(path):
            return frozenset()
        file = self._files.get(path)
        if file is None:
            if len(self._files) >= _WATCHED:
                self._files.clear()
            file = self._files[path] = watchKeys(path)
        return file.readOrComplain() or frozenset()

    def path(self, user: bytes) -> bytes | None:
        """Return a user's file, or None for a name that could lead out of the folder."""
        if user in (b"", b".", b"..") or b"/" in user or b"\0" in user:
            return None
        parts = os.fsencode(self._path).split(b"%%")
        return b"%".join(part.replace(b"%u", user) for part in parts)


@implementer(ICheckerFactory, IPlugin)
class AuthorizedKeysCheckerFactory:
    """Makes an AuthorizedKeysChecker."""

    authType = "keys"
    authHelp = (
        "Public keys in files of OpenSSH's authorized_keys format. In the path, %u stands for\n"
        "the user's name and %% for a %. A folder holds a file for each user, under the user's\n"
        "name. A single file must say whose it is: keys:USER=PATH. Each file and its folder must\n"
        "belong to you or root, and nobody else may write to them."
    )
    argStringFormat = "PATH-WITH-%u | FOLDER | USER=PATH"
    credentialInterfaces = AuthorizedKeysChecker.credentialInterfaces

    def generateChecker(self, argstring: str) -> AuthorizedKeysChecker:
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
        if os.path.isdir(path):
            path = os.path.join(path, "%u")
        if "%u" in path.replace("%%", ""):
            above, _, rest = path.partition("%u")
            folder = os.path.dirname(os.path.abspath(f"{above}%u")).replace("%%", "%")
            checkFolder(folder, strictly="/" not in rest)
            return AuthorizedKeysChecker(path, user)
        if user is None and os.path.exists(path):
            raise InvalidAuthArgumentString(
                f"whose keys are in {path}? Give the user: keys:USER={path}"
            )
        watchKeys(path.replace("%%", "%")).read()
        return AuthorizedKeysChecker(path, user)
