"""What people are told."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from sshecho.people import peerName, userName


def test_peer_name():
    """An address is written as people write it."""
    assert peerName(IPv4Address("TCP", "192.0.2.1", 22)) == "192.0.2.1:22"
    assert peerName(IPv6Address("TCP", "2001:db8::1", 22)) == "[2001:db8::1]:22"
    assert peerName(UNIXAddress("/run/x")) == "unix:/run/x"


def test_peer_name_of_a_client_without_a_name():
    """A UNIX socket's client mostly has no name; one that it has can't steer a terminal."""
    assert peerName(UNIXAddress(None)) == peerName(UNIXAddress("")) == "unix"
    assert peerName(UNIXAddress("\0ab")) == "unix:@ab"
    assert peerName(UNIXAddress("/\x1b\n")) == r"unix:/\x1b\n"


def test_peer_name_at_a_socket_for_both():
    """An IPv4 client has the same name at an IPv6 socket as at an IPv4 one."""
    assert peerName(IPv6Address("TCP", "::ffff:192.0.2.1", 22)) == "192.0.2.1:22"


def test_user_name():
    """A name is quoted, and what is odd in it can't steer a terminal or forge a line."""
    assert userName("\u00fcser".encode()) == "'\u00fcser'"
    assert userName(b"x" * 1000) == repr("x" * 100) + "..."
    assert userName(b"a\nb\x1b[2J\xff") == r"'a\nb\x1b[2J\\xff'"
