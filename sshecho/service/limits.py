"""The limits that hold at both doors."""

from __future__ import annotations

import re
from typing import Final

LOGIN_GRACE: Final = 120
"""Seconds from the beginning of a connection to the login."""
LINGER: Final = 5
"""Seconds that a client has to take our goodbye and to close."""
REKEY_LIMIT: Final = 1 << 30
"""Bytes that a key of the SSH door carries, in either direction, before it is changed."""
REKEY_LIMITS: Final = (1 << 10, 1 << 34)
"""The least and the most that it can be. A packet has 16 bytes at least, so the most is 2^30
packets: a fourth of what their numbers count to."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


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
    least, most = REKEY_LIMITS
    if not least <= size <= most:
        raise ValueError("it is from 1K to 16G")
    return size
