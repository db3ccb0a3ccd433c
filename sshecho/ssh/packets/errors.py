"""What ends a connection: the other side broke the protocol."""

from __future__ import annotations


class ProtocolError(Exception):
    """The other side sent what can't be taken.

    Args:
        code: the reason as a number (RFC 4253, section 11.1).
        why: the same for people, in ASCII; it is sent to the other side.
    """

    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code = code
        self.why = why

    def __str__(self) -> str:
        """Return the reason for people."""
        return self.why
