"""A process of clients, and what it reports while it runs."""

from __future__ import annotations

import multiprocessing
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

from attacking.attacker import PATIENCE, Target


class Did(NamedTuple):
    """Something was done.

    Attributes:
        what: in the plural, such as ``"lines"``.
        amount: how many.
    """

    what: str
    amount: int


class Took(NamedTuple):
    """A line has come back.

    Attributes:
        at: when it was due, by the monotonic clock.
        seconds: how long it took from then on.
    """

    at: float
    seconds: float


class Failed(NamedTuple):
    """Something did not go well that should have.

    Attributes:
        at: when, by the monotonic clock.
        why: what, in a line.
    """

    at: float
    why: str


class Reporter:
    """What the clients' side reports by, from any of its threads.

    Args:
        connection: to the process that listens.

    Attributes:
        stopped: set once the clients shall end, or nobody listens any more.
    """

    def __init__(self, connection: Connection) -> None:
        self.stopped = threading.Event()
        self._connection = connection
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def did(self, what: str, amount: int = 1) -> None:
        """Report something done."""
        self._send(Did(what, amount))

    def took(self, due: float) -> None:
        """Report that a line has come back that was due at a time."""
        self._send(Took(due, time.monotonic() - due))

    def failed(self, doing: str, error: Exception | str) -> None:
        """Report a failure, and go on.

        Args:
            doing: what failed.
            error: why.
        """
        why = error if isinstance(error, str) else f"{type(error).__name__} {error}".strip()
        self._send(Failed(time.monotonic(), f"{doing}: {why}"))

    def _send(self, message: Did | Took | Failed) -> None:
        with self._lock, suppress(OSError):  # nobody listens any more
            self._connection.send(message)

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            self._connection.recv()
        self.stopped.set()


Work = Callable[[Target, Reporter, random.Random], None]


class Clients:
    """Clients that run in a process of their own until they are stopped.

    Args:
        work: what they do, a function that a new interpreter can import.
        target: whom they come to.
        seed: what chance begins with.

    Attributes:
        connection: where their reports come from, until an EOFError says that they have ended.
    """

    def __init__(self, work: Work, target: Target, seed: int) -> None:
        spawning = multiprocessing.get_context("spawn")
        self.connection, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_run, args=(work, theirs, target, seed))
        self._process.start()
        theirs.close()

    def stop(self) -> None:
        """Have them end what they are at."""
        with suppress(OSError):
            self.connection.send(None)

    def close(self) -> None:
        """See to it that they have ended."""
        self.connection.close()
        self._process.join(PATIENCE)
        self._process.kill()


def _run(work: Work, connection: Connection, target: Target, seed: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever listens says when to end
    work(target, Reporter(connection), random.Random(seed))  # noqa: S311 - load, no secrets
