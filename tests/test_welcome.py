"""The welcome."""

from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.ssh.keys import Key
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from sshecho.service.welcome import welcome
from sshecho.ssh.hostkeys import HostKey


def said(name, address, tls=False, demonstration=None) -> list[str]:
    door = SimpleNamespace(kind=name, address=address, tls=tls, proxied=False)
    return list(welcome([door], [], demonstration))


@pytest.mark.parametrize(
    ("name", "address", "tls", "how"),
    [
        ("ssh", IPv4Address("TCP", "127.0.0.1", 2222), False, "ssh -p 2222 USER@localhost"),
        ("ssh", IPv4Address("TCP", "0.0.0.0", 22), False, "ssh -p 22 USER@HOST"),
        ("ssh", IPv6Address("TCP", "::1", 22), False, "ssh -p 22 USER@::1"),
        ("line", IPv4Address("TCP", "192.0.2.1", 8000), False, "telnet 192.0.2.1 8000"),
        ("line", IPv4Address("TCP", "127.0.0.1", 1), True, "openssl s_client"),
        ("line", UNIXAddress("/run/x"), False, ": nc -U /run/x, then user"),
        ("ssh", UNIXAddress("/a b"), False, "ssh -o ProxyCommand="),
    ],
)
def test_how_to_log_in(name, address, tls, how):
    """For each door there is a command that a person can type."""
    [line] = said(name, address, tls)
    assert how in line


def test_proxied():
    """A door that is for proxies is said to be, and for which."""
    address = IPv4Address("TCP", "192.0.2.1", 22)
    door = SimpleNamespace(kind="ssh", address=address, tls=False, proxied=True)
    proxies = [ip_network("192.0.2.7"), ip_network("2001:db8::/32")]
    [line] = welcome([door], [], None, proxies)
    assert line.endswith(": for the proxies of 192.0.2.7, 2001:db8::/32")


def test_demonstration():
    """The demonstration login is said first, and stands in the commands."""
    first, second = said("ssh", IPv4Address("TCP", "127.0.0.1", 1), False, ("user", "pass"))
    assert "the user is user, the password is pass" in first
    assert "user@localhost" in second


def test_host_key():
    """Each host key is said with fingerprint, type and path, as ssh shows it."""
    key = HostKey(Path("/keys/a b"), Key(ed25519.Ed25519PrivateKey.generate()))
    [line] = welcome([], [key], None)
    assert line.startswith("host key SHA256:")
    assert line.endswith("(ED25519) from '/keys/a b'")
