"""Run a whole cluster on this machine, for trying it out.

A PostgreSQL of its own, two sshecho nodes at 127.0.0.11 and 127.0.0.12 that share users, host keys
and penalties, and HAProxy at 127.0.0.10 in front of them, with the files of scripts/deploy. Ctrl-C
ends it, and nothing is left of it then. Linux only: elsewhere loopback has one address.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time

from clustering.cluster import Cluster, cluster
from clustering.measuring import measure
from clustering.place import BALANCER, NODES, ROOT, ClusterError, Ports
from clustering.store import WRITER
from sshecho.tap.options import DEMONSTRATION

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends it all."""


def main(arguments: list[str]) -> int:
    """Run the cluster until it is interrupted; return the exit status."""
    options = parser().parse_args(arguments)
    ports = Ports(
        options.ssh, options.line, options.proxied_ssh, options.proxied_line, options.health
    )
    try:
        if options.measure:
            print(measure(ports, options.measure))
            return 0
        with cluster(ports, say) as running:
            user, password = DEMONSTRATION
            running.store.addUser(user, password)
            print(instructions(running), flush=True)
            return watch(running)
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1


def say(line: str) -> None:
    """Show what a program says."""
    print(line, file=sys.stderr, flush=True)


def instructions(running: Cluster) -> str:
    """Return what can be done with a cluster."""
    user, password = DEMONSTRATION
    ssh, line = running.ports.ssh, running.ports.line
    sshecho = shlex.quote(f"{ROOT}/.venv/bin/sshecho")
    passwd = f"PGPASSFILE={shlex.quote(str(running.store.passwords))} {sshecho} passwd"
    known = f"-o UserKnownHostsFile={shlex.quote(str(running.knownHosts))}"
    nodes = "\n".join(
        f"{name} itself: ssh -p {ssh} {known} {user}@{address}; its audit log:"
        f" {running.nodes[name].audit}; kill -9 {running.nodes[name].process.pid}"
        for name, address in NODES.items()
    )
    return f"""
The cluster is open. The user is {user}, the password is {password}.
log in:         ssh -p {ssh} {known} {user}@{BALANCER}
by line:        telnet {BALANCER} {line}, then user and password on one line
as another:     ssh -b 127.0.0.5 ..., from one of loopback's other addresses
add a user:     {passwd} --auth {running.store.spec(WRITER)} alice
{nodes}
Ctrl-C ends it all.
"""


def watch(running: Cluster) -> int:
    """Wait; a node may go, but not HAProxy.

    Returns:
        The exit status, once it is over.
    """
    gone: set[str] = set()
    while running.balancer.runs:
        for name, node in running.nodes.items():
            if not node.runs and name not in gone:
                gone.add(name)
                say(f"{name} has gone (status {node.process.returncode}); the others go on")
        time.sleep(0.5)
    say("haproxy has gone")
    return 1


def interrupt(*_: object) -> None:
    """End, once: a second signal would keep what is being cleared away from being so."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(
        "scripts/deploy/cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usual = Ports()
    for option, default, what in (
        ("--ssh", usual.ssh, "SSH, at each address"),
        ("--line", usual.line, "the line door, at each address"),
        ("--proxied-ssh", usual.proxiedSSH, "the nodes' SSH for HAProxy"),
        ("--proxied-line", usual.proxiedLine, "the nodes' line door for HAProxy"),
        ("--health", usual.health, "where the nodes tell HAProxy whether they are well"),
    ):
        made.add_argument(
            option, type=int, default=default, metavar="PORT", help=f"{what}: {default}"
        )
    made.add_argument(
        "--measure", type=int, metavar="N", help="what N idle sessions and their logins cost"
    )
    return made


if __name__ == "__main__":
    for number in SIGNALS:
        signal.signal(number, interrupt)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
