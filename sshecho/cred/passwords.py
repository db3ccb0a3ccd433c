"""Password secrets: plain text or bcrypt, compared so that the time taken tells nothing.

Everything here is slow on purpose, and belongs in a thread.
"""

from __future__ import annotations

import hmac
import re

import bcrypt

COST = 12
"""The cost of the hashes that are made here: 2**12 rounds of bcrypt."""

BCRYPT_LIMIT = 72
"""How many bytes of a password bcrypt looks at; a longer one is denied, never cut."""

_BCRYPT = re.compile(rb"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_LIKE_HASH = re.compile(rb"\$[0-9a-z-]{1,12}\$.{8}")  # as in /etc/shadow; no plain password
_LIKE_BCRYPT = re.compile(rb"\$2[a-z]?\$")


class BadSecretError(ValueError):
    """A secret that is none: empty, a bcrypt hash that is damaged, a hash of another kind."""


def checkSecret(secret: bytes) -> bytes:
    """Return a secret that is fit for use.

    Args:
        secret: plain text, or a bcrypt hash such as ``b"$2b$12$..."``.

    Raises:
        BadSecretError: says what is wrong, without the secret.
    """
    if not secret:
        raise BadSecretError("the password is empty")
    if _LIKE_BCRYPT.match(secret) and not isHash(secret):
        raise BadSecretError("the bcrypt hash is damaged")
    if _LIKE_HASH.match(secret) and not isHash(secret):
        raise BadSecretError("a hash of another kind than bcrypt")
    return secret


def checkPassword(password: bytes) -> bytes:
    """Return a password that can be hashed whole.

    Raises:
        BadSecretError: says what is wrong, without the password.
    """
    if not password:
        raise BadSecretError("the password is empty")
    if len(password) > BCRYPT_LIMIT:
        raise BadSecretError(f"the password is longer than bcrypt's {BCRYPT_LIMIT} bytes")
    if b"\0" in password:
        raise BadSecretError("the password holds a NUL")
    return password


def hashPassword(password: bytes) -> bytes:
    """Return a password's bcrypt hash, with a salt of its own and the cost `COST`.

    Raises:
        BadSecretError: for a password that can't be hashed whole.
    """
    return bcrypt.hashpw(checkPassword(password), bcrypt.gensalt(COST))


def isHash(secret: bytes) -> bool:
    """Whether a secret is a bcrypt hash; anything else is plain text."""
    return _BCRYPT.fullmatch(secret) is not None


def cost(secret: bytes) -> int:
    """Return the cost of checking a secret: the exponent of a bcrypt hash, 0 for plain text."""
    return int(secret[4:6]) if isHash(secret) else 0


def matches(password: bytes, secret: bytes | None, highest: int = 0) -> bool:
    """Compare a password with a secret, in the time of the store's most expensive hash.

    Args:
        password: what the client sent.
        secret: what the store has; None when it knows no such user.
        highest: the highest `cost` of any secret in the store.

    Returns:
        Whether it is the user's password.
    """
    if secret is not None and isHash(secret):
        spent = cost(secret)
        if len(password) > BCRYPT_LIMIT:
            same = False
            _burn(spent)
        else:
            same = _bcryptMatches(password, secret)
    else:
        spent = highest
        same = plainMatches(password, secret or b"") and secret is not None
        _burn(highest)
    # A hash of cost c takes 2**c steps: 2**c and then 2**c + 2**(c+1) + ... + 2**(h-1) make 2**h.
    for padding in range(spent, highest):
        _burn(padding)
    return same


def _bcryptMatches(password: bytes, secret: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, secret)
    except ValueError:  # a NUL in the password, to some versions of the library
        return False


def plainMatches(password: bytes, secret: bytes) -> bool:
    """Compare a password with one in plain text, in a time that depends on neither."""
    # Digests are of one length, so not even the secret's length can be timed.
    return hmac.compare_digest(_digest(password), _digest(secret))


def _digest(text: bytes) -> bytes:
    return hmac.digest(b"sshecho", text, "sha256")


def _burn(rounds: int) -> None:
    """Take the time of a bcrypt hash of this cost; 0 takes none."""
    if rounds:
        _bcryptMatches(b"", b"$2b$%02d$" % rounds + b"." * 53)
