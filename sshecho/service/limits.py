"""The limits that hold at both doors, and how they are given on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twisted.python.usage import UsageError

LINGER: Final = 5
"""Seconds that a client has to take our goodbye and to close."""
DRAIN: Final = 3
"""Seconds that all clients have to take what they are owed when the server ends."""
PROBES: Final = 3
"""How many probes a silent client may leave unanswered."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_REKEY_LIMITS = (1 << 10, 1 << 34)
"""A packet has 16 bytes at least, so the most is 2^30 packets: a fourth of what their numbers
count to."""
_LONGEST = 10**6


@dataclass(frozen=True)
class Limits:
    """What clients may ask of the server.

    Attributes:
        loginGrace: seconds from accept to login.
        maxAuthTries: failed tries to log in that a connection has.
        maxStartups: connections that are not logged in yet.
        maxConnections: all connections.
        maxSessions: channels of a connection.
        idleTimeout: seconds without a byte in a login's sessions; None for ever.
        keepalive: seconds of silence before a probe, of which `PROBES` may stay unanswered; None
            for none.
        rekeyLimit: bytes that a key of the SSH door carries, in either direction.
    """

    loginGrace: float = 120
    maxAuthTries: int = 6
    maxStartups: int = 100
    maxConnections: int = 10_000
    maxSessions: int = 10
    idleTimeout: float | None = None
    keepalive: float | None = 60
    rekeyLimit: int = 1 << 30


def count(text: str) -> int:
    """Return how many there may be.

    Raises:
        ValueError: when it is not a number from 1 to a million.
    """
    if not re.fullmatch(r"[0-9]{1,7}", text, re.ASCII) or not 1 <= int(text) <= _LONGEST:
        raise ValueError("it is a number from 1 to 1000000")
    return int(text)


def seconds(text: str) -> float:
    """Return how long something may take.

    Raises:
        ValueError: when it is not a number of seconds above 0, up to a million.
    """
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", text, re.ASCII):
        raise ValueError("it is a number of seconds")
    if not 0 < float(text) <= _LONGEST:
        raise ValueError("it is more than 0 seconds, and at most 1000000")
    return float(text)


def secondsOrOff(text: str) -> float | None:
    """Return how long something may take; None for ``off``.

    Raises:
        ValueError: when it is neither that nor a number of seconds.
    """
    return None if text == "off" else seconds(text)


def rekeyLimit(text: str) -> int:
    """Return how many bytes a key carries, from the command line.

    Args:
        text: a number, and K, M or G if those are meant.

    Raises:
        ValueError: for anything else, and for what is too little or too much.
    """
    match = re.fullmatch(r"([0-9]{1,12})([KMG]?)", text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise ValueError("it is a number of bytes, with K, M or G behind it if those are meant")
    size = int(match[1]) * _UNITS[match[2].upper()]
    least, most = _REKEY_LIMITS
    if not least <= size <= most:
        raise ValueError("it is from 1K to 16G")
    return size


OPTIONS: Final[dict[str, tuple[str, Callable[[str], object], str]]] = {
    "login-grace": ("loginGrace", seconds, "seconds from accept to login"),
    "max-auth-tries": ("maxAuthTries", count, "failed tries to log in that a connection has"),
    "max-startups": ("maxStartups", count, "connections that are not logged in yet"),
    "max-connections": ("maxConnections", count, "all connections"),
    "max-sessions": ("maxSessions", count, "channels of an SSH connection"),
    "idle-timeout": ("idleTimeout", secondsOrOff, "seconds without a byte, or off"),
    "keepalive": (
        "keepalive",
        secondsOrOff,
        "seconds of silence before a probe, three of which unanswered end it, or off",
    ),
    "rekey-limit": ("rekeyLimit", rekeyLimit, "bytes that an SSH key carries, such as 512M"),
}
"""Of each option its name, the limit that it sets, what reads it, and what it means."""

_WORDS = {"idle-timeout": "off", "rekey-limit": "1G"}


def limitOptions() -> list[list[object]]:
    """Return the limits as parameters of Twisted's usage.Options."""
    return [
        [name, None, _default(name, attribute), what, _named(name, parse)]
        for name, (attribute, parse, what) in OPTIONS.items()
    ]


def limitsOf(options: dict[str, object]) -> Limits:
    """Return the limits that options say."""
    parsed = {}
    for name, (attribute, parse, _) in OPTIONS.items():
        value = options[name]
        parsed[attribute] = parse(value) if isinstance(value, str) else value  # a default is text
    return Limits(**parsed)  # type: ignore[arg-type]  # each is what its parser returns


def _default(name: str, attribute: str) -> str:
    return _WORDS.get(name, str(getattr(Limits, attribute)))


def _named(name: str, parse: Callable[[str], object]) -> Callable[[str], object]:
    """Return a parser whose error says which option is wrong."""

    def parseOption(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise UsageError(f"--{name} {text}: {error}") from None

    return parseOption
