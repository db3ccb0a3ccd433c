"""What a test is told when its server can't do what it should."""

from __future__ import annotations


class ServerError(RuntimeError):
    """The server could not be started, or is gone; the text says why, and what can be done."""


class NeverSeen(AssertionError):
    """What a test has waited for did not happen; the text says what did."""
