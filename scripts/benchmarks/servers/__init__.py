"""The servers that can be measured: sshecho first, then each beside it."""

from benchmarks.servers import asyncssh, conch, dropbear, go, node, openssh, sshecho
from benchmarks.servers.server import Server

SERVERS = {
    each.SERVER.name: each.SERVER
    for each in (sshecho, conch, asyncssh, go, node, openssh, dropbear)
}

__all__ = ["SERVERS", "Server"]
