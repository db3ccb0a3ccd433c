"""libssh, by ansible-pylibssh."""

import pytest

libssh = pytest.importorskip("pylibsshext.session")
errors = pytest.importorskip("pylibsshext.errors")


def connect(server, **options):
    """Connect as the code that is tested does."""
    session = libssh.Session()
    session.set_ssh_options("knownhosts", str(server.known_hosts))
    session.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        host_key_checking=True,
        **{"password": server.password, "look_for_keys": False, **options},
    )
    return session


def test_command(sshecho):
    """It runs a command, and learns how it ended."""
    sshecho.respond("make", stdout="cc main.c\n", stderr="main.c: lost\n", exit_status=2)
    session = connect(sshecho)
    done = session.new_channel().exec_command("make")
    assert (done.stdout, done.stderr, done.returncode) == (b"cc main.c\n", b"main.c: lost\n", 2)
    session.close()


def test_key(sshecho):
    """It logs in by key."""
    key = sshecho.private_key.read_bytes()
    connect(sshecho, password=None, private_key=key).close()
    assert sshecho.logins[-1].method == "publickey"


def test_another_host_key(sshecho):
    """A server that is not who it was gets no password."""
    with sshecho.misbehave("new-host-key"), pytest.raises(errors.LibsshSessionException):
        connect(sshecho)
    assert not sshecho.logins
