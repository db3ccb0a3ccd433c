"""Where a cluster is: addresses and ports of loopback."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "scripts" / "deploy"
"""The folder of the configuration files."""
BALANCER: Final = "127.0.0.10"
NODES: Final = {"node1": "127.0.0.11", "node2": "127.0.0.12"}


@dataclass(frozen=True)
class Ports:
    """The ports, which are the same at each address.

    Attributes:
        ssh, line: the doors for clients, HAProxy's and each node's own.
        proxiedSSH, proxiedLine: a node's doors for HAProxy.
        health: where a node tells whether it is well.
    """

    ssh: int = 2222
    line: int = 8000
    proxiedSSH: int = 2022
    proxiedLine: int = 8022
    health: int = 9222


class ClusterError(Exception):
    """A cluster that can't be: one line that says why."""
