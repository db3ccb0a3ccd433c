"""Paramiko: a client that tries again, and what can go wrong with it."""

import socket

import pytest

import sshecho.testing

paramiko = pytest.importorskip("paramiko")


def connect(server, tries=1, **options):
    """Return a client that is logged in; this stands for the code that is tested."""
    login = {"password": server.password, "allow_agent": False, "look_for_keys": False}
    while True:
        client = paramiko.SSHClient()
        client.load_host_keys(str(server.known_hosts))
        try:
            client.connect(server.host, server.port, server.user, **{**login, **options})
            return client
        except (OSError, EOFError, paramiko.SSHException) as error:
            client.close()
            tries -= 1
            if not tries or denied(error):
                raise


def denied(error):
    """Whether the server said no: to Paramiko a connection that is lost is a denied login, too."""
    return isinstance(error, paramiko.AuthenticationException) and "EOF" not in str(error)


def test_password(sshecho):
    """It logs in by password, and the server's key is known."""
    with connect(sshecho):
        [login] = sshecho.logins
        assert (login.user, login.method, login.ok) == (sshecho.user, "password", True)


def test_key(sshecho):
    """It logs in by key."""
    with connect(sshecho, key_filename=str(sshecho.private_key), password=None):
        [login] = sshecho.logins
        assert (login.method, login.key_type) == ("publickey", "ED25519")


def test_key_then_password(sshecho):
    """A key that is not known is followed by the password."""
    with connect(sshecho, pkey=paramiko.ECDSAKey.generate()):
        tried = [(login.method, login.ok) for login in sshecho.logins]
        assert tried == [("publickey", False), ("password", True)]


def test_command(sshecho):
    """It runs a command, and reads its output, its errors and how it ended."""
    sshecho.respond("make", stdout="cc main.c\n", stderr="main.c: lost\n", exit_status=2)
    with connect(sshecho) as client:
        _, stdout, stderr = client.exec_command("make", environment={"LANG": "C"})
        assert stdout.read() == b"cc main.c\n"
        assert stderr.read() == b"main.c: lost\n"
        assert stdout.channel.recv_exit_status() == 2
    assert sshecho.sessions[0].env == {"LANG": "C"}


def test_input(sshecho):
    """It sends a file to a command, and its end."""
    sshecho.respond("wc -c", lambda session: f"{session.bytes_in}\n", at_eof=True)
    with connect(sshecho) as client:
        stdin, stdout, _ = client.exec_command("wc -c")
        stdin.write(b"four")
        stdin.channel.shutdown_write()
        assert stdout.read() == b"4\n"
    [session] = sshecho.sessions
    assert (session.input, session.eof) == (b"four", True)


def test_terminal(sshecho):
    """It has a terminal, which is resized."""
    with connect(sshecho) as client:
        shell = client.invoke_shell("xterm", width=80, height=24)
        shell.resize_pty(width=132, height=43)
        sshecho.wait_for(lambda server: server.sessions[0].window == (132, 43))
    [session] = sshecho.sessions
    assert (session.term, session.windows) == ("xterm", [(80, 24), (132, 43)])


def test_tries_again(sshecho):
    """A connection that is lost before the login is made again."""
    sshecho.misbehave("drop-at", "auth", connections=1)
    with connect(sshecho, tries=2) as client:
        assert client.exec_command("hello")[1].read() == b"hello\n"
    assert len(sshecho.connections) == 2


def test_lost_in_the_middle(sshecho):
    """Output that breaks off is no output: there is no exit status."""
    sshecho.respond("cat log", stdout="x" * 10_000)
    with connect(sshecho) as client, sshecho.misbehave("drop-after", 4096):
        _, stdout, _ = client.exec_command("cat log")
        assert len(stdout.read()) == 4096
        assert stdout.channel.recv_exit_status() == -1


@pytest.mark.parametrize("stage", ["version", "kex", "auth"])
def test_time_out(sshecho, stage):
    """A server that hangs is left."""
    timeouts = dict.fromkeys(["timeout", "banner_timeout", "auth_timeout"], 0.2)
    with sshecho.misbehave("hang", stage), pytest.raises((TimeoutError, paramiko.SSHException)):
        connect(sshecho, **timeouts)


def test_command_that_hangs(sshecho):
    """A command that does not end is given up."""
    sshecho.respond("sleep 60", after=60)
    with connect(sshecho) as client:
        _, stdout, _ = client.exec_command("sleep 60", timeout=0.1)
        with pytest.raises(socket.timeout):
            stdout.read()


def test_denied(sshecho):
    """A wrong password is not tried again."""
    with pytest.raises(paramiko.AuthenticationException):
        connect(sshecho, tries=3, password="wrong")
    [login] = sshecho.logins
    assert not login.ok


def test_another_host_key(sshecho):
    """A server that is not who it was gets no password."""
    with sshecho.misbehave("new-host-key"), pytest.raises(paramiko.BadHostKeyException):
        connect(sshecho)
    assert not sshecho.logins


@pytest.mark.sshecho(kex=["diffie-hellman-group14-sha1"], host_keys=["ssh-rsa"])
def test_old_server(sshecho):
    """A server that knows nothing but SHA-1 is refused."""
    with pytest.raises(paramiko.SSHException, match="no acceptable"):
        connect(sshecho)


@sshecho.testing.matrix("ciphers")
def test_ciphers(sshecho):
    """It takes each cipher that it says it offers, and refuses the others."""
    [cipher] = sshecho.options["ciphers"]
    if cipher in paramiko.Transport._preferred_ciphers:
        with connect(sshecho):
            assert sshecho.connections[0].algorithms["cipher"]["in"] == cipher
    else:
        with pytest.raises(paramiko.SSHException, match="no acceptable ciphers"):
            connect(sshecho)
