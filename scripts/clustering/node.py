"""A node: one sshecho of the cluster."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from clustering.place import BALANCER, NODES, Ports
from clustering.program import Program, Show
from clustering.store import Store


class Node(Program):
    """One sshecho, with the cluster's users and host keys.

    Args:
        name: one of `NODES`.
        ports: where it listens.
        store: where its users are.
        keys: the folder of the cluster's host keys, of which it has a copy.
        folder: where its own files go.
        show: is given each line that it says.
        options: more options of its own.

    Attributes:
        address: where it listens.
        audit: its audit log.
    """

    def __init__(
        self,
        name: str,
        ports: Ports,
        store: Store,
        keys: Path,
        folder: Path,
        show: Show,
        options: Sequence[str] = (),
    ) -> None:
        self.address = NODES[name]
        self.audit = folder / name / "audit.log"
        shutil.copytree(keys, folder / name / "keys", dirs_exist_ok=True)
        at = f"interface={self.address}"
        command = [
            *(sys.executable, "-m", "sshecho", "serve"),
            *("--ssh", f"tcp:{ports.ssh}:{at}", "--line", f"tcp:{ports.line}:{at}"),
            *("--ssh", f"haproxy:tcp:{ports.proxiedSSH}:{at}"),
            *("--line", f"haproxy:tcp:{ports.proxiedLine}:{at}"),
            *("--trusted-proxy", BALANCER, "--metrics", f"tcp:{ports.health}:{at}"),
            *("--auth", store.spec(), "--penalties", store.spec(), "--penalize-loopback"),
            *("--host-keys", str(folder / name / "keys"), "--audit", str(self.audit)),
            *options,
        ]
        environment = {**os.environ, "PGPASSFILE": str(store.passwords)}
        super().__init__(name, command, environment, "host key ", show)
