"""Readiness, as systemd wants to be told of it (sd_notify(3))."""

from __future__ import annotations

import os
import socket

from twisted.logger import Logger

NOTIFY_SOCKET = "NOTIFY_SOCKET"
"""The variable with the address to tell, which only systemd and the like set."""

READY = "READY=1"
STOPPING = "STOPPING=1"

_log = Logger()


def notify(*assignments: str) -> None:
    """Tell whoever supervises this process, if anybody wants to know.

    Args:
        assignments: such as `READY`, or what `status` returns.
    """
    address = os.environ.get(NOTIFY_SOCKET, "")
    if not address:
        return
    if address.startswith("@"):  # an abstract name begins with a NUL
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messenger:
            # Never wait in the reactor's thread for somebody who does not read.
            messenger.setblocking(False)
            messenger.sendto("\n".join(assignments).encode(), address)
    except (OSError, ValueError) as error:
        _log.warn("{name}: {why}", name=NOTIFY_SOCKET, why=getattr(error, "strerror", error))


def status(text: str) -> str:
    """Return what tells people, in ``systemctl status``, what is going on; one line."""
    return f"STATUS={' '.join(text.split())}"
