"""A connection that a worker has, as the parent's gate sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sshecho.workers.worker import Worker


@dataclass(frozen=True)
class Handed:
    """A connection that a worker has: the guest of its visit at the parent's gate.

    Attributes:
        worker: who has it.
        visit: its name.
    """

    worker: Worker
    visit: str

    def dismiss(self, why: str) -> None:
        """Say why, and close once that has gone out."""
        self.worker.dismiss(self.visit, why)

    def dataSoFar(self) -> tuple[int, int]:
        """Return how many bytes of data there were when the worker was asked last."""
        received, sent = self.worker.data.get(self.visit, (0, 0))
        return received, sent

    def leave(self) -> None:
        """Give the client all that it is owed, then say that the server ends, and close."""
        self.worker.tell("leave", self.visit)

    def cut(self, why: str) -> None:
        """Close at once; it is said why, to a client that can hear it."""
        self.worker.cut(self.visit, why)

    def evict(self, why: str) -> None:
        """Close at once to make room, unless a user has logged in, of which we hear later."""
        self.worker.tell("evict", self.visit, why)
