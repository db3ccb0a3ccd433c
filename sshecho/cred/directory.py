"""A directory: where it is, as whom its users bind, and what their names are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from unicodedata import category, normalize
from urllib.parse import unquote, urlsplit

LONGEST = 4096
"""Bytes of a name or a password that a directory is asked about."""

_PORTS = {"ldap": 389, "ldaps": 636}
_START_TLS = re.compile(r"\?{4}!?StartTLS", re.IGNORECASE)
_PASSED_OVER = re.compile("[\u034f\u180b-\u180d\ufe00-\ufe0f\ufffc]")
_SPECIAL = re.compile(rb'[\x00-\x20"#+,;<=>\\\x7f]')


def escape(user: bytes) -> bytes:
    """Return a user's name as the value of an attribute in a DN (RFC 4514, section 2.4)."""
    return _SPECIAL.sub(lambda byte: b"\\%02x" % ord(byte[0]), user)


def canonical(user: bytes) -> bytes | None:
    """Return the one name of all that a directory takes for the same (RFC 4518).

    Directories compare names without regard to case, to spaces that are many or outside, and to
    characters that only look different; but an account has to have one name here.

    Returns:
        The name in lower case; None for one that nobody writes so, or that is no text.
    """
    try:
        name = user.decode()
    except UnicodeDecodeError:
        return None
    if not name or len(user) > LONGEST or name != " ".join(name.split()):
        return None
    lower = "".join(map(_lower, name))
    plain = len(lower) == len(name) and not any(map(_isInvisible, name))
    return lower.encode() if plain and name == normalize("NFKC", name) else None


def _lower(character: str) -> str:
    # Folding knows both of Greek's small sigmas for one, but makes two letters of others.
    folded = character.casefold()
    return folded if len(folded) == 1 else character.lower()


def _isInvisible(character: str) -> bool:
    """Whether a directory passes over a character (RFC 4518, section 2.2)."""
    return category(character)[0] == "C" or _PASSED_OVER.match(character) is not None


@dataclass(frozen=True)
class Directory:
    """Where a directory is, and as whom its users bind.

    Attributes:
        host: its name or IP address, which the certificate has to name.
        port: its TCP port.
        ldaps: whether the connection begins with TLS.
        startTLS: whether it is encrypted by StartTLS.
        dn: the users' DN, cut where the user's name belongs; UTF-8.
    """

    host: str
    port: int
    ldaps: bool
    startTLS: bool
    dn: tuple[bytes, ...]

    def __str__(self) -> str:
        """Return its URL without the DN."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.ldaps else 'ldap'}://{host}:{self.port}"

    def name(self, user: bytes) -> bytes:
        """Return the DN of a user."""
        return escape(user).join(self.dn)


def parseURL(url: str) -> Directory:
    """Parse an LDAP URL (RFC 4516) whose DN has ``%u`` where the user's name belongs.

    The extension StartTLS, ``????!StartTLS``, asks for StartTLS on loopback too, where else it
    is not used.

    Raises:
        ValueError: says what is wrong with it.
    """
    main, question, rest = url.partition("?")
    try:
        parts = urlsplit(main.replace("%u", "\0"))
        port = parts.port
        (parts.hostname or "").encode("idna")
        if port == 0:
            raise ValueError("there is no port 0")
    except ValueError as error:  # UnicodeError too
        raise ValueError(f"not an LDAP URL: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname or "\0" in parts.netloc:
        raise ValueError("not an LDAP URL such as ldaps://host/uid=%u,dc=example,dc=org")
    if parts.username is not None:
        raise ValueError("users bind as themselves; the URL has no place for another name")
    if question and not _START_TLS.fullmatch(question + rest):
        raise ValueError("behind the DN only ????!StartTLS is known")
    if "#" in main:
        raise ValueError("a # in the DN is written %23")
    try:
        dn = tuple(unquote(part, errors="strict").encode() for part in parts.path[1:].split("\0"))
    except UnicodeError:
        raise ValueError("the DN is not UTF-8") from None
    if len(dn) < 2:
        raise ValueError("the DN has no %u, where the user's name belongs")
    ldaps = parts.scheme == "ldaps"
    startTLS = not ldaps and (bool(question) or not isLoopback(parts.hostname))
    return Directory(parts.hostname, port or _PORTS[parts.scheme], ldaps, startTLS, dn)


def isLoopback(host: str) -> bool:
    """Whether a host is this machine, for sure and without asking anybody."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
