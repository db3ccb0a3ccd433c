"""A first test."""

import paramiko


def test_uptime(sshecho):
    sshecho.respond("uptime", stdout="up 3 days\n")
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(sshecho.known_hosts))
        login = {"username": sshecho.user, "password": sshecho.password, "look_for_keys": False}
        client.connect(sshecho.host, sshecho.port, allow_agent=False, **login)
        _, stdout, _ = client.exec_command("uptime", environment={"LANG": "C"})
        assert stdout.read() == b"up 3 days\n"
    [session] = sshecho.sessions
    assert (session.command, session.env) == ("uptime", {"LANG": "C"})
