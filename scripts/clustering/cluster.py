"""The cluster: all of it, from start to end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from clustering.balancer import startBalancer
from clustering.node import Node
from clustering.place import NODES, Ports
from clustering.program import Program, Show
from clustering.store import Store, makeStore
from sshecho.ssh.hostkeys import makeHostKey


@dataclass
class Cluster:
    """A running cluster.

    Attributes:
        ports: where clients come in, at `BALANCER` and at each node's own address.
        store: the database.
        nodes: by their names.
        balancer: HAProxy.
        knownHosts: a file for ssh's UserKnownHostsFile.
        startNode: starts a node, by its name.
    """

    ports: Ports
    store: Store
    nodes: dict[str, Node]
    balancer: Program
    knownHosts: Path
    startNode: Callable[[str], None]


@contextmanager
def cluster(ports: Ports, show: Show, options: Sequence[str] = ()) -> Iterator[Cluster]:
    """Run a cluster until the end of the block; nothing is left of it then.

    Args:
        ports: where it listens.
        show: is given each line that its programs say.
        options: more options of each node.

    Raises:
        ClusterError: when it can't be started.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sshecho-cluster-")))
        keys = folder / "keys"
        key = makeHostKey(keys, "ed25519")
        knownHosts = folder / "known_hosts"
        knownHosts.write_text(f"* {key.path.with_suffix('.pub').read_text()}")
        store = stack.enter_context(makeStore(folder))
        nodes: dict[str, Node] = {}
        stack.callback(_stopAll, nodes)

        def startNode(name: str) -> None:
            nodes[name] = Node(name, ports, store, keys, folder, show, options)

        for name in NODES:
            startNode(name)
        balancer = startBalancer(ports, folder, show)
        stack.callback(balancer.stop)
        # The nodes end first, so that their goodbyes have a way to the clients.
        stack.callback(_stopAll, nodes)
        yield Cluster(ports, store, nodes, balancer, knownHosts, startNode)


def _stopAll(nodes: dict[str, Node]) -> None:
    for node in nodes.values():
        node.askToStop()
    for node in nodes.values():
        node.stop()
