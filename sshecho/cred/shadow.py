"""The system's accounts: /etc/shadow (shadow(5)), and hashes through the system's libcrypt.

Python's own modules for this, spwd and crypt, are gone since 3.13.
"""

from __future__ import annotations

import ctypes
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sshecho.cred.passwords import BCRYPT_LIMIT

SHADOW = "/etc/shadow"
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", None)  # musl has it in the C library itself
_CRYPT_DATA = 256 * 1024
"""Bytes for the library's struct crypt_data, whose size differs: 128 KiB at most so far."""

_HASH = re.compile(rb"\$[0-9a-z]+(?:,rounds=\d+)?\$[!-9;-~]+|[./0-9A-Za-z]{13}|_[./0-9A-Za-z]{19}")
_SETTING = re.compile(  # the method, and all that its cost depends on
    rb"\$(?:2[a-z]?\$\d\d|g?y\$[^$]*|7\$.{11}|sha1\$\d+|[0-9a-z]+(?:,rounds=\d+)?\$(?:rounds=\d+)?)"
    rb"|(?:_.{4})?"
)
_DAY = 24 * 60 * 60


class NoCryptError(Exception):
    """This system has no libcrypt."""


@cache
def _library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            library.crypt_r.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
            library.crypt_r.restype = ctypes.c_char_p
        except (OSError, AttributeError):
            continue
        return library
    raise NoCryptError("this system has no libcrypt to check its passwords with")


def crypt(password: bytes, setting: bytes) -> bytes | None:
    """Hash a password as the system does (crypt_r(3)). Slow; belongs in a thread.

    Args:
        password: what to hash; what comes behind a NUL is not looked at.
        setting: a hash, whose method, cost and salt are taken.

    Returns:
        The hash; None for a method that the system does not know.

    Raises:
        NoCryptError: when the system has no libcrypt.
    """
    data = ctypes.create_string_buffer(_CRYPT_DATA)
    hashed: bytes | None = _library().crypt_r(password, setting, data)
    return None if hashed is None or hashed.startswith(b"*") else hashed


@dataclass(frozen=True)
class Account:
    """A line of the shadow file.

    Attributes:
        secret: the password's hash, or what stands in its place.
        changed: the day on which the password was changed, counted from 1970; 0 when it has to be
            changed at the next login, None when it does not age.
        longest: days after which the password has to be changed, or None.
        expires: the day from which on nobody may log in, or None.
    """

    secret: bytes
    changed: int | None
    longest: int | None
    expires: int | None

    @property
    def hasPassword(self) -> bool:
        """Whether there is a password to log in with: the account is not locked, nor open."""
        return _HASH.fullmatch(self.secret) is not None

    def hasExpired(self, now: float) -> bool:
        """Whether nobody may log in any more.

        Args:
            now: the time, in seconds since 1970.
        """
        return self.expires is not None and now // _DAY >= self.expires

    def refusal(self, now: float) -> str | None:
        """Return why nobody may log in, or None.

        Args:
            now: the time, in seconds since 1970.
        """
        if self.hasExpired(now):
            return "the account has expired"
        if self.changed == 0:
            return "the password has to be changed"
        if self.changed is None or self.longest is None:
            return None
        return "the password is too old" if now // _DAY > self.changed + self.longest else None


@dataclass(frozen=True)
class Accounts:
    """The shadow file.

    Attributes:
        byName: each user's account.
        settings: of each method and cost that is in use, a hash: whoever logs in, the work of
            all of them is done, so that it takes everybody the same time.
    """

    byName: Mapping[bytes, Account]
    settings: Mapping[bytes, bytes]


def parseShadow(text: bytes) -> Accounts:
    """Parse a shadow file; a line that is none is nobody's, and a user's first one counts."""
    accounts: dict[bytes, Account] = {}
    settings: dict[bytes, bytes] = {}
    for line in text.split(b"\n"):
        fields = line.split(b":")
        if len(fields) != 9 or not fields[0] or fields[0] in accounts:
            continue
        try:
            changed, longest, expires = (_days(fields[at]) for at in (2, 4, 7))
        except ValueError:
            continue
        account = accounts[fields[0]] = Account(fields[1], changed, longest, expires)
        if account.hasPassword:
            settings[_setting(account.secret)] = account.secret
    return Accounts(accounts, settings)


def _days(field: bytes) -> int | None:
    return int(field) if field and not field.startswith(b"-") else None


def _setting(secret: bytes) -> bytes:
    found = _SETTING.match(secret)
    assert found is not None  # it matches the empty string too
    return found[0]


def passwordMatches(accounts: Accounts, account: Account | None, password: bytes) -> bool:
    """Compare a password with an account's, in the time that it takes for any account.

    Args:
        accounts: all the accounts.
        account: the user's; None when there is no such user.
        password: what the client sent.

    Raises:
        NoCryptError: when the system has no libcrypt.
    """
    secret = account.secret if account is not None and account.hasPassword else None
    hashes = dict(accounts.settings)
    if secret is not None:
        hashes[_setting(secret)] = secret
    same = False
    for hashed in hashes.values():
        computed = crypt(password, hashed)
        if hashed is secret and computed is not None:
            same = hmac.compare_digest(computed, secret)
    # The library stops at a NUL, and bcrypt behind its 72nd byte.
    cut = b"\0" in password or (
        secret is not None and secret.startswith(b"$2") and len(password) > BCRYPT_LIMIT
    )
    return same and not cut and password != b""  # whose hash is as good as no password
