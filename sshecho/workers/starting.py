"""Starting: makes a worker's process, and the two ends of its link."""

from __future__ import annotations

import os
import socket
import sys
from typing import Final

from twisted.internet.interfaces import IProcessProtocol, IProcessTransport, IReactorProcess

LINK: Final = 3
"""The descriptor at which a worker finds its end of the link."""
PATH: Final = "PYTHONPATH"
"""Where a worker's environment says where to import from; its own children's has what ours has."""

_MANAGER = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC")
"""What a service manager says, to the parent alone."""


def startProcess(
    number: int, protocol: IProcessProtocol, reactor: IReactorProcess, *, inherits: bool
) -> tuple[IProcessTransport, socket.socket]:
    """Start a worker's process.

    Args:
        number: the worker's.
        protocol: is told of the process.
        reactor: what starts it.
        inherits: whether it shares our standard error; else what it says there comes to us.

    Returns:
        The process, and our end of the link.

    Raises:
        OSError: when there can be no more.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs, open(os.devnull, "rb") as nothing:
            said: dict[int, int | str] = {1: 1, 2: 2} if inherits else {1: "r", 2: "r"}
            process = reactor.spawnProcess(
                protocol,
                sys.executable,
                [sys.executable, "-P", "-m", "sshecho.workers", str(number)],
                env=_environment(),
                childFDs={0: nothing.fileno(), **said, LINK: theirs.fileno()},
            )
    except BaseException:
        ours.close()
        raise
    return IProcessTransport(process), ours


def _environment() -> dict[str, str]:
    """Return a worker's environment: ours, and where we import from."""
    kept = {name: value for name, value in os.environ.items() if name not in _MANAGER}
    places = [path or os.getcwd() for path in sys.path if isinstance(path, str)]
    return {**kept, PATH: os.pathsep.join(places)}
