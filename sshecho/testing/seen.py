"""What has been seen: a copy in the test's process, brought up to date as it is looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

KINDS = ("events", "connections", "sessions")


class Seen:
    """All that a server has seen since its last reset, as it was sent; for several threads.

    Args:
        ask: asks the server for what is new: see `sshecho.testing.inside.recorder.Recorder.see`.
    """

    def __init__(self, ask: Callable[[int], dict[str, Any]]) -> None:
        self._ask = ask
        self._looking = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._version = 0
        self._things: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}

    def anew(self, begin: Callable[[], object]) -> None:
        """Have the server begin anew, and forget all, while nobody looks.

        Args:
            begin: what has it begin; if that fails, nothing is forgotten.
        """
        with self._looking:
            begin()
            self._forget()

    def look(self, kind: str) -> list[dict[str, Any]]:
        """Return all there is of a kind, in order."""
        with self._looking:
            news = self._ask(self._version)
            self._version = news["version"]
            for changed, number, thing in news["changes"]:
                self._things[changed][number : number + 1] = [thing]
            return [dict(thing) for thing in self._things[kind]]
