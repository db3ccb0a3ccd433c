"""Two servers: a client that goes to the other one when the first is out of order."""

import pytest

paramiko = pytest.importorskip("paramiko")


def connectToAny(servers, known_hosts):
    """Return a client of the first server that lets it in; this stands for the tested code."""
    for server in servers:
        client = paramiko.SSHClient()
        client.load_host_keys(str(known_hosts))
        try:
            client.connect(
                server.host,
                server.port,
                server.user,
                password=server.password,
                banner_timeout=2,
                allow_agent=False,
                look_for_keys=False,
            )
            return client
        except (OSError, EOFError, paramiko.SSHException):
            client.close()
    raise ConnectionError("there is no server left")


@pytest.fixture
def servers(sshecho_factory):
    """Two servers, each with a process, ports and keys of its own."""
    return sshecho_factory(), sshecho_factory(version="SSH-2.0-OpenSSH_7.4")


@pytest.fixture
def known_hosts(servers, tmp_path):
    """A file of both servers' host keys."""
    file = tmp_path / "known_hosts"
    file.write_text("".join(server.known_hosts.read_text() for server in servers))
    return file


def test_first(servers, known_hosts):
    """The first is preferred."""
    connectToAny(servers, known_hosts).close()
    assert [len(server.logins) for server in servers] == [1, 0]


def test_gone(servers, known_hosts):
    """The second is taken when the first is gone."""
    servers[0].close()
    connectToAny(servers, known_hosts).close()
    assert servers[1].logins[0].ok


@pytest.mark.parametrize("fault", ["hang=version", "drop-at=kex", "garbage=version"])
def test_out_of_order(servers, known_hosts, fault):
    """The second is taken when the first misbehaves."""
    servers[0].misbehave(fault)
    connectToAny(servers, known_hosts).close()
    assert [len(server.logins) for server in servers] == [0, 1]


def test_none_left(servers, known_hosts):
    """When all deny it, there is an end."""
    for server in servers:
        server.misbehave("deny", 100)
    with pytest.raises(ConnectionError):
        connectToAny(servers, known_hosts)
    assert all(server.logins for server in servers)
