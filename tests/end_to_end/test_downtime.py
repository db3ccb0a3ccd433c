"""A server for tests that is down for a while, with real clients."""

import socket

import paramiko
import pytest


def connect(server):
    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    key = {"key_filename": str(server.private_key), "allow_agent": False, "look_for_keys": False}
    client.connect(server.host, server.port, server.user, timeout=10, **key)
    return client


@pytest.fixture
def doors(sshecho):
    return [(sshecho.host, port) for port in (sshecho.port, sshecho.line_port)]


def test_down(sshecho, doors):
    """While it is down nobody gets in at either door; then it is back, with the same host key."""
    sshecho.respond("uptime", stdout="up\n")
    before = connect(sshecho)
    with sshecho.down():
        for door in doors:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(door)
        [connection] = sshecho.connections
        assert (connection.open, connection.why) == (False, "the server is down")
    before.close()
    with connect(sshecho) as client:
        assert client.exec_command("uptime")[1].read() == b"up\n"
    assert [login.ok for login in sshecho.logins] == [True, True]


def test_reset(sshecho, doors):
    """A server that is reset is up."""
    sshecho.down()
    sshecho.reset()
    connect(sshecho).close()
    with pytest.raises(ValueError, match="there is no such option"):
        sshecho.reset(nothing=1)
    connect(sshecho).close()


def test_reset_ends_all(sshecho):
    """Without a block of its own an outage lasts until the next reset."""
    with sshecho.down():
        sshecho.down()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sshecho.host, sshecho.port))
    sshecho.reset()
    connect(sshecho).close()


def test_nested(sshecho):
    """A server that is down twice is up when both are over."""
    with sshecho.down():
        with sshecho.down():
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((sshecho.host, sshecho.port))
    connect(sshecho).close()


def test_taken_meanwhile(sshecho_factory):
    """Of a server whose port somebody else has taken that is said; it is up once that is over."""
    server = sshecho_factory()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        outage = server.down()
        taken.bind((server.host, server.line_port))
        taken.listen()
        with pytest.raises(ValueError, match=r"line_port=\d+ at 127.0.0.1: Address already in use"):
            outage.__exit__(None, None, None)
    server.reset()
    for port in (server.port, server.line_port):
        socket.create_connection((server.host, port)).close()
