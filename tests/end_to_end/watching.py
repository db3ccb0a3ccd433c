"""What a server under attack uses, and whether the others notice."""

from __future__ import annotations

import time
from contextlib import contextmanager

from attacking.attacker import Attacker, Target, receive
from benchmarks import processes

MIB = 1 << 20
OTHER = "127.0.0.2"
"""The address that attacks come from, if it matters."""


def target(server, source="127.0.0.1", **more) -> Target:
    """Return a running server as an attacker sees it."""
    return Target("127.0.0.1", server.ssh_port, server.line_port, source, **more)


def memory(server) -> int:
    """Return the server's memory in bytes."""
    return processes.resident(server.process.pid)


def cpu(server) -> float:
    """Return the seconds that the server has had of the processors."""
    return time.clock_gettime(processes.cpuClock(server.process.pid))


def descriptors(server) -> int:
    """Return how many descriptors the server has open."""
    return processes.descriptors(server.process.pid)


@contextmanager
def cheap(server, *, mib=2, seconds=1.0):
    """See to it that what is done costs a server little memory and time.

    Both doors have been used before, so that what is loaded for that does not count.
    """
    target(server).lineSession().close()
    Attacker(target(server)).login().shell().socket.close()
    before, began = memory(server), cpu(server)
    yield
    assert memory(server) - before <= mib * MIB
    assert cpu(server) - began <= seconds


def echoes(session) -> bool:
    """Whether a session at the line door still echoes."""
    session.sendall(b"are you there?")
    return receive(session, 14) == b"are you there?"
