"""Fabric: commands, sudo's question, and what happens to files."""

import io

import pytest

fabric = pytest.importorskip("fabric")
invoke = pytest.importorskip("invoke")
paramiko = pytest.importorskip("paramiko")


@pytest.fixture
def connection(sshecho):
    """A connection, as the code that is tested makes it."""
    config = fabric.Config(
        overrides={"load_ssh_configs": False, "run": {"hide": True, "in_stream": False}}
    )
    made = fabric.Connection(
        sshecho.host,
        user=sshecho.user,
        port=sshecho.port,
        config=config,
        inline_ssh_env=False,
        connect_kwargs={"key_filename": str(sshecho.private_key), "allow_agent": False},
    )
    made.client.load_host_keys(str(sshecho.known_hosts))
    made.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    with made:
        yield made


def test_run(sshecho, connection):
    """A command's output and environment are as they should be."""
    sshecho.respond("uname", "Plan 9\n")
    connection.config.run.env = {"LANG": "C"}
    assert connection.run("uname").stdout == "Plan 9\n"
    assert sshecho.sessions[0].env == {"LANG": "C"}


def test_failure(sshecho, connection):
    """A command that fails raises."""
    sshecho.respond("false", stderr="no\n", exit_status=1)
    with pytest.raises(invoke.UnexpectedExit) as raised:
        connection.run("false")
    assert (raised.value.result.exited, raised.value.result.stderr) == (1, "no\n")


@pytest.mark.parametrize("pty", [False, True])
def test_sudo(sshecho, connection, pty):
    """It answers sudo's question."""
    command = "sudo -S -p '[sudo] password: ' whoami"
    sshecho.respond(command, ask="[sudo] password: ", stdout="root\n")
    done = connection.sudo("whoami", password="hush", pty=pty)
    assert done.stdout.splitlines()[-1] == "root"
    assert sshecho.sessions[0].input == b"hush\n"


def test_put(sshecho, connection):
    """The server has no sftp: putting a file is refused, and the connection goes on."""
    with pytest.raises(paramiko.SSHException, match="Channel closed"):
        connection.put(io.StringIO("text"), "/tmp/file")
    assert sshecho.sessions[0].requests == [("subsystem", False)]
    assert connection.run("hello").stdout == "hello\n"


def test_many(sshecho_factory):
    """A group of servers is asked, and the one that is down is told of."""
    up, down = sshecho_factory(), sshecho_factory(faults=["deny=100"])
    group = fabric.ThreadingGroup.from_connections(
        fabric.Connection(
            server.host,
            user=server.user,
            port=server.port,
            connect_kwargs={"password": server.password, "look_for_keys": False},
        )
        for server in (up, down)
    )
    with pytest.raises(fabric.exceptions.GroupException) as raised:
        group.run("uptime", hide=True, in_stream=False)
    assert [done.stdout for done in raised.value.result.succeeded.values()] == ["uptime\n"]
    assert [each.port for each in raised.value.result.failed] == [down.port]
    group.close()
