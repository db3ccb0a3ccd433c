"""``stall-window``: a client may send its first window, and never more."""

from __future__ import annotations

from sshecho.testing.faults.fault import Fault


class StallWindow(Fault):
    """Takes and answers what the first window carries, but never sends WINDOW_ADJUST."""

    name = usage = "stall-window"

    @property
    def stalls(self) -> bool:
        """Whether windows stay as they are."""
        return True
