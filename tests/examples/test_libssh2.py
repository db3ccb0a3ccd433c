"""libssh2, by ssh2-python."""

import socket

import pytest

ssh2 = pytest.importorskip("ssh2.session")
knownhost = pytest.importorskip("ssh2.knownhost")
errors = pytest.importorskip("ssh2.exceptions")


def connect(server, password=None):
    """Connect as the code that is tested does."""
    link = socket.create_connection((server.host, server.port), timeout=10)
    session = ssh2.Session()
    session.handshake(link)
    hosts = session.knownhost_init()
    hosts.readfile(str(server.known_hosts))
    key, _ = session.hostkey()
    kind = knownhost.LIBSSH2_KNOWNHOST_TYPE_PLAIN | knownhost.LIBSSH2_KNOWNHOST_KEYENC_RAW
    hosts.checkp(server.host.encode(), server.port, key, kind)
    session.userauth_password(server.user, password or server.password)
    return session


def test_command(sshecho):
    """It runs a command, and learns how it ended."""
    sshecho.respond("make", stdout="cc main.c\n", exit_status=2)
    session = connect(sshecho)
    channel = session.open_session()
    channel.execute("make")
    assert channel.read()[1] == b"cc main.c\n"
    channel.wait_eof()
    channel.close()
    channel.wait_closed()
    assert channel.get_exit_status() == 2
    session.disconnect()


def test_another_host_key(sshecho):
    """A server that is not who it was gets no password."""
    with sshecho.misbehave("new-host-key"), pytest.raises(errors.KnownHostError):
        connect(sshecho)
    assert not sshecho.logins


def test_denied(sshecho):
    """A wrong password is an error of its own."""
    with pytest.raises(errors.AuthenticationError):
        connect(sshecho, password="wrong")
