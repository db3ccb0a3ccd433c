"""Servers that ask for more than one method, with real clients."""

import asyncio
import subprocess

import asyncssh
import paramiko
import pytest

from sshecho.testing import Server


@pytest.fixture
def server(sshecho):
    sshecho.reset(auth_methods=["publickey,password", "publickey,keyboard-interactive"])
    return sshecho


def tries(server):
    return [(login.method, login.ok, login.why) for login in server.logins]


def test_paramiko(server):
    """Paramiko goes on with a password behind its key, and is let in by both only."""
    key = paramiko.Ed25519Key.from_private_key_file(str(server.private_key))
    with paramiko.Transport((server.host, server.port)) as client:
        client.start_client()
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            client.auth_password(server.user, server.password)
        assert refused.value.allowed_types == ["publickey"]
        left = client.auth_publickey(server.user, key)
        assert (left, client.is_authenticated()) == (["password", "keyboard-interactive"], False)
        assert client.auth_password(server.user, server.password) == []
        assert client.is_authenticated()
    assert tries(server)[1:] == [
        ("publickey", False, "more is asked for"),
        ("password", True, ""),
    ]


def test_openssh(server, need, askpass):
    """OpenSSH says so, and asks for the password."""
    done = subprocess.run(
        [
            *(need("ssh"), "-v", "-F", server.ssh_config, "-oBatchMode=no"),
            *("-oPreferredAuthentications=publickey,password", "sshecho", "hello"),
        ],
        capture_output=True,
        timeout=30,
        env={
            "SSH_ASKPASS": str(askpass),
            "SSH_ASKPASS_REQUIRE": "force",
            "SSHECHO_TEST_PASSWORD": server.password,
        },
    )
    assert done.stdout == b"hello\n", done.stderr
    assert b'using "publickey" with partial success' in done.stderr
    assert [login.key is None for login in server.logins] == [False, True]


def test_asyncssh(server):
    """Asyncssh goes through both by itself."""

    async def login():
        async with asyncssh.connect(
            server.host,
            server.port,
            username=server.user,
            password=server.password,
            client_keys=[server.private_key],
            known_hosts=str(server.known_hosts),
            config=None,
        ) as connection:
            return (await connection.run("hello")).stdout

    assert asyncio.run(login()) == "hello\n"
    assert tries(server)[0][0] == "publickey"
    assert tries(server)[-1][1:] == (True, "")


def test_another_user(server):
    """What one user has shown is nothing to another."""
    server.reset(auth_methods=["publickey,password"], users={"bob": "secret"})
    key = paramiko.Ed25519Key.from_private_key_file(str(server.private_key))
    with paramiko.Transport((server.host, server.port)) as client:
        client.start_client()
        assert client.auth_publickey(server.user, key) == ["password"]
        with pytest.raises(paramiko.BadAuthenticationType):
            client.auth_password("bob", "secret")
    assert not any(login.ok for login in server.logins)


def test_no_way():
    """A way that is none is refused, and said."""
    with pytest.raises(ValueError, match="auth_methods: 'none' is a way of its own"):
        Server(auth_methods=["publickey,none"]).start()
