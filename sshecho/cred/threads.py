"""Threads for slow work: hashing passwords, reading files, verifying signatures."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from threading import Thread
from time import monotonic
from typing import ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

_PATIENCE = 0.2
"""Seconds to wait for the threads' work when the program ends."""

P = ParamSpec("P")
T = TypeVar("T")


class InThread(Protocol):
    """Runs a function elsewhere: `inThread`, or what stands in for it."""

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Return a Deferred of what the function returns, or raises."""


class _Daemon(Thread):
    """A thread that keeps no program from ending, though a server may never answer it."""

    def __init__(self, **options: object) -> None:
        super().__init__(daemon=True, **options)  # type: ignore[arg-type]


class Pool(ThreadPool):
    """A pool of threads that may hang."""

    threadFactory: type[Thread] = _Daemon

    def stop(self) -> None:
        """Stop, and wait for the threads to end, but for all of them together not long."""
        threads, self.threads = self.threads, []  # which Twisted would wait for without end
        super().stop()
        deadline = monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))


@cache
def _hashing() -> tuple[IReactorFromThreads, Pool]:
    # Only here: a reactor is chosen before the first login, but after this is imported.
    from twisted.internet import reactor

    # Hashing fills a core, so more threads than cores only take turns.
    pool = Pool(0, os.cpu_count() or 1, "checkers")
    core = IReactorCore(reactor)
    core.callWhenRunning(pool.start)
    core.addSystemEventTrigger("during", "shutdown", pool.stop)
    return IReactorFromThreads(reactor), pool


def inThread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
    """Run a function in a pool of our own, as large as the machine has cores.

    The reactor's pool stays free for what else needs it, such as looking up host names, and
    many logins at once can't take all the machine from the sessions.

    Returns:
        A Deferred of what the function returns, or raises.
    """
    reactor, pool = _hashing()
    return deferToThreadPool(reactor, pool, function, *args, **kwargs)
