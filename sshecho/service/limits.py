"""The limits that hold at both doors."""

from __future__ import annotations

from typing import Final

LOGIN_GRACE: Final = 120
"""Seconds from the beginning of a connection to the login."""
LINGER: Final = 5
"""Seconds that a client has to take our goodbye and to close."""
