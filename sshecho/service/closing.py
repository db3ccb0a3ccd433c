"""Closing: whatever came is answered, and what is said last arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import INegotiated, IReactorTime, ITransport
from twisted.internet.task import deferLater

SERVER_ENDS: Final = "the server is going down"
"""Why everybody leaves, and nobody comes in any more, once the server's end has begun."""

_QUIET: Final = 0.05
"""Seconds without a byte after which all that a client had sent has surely come."""
_PATIENCE: Final = 1.0
"""Seconds after which a client that goes on and on is not listened to any more."""
MOST_DROPPED: Final = 1 << 18
"""Bytes that are read behind a goodbye, to hear when the other side closes too."""


def sayGoodbye(transport: ITransport) -> bool:
    """Close our side once all that was written has gone out; what still comes is to be dropped.

    To close both sides while bytes are unread makes the kernel send a reset, which can overtake
    what was said last.

    Returns:
        Whether the other side's end is still awaited; TLS closes both at once.
    """
    halfClose = getattr(transport, "loseWriteConnection", None)
    if halfClose is None or INegotiated.providedBy(transport):
        transport.loseConnection()
        return False
    halfClose()
    return True


async def untilQuiet(
    clock: IReactorTime, heard: Callable[[], float], listens: Callable[[], bool]
) -> None:
    """Wait until all that a client had sent has come; one that goes on and on is not waited for.

    While it is not listened to, nothing can be heard: that time does not count.

    Args:
        clock: what time is told by.
        heard: returns when something came last.
        listens: returns whether the client is being read from.
    """
    last = since = clock.seconds()
    listened, before = 0.0, listens()
    while True:
        await deferLater(clock, _QUIET)
        now, after = clock.seconds(), listens()
        if before and after:
            listened += now - last
        else:
            since = now
        if now - max(heard(), since) >= _QUIET or listened >= _PATIENCE:
            return
        last, before = now, after


async def until(clock: IReactorTime, holds: Callable[[], bool]) -> None:
    """Wait until something holds, looking now and then.

    Args:
        clock: what time is told by.
        holds: whether it does.
    """
    while not holds():
        await deferLater(clock, _QUIET)
