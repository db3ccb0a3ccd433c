"""How a case is written down: what a client does, step by step.

A step is a byte for its kind, two for the length of what follows, and that. What is cut short is
as long as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Step = tuple[int, bytes]


def read(data: bytes) -> Iterator[Step]:
    """Yield the steps."""
    at = 0
    while at + 3 <= len(data):
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 3], "big")
        yield kind, data[at + 3 : at + 3 + length]
        at += 3 + length


def write(steps: Sequence[Step]) -> bytes:
    """Write steps down."""
    return b"".join(bytes([kind]) + len(data).to_bytes(2, "big") + data for kind, data in steps)
