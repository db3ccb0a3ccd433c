"""What people are told."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from sshecho.people import peerName, userName


def test_peer_name():
    """An address is written as people write it."""
    assert peerName(IPv4Address("TCP", "192.0.2.1", 22)) == "192.0.2.1:22"
    assert peerName(IPv6Address("TCP", "2001:db8::1", 22)) == "[2001:db8::1]:22"
    assert "/run/x" in peerName(UNIXAddress("/run/x"))


def test_user_name():
    """A name is quoted, and what is odd in it can't steer a terminal or forge a line."""
    assert userName("\u00fcser".encode()) == "'\u00fcser'"
    assert userName(b"x" * 1000) == repr("x" * 100) + "..."
    assert userName(b"a\nb\x1b[2J\xff") == r"'a\nb\x1b[2J\\xff'"
