"""HAProxy in front of the nodes, with the configuration that is there for people to adapt."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from clustering.place import BALANCER, DEPLOY, NODES, ClusterError, Ports
from clustering.program import Program, Show

PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
"""Where haproxy may lie; most people's PATH has no sbin."""


def configure(ports: Ports) -> str:
    """Return `haproxy.cfg` with the cluster's addresses.

    Raises:
        ClusterError: when it has none of an address that stands for one of them.
    """
    text = (DEPLOY / "haproxy" / "haproxy.cfg").read_text()
    examples = {
        "bind 192.0.2.10:2222": f"bind {BALANCER}:{ports.ssh}",
        "bind 192.0.2.10:8000": f"bind {BALANCER}:{ports.line}",
        "source 192.0.2.10": f"source {BALANCER}",
        "check port 9222": f"check port {ports.health}",
    }
    for name, example in zip(NODES, ("192.0.2.11", "192.0.2.12"), strict=True):
        for before, port in ((2022, ports.proxiedSSH), (8022, ports.proxiedLine)):
            examples[f"server {name} {example}:{before}"] = f"server {name} {NODES[name]}:{port}"
    for example, ours in examples.items():
        if example not in text:
            raise ClusterError(f"haproxy.cfg: {example!r} is not in it")
        text = text.replace(example, ours)
    return text


def startBalancer(ports: Ports, folder: Path, show: Show) -> Program:
    """Start HAProxy.

    Args:
        ports: where it listens, and the nodes do.
        folder: where its configuration goes.
        show: is given each line that it says.

    Raises:
        ClusterError: when it is not installed, or can't be started.
    """
    program = shutil.which("haproxy", path=PATH)
    if program is None:
        raise ClusterError("HAProxy is not installed (Debian: apt install haproxy)")
    path = folder / "haproxy.cfg"
    path.write_text(configure(ports))
    checked = subprocess.run(
        [program, "-c", "-q", "-f", str(path)], capture_output=True, text=True, check=False
    )
    if checked.returncode:
        raise ClusterError(f"haproxy.cfg: {checked.stderr.strip()}")
    # The master says when the worker listens.
    command = [program, "-W", "-f", str(path)]
    return Program("haproxy", command, os.environ, "Loading success", show)
