"""What sessions and logins cost in a cluster: ``scripts/deploy/cluster --measure N``.

N clients log in by key through HAProxy, one after the other in each of four processes, and stay
idle. Then one node is killed, and its clients log in again at once. Clients, HAProxy, nodes and
database share the machine, so CPU counts, and the time that all of it took is an upper bound.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from attacking.attacker import Target
from benchmarks import processes
from benchmarks.progress import clear, say
from benchmarks.table import markdown
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key

from clustering.cluster import Cluster, cluster
from clustering.crowd import Crowd
from clustering.place import BALANCER, Ports

USER = "crowd"
KEEPALIVE = 5
"""Seconds between probes, so that there are many in a short time."""
SECONDS = 20
"""For which idle sessions are watched."""
SOCKETS = 4
"""Sockets of a session: the client's, two of HAProxy's, and the node's."""


@dataclass(frozen=True)
class Use:
    """What was used so far.

    Attributes:
        cpu: seconds, by program.
        memory: KiB, by program.
        kernel: KiB of the kernel's objects, of all the machine.
    """

    cpu: dict[str, float]
    memory: dict[str, float]
    kernel: float


def measure(ports: Ports, count: int) -> str:
    """Return a table of what so many sessions cost.

    Args:
        ports: where the cluster listens.
        count: how many sessions.
    """
    key = Key(Ed25519PrivateKey.generate())
    target = Target(BALANCER, ports.ssh, ports.line, user=USER.encode(), key=key)
    room = ("--max-startups", "1000", "--max-connections", "100000", "--keepalive", str(KEEPALIVE))
    with cluster(ports, lambda _: None, room) as running:
        running.store.addUser(USER, "not used")
        running.store.addKey(USER, key.public().toString("OPENSSH").decode())
        say("warming up")
        with closing(Crowd(target, 40)):
            time.sleep(2)
        time.sleep(2)
        say(f"{count} logins")
        before = use(running)
        with closing(Crowd(target, count)) as crowd:
            time.sleep(2)
            logged = use(running)
            say(f"idle for {SECONDS} s")
            crowd.probes()
            idle = use(running)
            time.sleep(SECONDS)
            probed = use(running)
            probes = crowd.probes()
            say("one node is killed")
            running.nodes["node1"].kill()
            time.sleep(2)
            killed = use(running)
            again, seconds = crowd.comeBack()
            back = use(running)
    clear()
    return table(
        [
            *logins("a login by key", before, logged, count),
            *sessions(before, logged, count),
            *probing(idle, probed, probes),
            ("sessions of the node that was killed", f"{again:,}"),
            ("seconds until all were back", f"{seconds:.1f}"),
            *logins("a login then", killed, back, again),
        ]
    )


def table(rows: list[tuple[str, str]]) -> str:
    """Return the table."""
    return markdown(["", "measured"], rows)


def logins(what: str, before: Use, after: Use, count: int) -> list[tuple[str, str]]:
    """Return what logins have cost, each."""
    cpu = spent(before, after, count, 1e3)
    return [(f"{what}: CPU ms, {name}", f"{each:.2f}") for name, each in cpu.items()]


def sessions(before: Use, after: Use, count: int) -> list[tuple[str, str]]:
    """Return what idle sessions hold, each."""
    rows = [
        (
            f"an idle session: KiB, {name}",
            f"{(after.memory[name] - before.memory[name]) / count:.1f}",
        )
        for name in ("nodes", "haproxy")
    ]
    kernel = (after.kernel - before.kernel) / count / SOCKETS
    return [*rows, ("a socket of it: KiB of the kernel's", f"{kernel:.1f}")]


def probing(before: Use, after: Use, probes: int) -> list[tuple[str, str]]:
    """Return what probes have cost, each."""
    cpu = spent(before, after, probes, 1e6)
    return [
        (f"a probe and its answer: CPU us, {name}", f"{cpu[name]:.0f}")
        for name in ("nodes", "haproxy")
    ]


def spent(before: Use, after: Use, count: int, unit: float) -> dict[str, float]:
    """Return the CPU for each, by program."""
    return {name: (after.cpu[name] - before.cpu[name]) / count * unit for name in before.cpu}


def use(running: Cluster) -> Use:
    """Return what was used so far."""
    folder = running.store.server.folder
    pids = {
        "nodes": [node.process.pid for node in running.nodes.values() if node.runs],
        "haproxy": [running.balancer.process.pid],
        "postgresql": [int((folder / "postmaster.pid").read_text().split()[0])],
    }

    def each(measured: Callable[[int], float]) -> dict[str, float]:
        return {name: sum(map(measured, found)) for name, found in pids.items()}

    return Use(each(cpu), each(memory), kernel())


def cpu(pid: int) -> float:
    """Return the CPU of a process and of all below it."""
    return processes.cpu(pid) + time.clock_gettime(processes.cpuClock(pid))


def memory(pid: int) -> float:
    """Return the KiB of a process and of all below it."""
    return processes.sharedFairly(pid) + (processes.memory(pid) or 0)


def kernel() -> float:
    """Return the KiB of the kernel's objects, sockets among them."""
    found = re.search(r"^Slab:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    assert found is not None
    return float(found[1])
