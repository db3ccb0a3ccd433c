"""Events: what happens at the doors, said once, for people and for the audit log."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from sshecho.people import NAMESPACE

AUDIT: Final = "audit"
"""Where a log event keeps what the audit log writes: an event's name, and what belongs to it."""

_log = Logger(NAMESPACE)


def happened(event: str, text: str, /, **fields: object) -> None:
    """Tell of an event.

    Args:
        event: its name, such as ``"login.ok"``.
        text: one line for people; what came from the network is escaped in it.
        fields: what the audit log keeps of it: texts, numbers, or lists and dicts of them.
    """
    _log.info("{text}", text=text, audit={"event": event, **fields})
