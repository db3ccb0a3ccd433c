"""The target: whom to ask, as the command line names it."""

from __future__ import annotations

import getpass
import os
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

Door = Literal["ssh", "line"]

PORTS: dict[Door, int] = {"ssh": 2222, "line": 8000}
"""Where `sshecho serve` opens its doors unless told otherwise."""


@dataclass(frozen=True)
class Target:
    """Where to log in, and as whom.

    Attributes:
        door: ``"ssh"`` or ``"line"``.
        user: the user's name; what is no UTF-8 in it is escaped by surrogates.
        host: a host name or an address, without brackets.
        port: a TCP port.
    """

    door: Door
    user: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """``host:port``, as people and URLs write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        """Return it as a URL."""
        user = self.user.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return f"{self.door}://{user}@{self.address}"


def parseTarget(text: str) -> Target:
    """Return what ``[user@]host[:port]``, ``ssh://...`` or ``line://...`` means.

    As with ssh, the user is whoever is logged in here unless said, and what stands before the
    last ``@``. An IPv6 address stands in brackets, at least where a port follows.

    Raises:
        ValueError: with a text that says what is wrong, without a password that may be in it.
    """
    scheme, isURL, rest = text.partition("://")
    if not isURL:
        scheme, rest = "ssh", text
    door: Door
    if scheme == "ssh":
        door = "ssh"
    elif scheme == "line":
        door = "line"
    else:
        raise ValueError("a target is [user@]host[:port], or line://[user@]host[:port]")
    user, _, place = rest.rpartition("@")
    if isURL:
        place = place.removesuffix("/")
        if ":" in user:
            raise ValueError("a password does not belong in the arguments: every user sees them")
        user = unquote_to_bytes(os.fsencode(user)).decode("utf-8", "surrogateescape")
    if "@" in rest and not user:
        raise ValueError("there is no user before the @")
    host, port = _hostAndPort(place)
    return Target(door, user or _whoWeAre(), host, port or PORTS[door])


def _hostAndPort(place: str) -> tuple[str, int | None]:
    if place.startswith("["):
        host, closed, rest = place[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError("an IPv6 address with a port is [address]:port")
        port = rest[1:] if rest else None
    elif place.count(":") > 1:
        host, port = place, None
    else:
        host, colon, end = place.partition(":")
        port = end if colon else None
    if not host or not host.isprintable() or set(host) & set(" /?#[]\\"):
        raise ValueError("there is no host in it" if not host else "that is no host's name")
    if port is None:
        return host, None
    if not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 1 << 16):
        raise ValueError("a port is a number from 1 to 65535")
    return host, int(port)


def _whoWeAre() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user ID that has no name, as in some containers
        raise ValueError("say as whom: user@host") from None
