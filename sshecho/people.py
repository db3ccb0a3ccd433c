"""What people are told: the log of what the person at the terminal wants to know, and its words."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final

from twisted.internet.address import UNIXAddress
from twisted.logger import Logger

NAMESPACE: Final = "sshecho"
"""The name of that log: what is said in it is shown, and of all others only warnings."""

tell = Logger(NAMESPACE).info

_LONGEST_NAME: Final = 100


def escape(text: str) -> str:
    """Return text that can't steer a terminal, or pass for a line of its own.

    All but printable characters are escaped, line ends too.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def userName(user: bytes) -> str:
    """Return a user's name as people write it: quoted, odd things escaped, not long."""
    name = repr(user[:_LONGEST_NAME].decode("utf-8", "backslashreplace"))
    return name if len(user) <= _LONGEST_NAME else f"{name}..."


def plainName(user: bytes) -> str:
    """Return a user's name as the audit log keeps it: odd things escaped, not long."""
    name = escape(user[:_LONGEST_NAME].decode("utf-8", "backslashreplace"))
    return name if len(user) <= _LONGEST_NAME else f"{name}..."


def because(why: str) -> str:
    """Return what comes behind a denial: the reason, in whoever's words, if there is one."""
    return f": {escape(why)}" if why else ""


def oneLine(error: BaseException | None) -> str:
    """Return the first line of what an exception says, or its name."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def timestamp(seconds: float) -> str:
    """Return a time as logs write it: RFC 3339, in UTC, to the millisecond.

    Args:
        seconds: since 1970.
    """
    time = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return time.replace("+00:00", "Z")


def peerName(address: object) -> str:
    """Return an address as people and logs write it.

    Args:
        address: an IAddress of Twisted's, such as IPv4Address.

    Returns:
        ``192.0.2.1:2222`` (to an IPv6 socket too), ``[2001:db8::1]:2222``, ``unix:/run/door``,
        ``unix`` for one without a name, or what the address says of itself.
    """
    if isinstance(address, UNIXAddress):
        name = os.fsdecode(address.name or b"")
        # The system has an abstract name begin with a NUL, which people write as @.
        return f"unix:{escape(name.replace(chr(0), '@', 1))}" if name else "unix"
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return str(address)
    if "." in host:  # such as ::ffff:192.0.2.1, an IPv4 client at a socket for both
        host = host.removeprefix("::ffff:")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
