"""The welcome: what is said at the start, so that a person knows how to log in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

from sshecho.people import peerName
from sshecho.service.doors import Door
from sshecho.ssh.hostkeys import HostKey


def welcome(
    doors: Sequence[Door],
    hostKeys: Sequence[HostKey],
    demonstration: tuple[str, str] | None,
    proxies: Sequence[IPv4Network | IPv6Network] = (),
) -> Iterator[str]:
    """Yield the lines to say once the doors are open.

    Args:
        doors: the open doors.
        hostKeys: those of the SSH door.
        demonstration: user and password of the demonstration login, if that is what is served.
        proxies: the networks of proxies that are trusted.
    """
    if demonstration:
        user, password = demonstration
        yield f"demonstration: the user is {user}, the password is {password} (--auth for others)"
    user = demonstration[0] if demonstration else "USER"
    for door in doors:
        how = _how(door, user)
        if door.proxied:
            how = f"for the proxies of {', '.join(map(_network, proxies))}"
        yield f"{door.kind} door at {door}: {how}"
    for host in hostKeys:
        yield f"host key {host} from {shlex.quote(str(host.path))}"


def _how(door: Door, user: str) -> str:
    """Return what a person types to get to a door."""
    if isinstance(door.address, UNIXAddress):
        there = f"nc -U {shlex.quote(peerName(door.address).removeprefix('unix:'))}"
        if door.kind == "ssh":
            return f"ssh -o ProxyCommand={shlex.quote(there)} {user}@localhost"
        return f"{there}, then user and password on one line"
    host, port = _hostAndPort(door.address)
    if door.kind == "ssh":
        return f"ssh -p {port} {user}@{host}"
    if door.tls:
        return f"openssl s_client -quiet -connect {host}:{port}, then user and password on one line"
    return f"telnet {host} {port}, then user and password on one line"


def _network(network: IPv4Network | IPv6Network) -> str:
    """Return a network as people write it, who leave out that an address is one."""
    return str(network[0] if network.num_addresses == 1 else network)


def _hostAndPort(address: IAddress) -> tuple[str, object]:
    host, port = getattr(address, "host", None), getattr(address, "port", "PORT")
    if host is None or ip_address(host).is_unspecified:
        return "HOST", port
    return "localhost" if host == "127.0.0.1" else host, port
