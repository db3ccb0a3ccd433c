"""The faults: one file each, and here how they are found by name.

A fault is written ``name`` or ``name=argument``, on the command line, in Python and in a user's
name alike. What one does is decided in its file, and how it is done in `sshecho.testing.faulty`.
"""

from __future__ import annotations

from sshecho.testing.faults.bigbanner import BigBanner
from sshecho.testing.faults.deny import Deny
from sshecho.testing.faults.dropafter import DropAfter
from sshecho.testing.faults.dropat import DropAt
from sshecho.testing.faults.exitsignal import Signal
from sshecho.testing.faults.exitstatus import Exit
from sshecho.testing.faults.fault import Fault
from sshecho.testing.faults.garbage import Garbage
from sshecho.testing.faults.hang import Hang
from sshecho.testing.faults.newhostkey import NewHostKey
from sshecho.testing.faults.slow import Slow
from sshecho.testing.faults.stallwindow import StallWindow

KINDS: tuple[type[Fault], ...] = (
    Slow,
    Hang,
    DropAfter,
    DropAt,
    Deny,
    Exit,
    Signal,
    StallWindow,
    Garbage,
    NewHostKey,
    BigBanner,
)
"""All there are, in the order in which people are told of them."""

_BY_NAME = {kind.name: kind for kind in KINDS}


class UnknownFault(ValueError):
    """There is no fault of that name."""


def parseFault(text: str) -> Fault:
    """Return the fault that is written so.

    Raises:
        ValueError: when there is none; the text says what is wrong.
    """
    name, equals, argument = text.partition("=")
    kind = _BY_NAME.get(name)
    if kind is None:
        known = ", ".join(each.usage for each in KINDS)
        raise UnknownFault(f"there is no such fault; there are {known}")
    try:
        return kind(argument if equals else None)
    except ValueError as error:
        given = "" if equals else ", and none is given"
        raise ValueError(f"{kind.usage}: {error}{given}") from None
