"""What a server for tests has seen, with real clients: once they know it, it is there."""

import base64
import hashlib
import socket
import subprocess

import asyncssh
import paramiko
import pytest
from entering import enter, inAsyncSSH, ssh
from serving import PATIENCE

from sshecho.testing import NeverSeen

OFTEN = 20
"""Times that something is done which must not come too early once."""


@pytest.fixture
def line(sshecho):
    """A connection to the line door, logged in."""
    with socket.create_connection((sshecho.host, sshecho.line_port), PATIENCE) as connection:
        connection.sendall(f"{sshecho.user} {sshecho.password}\r\n".encode())
        receive(connection, b"proceed.\r\n")
        yield connection


def receive(connection, end: bytes) -> bytes:
    """Return what comes, up to its end."""
    data = b""
    while not data.endswith(end):
        more = connection.recv(1 << 16)
        assert more, data
        data += more
    return data


def fingerprint(public: str) -> str:
    """Return a key's fingerprint, as people write it."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def test_logins(sshecho, need, private):
    """Who tried how, with which key, is known of each login, refused ones too, and no password."""
    need("ssh-keygen")
    other = private / "other"
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", other], check=True)
    for credential in ({"password": "no such word"}, {"user": "bob", "key": other}):
        with pytest.raises(paramiko.AuthenticationException):
            enter(sshecho, **credential)
    enter(sshecho, password=sshecho.password).close()
    enter(sshecho).close()
    inAsyncSSH(
        sshecho,
        lambda connection: connection.run("hello"),
        client_keys=None,
        password=sshecho.password,
        preferred_auth="keyboard-interactive",
    )
    with socket.create_connection((sshecho.host, sshecho.line_port), PATIENCE) as connection:
        connection.sendall(b"user wrong word\n")
        receive(connection, b"goodbye.\r\n")
    own = fingerprint(sshecho.private_key.with_suffix(".pub").read_text())
    foreign = fingerprint(other.with_suffix(".pub").read_text())
    seen = [(each.user, each.method, each.ok, each.key, each.door) for each in sshecho.logins]
    assert seen == [
        ("user", "password", False, None, "ssh"),
        ("bob", "publickey", False, foreign, "ssh"),
        ("user", "password", True, None, "ssh"),
        ("user", "publickey", True, own, "ssh"),
        ("user", "keyboard-interactive", True, None, "ssh"),
        ("user", "password", False, None, "line"),
    ]
    assert sshecho.logins[0].why == "wrong password"
    assert sshecho.logins[3].key_type == "ED25519"
    assert sshecho.logins[3].why == ""
    ids = [each.id for each in sshecho.connections]
    assert [each.connection for each in sshecho.logins] == ids
    everything = f"{sshecho.events}{sshecho.logins}{sshecho.connections}{sshecho.sessions}"
    for password in ("no such word", "wrong word", sshecho.password):
        assert password not in everything + sshecho.log


def test_connections(sshecho, need):
    """A connection's record has the client's version, what it offers, and what was agreed on."""
    need("ssh")
    ssh(
        sshecho,
        "x",
        options=["-oCiphers=aes128-ctr,aes256-ctr", "-oMACs=hmac-sha2-512-etm@openssh.com"],
    )
    [seen] = sshecho.connections
    assert seen.client_version.startswith("SSH-2.0-OpenSSH_")
    assert seen.offered["ciphers"] == ["aes128-ctr", "aes256-ctr"]
    assert seen.offered["macs"] == ["hmac-sha2-512-etm@openssh.com"]
    assert "curve25519-sha256" in seen.offered["kex"]
    assert not any(name.startswith(("ext-", "kex-")) for name in seen.offered["kex"])
    assert seen.algorithms["cipher"] == {"in": "aes128-ctr", "out": "aes128-ctr"}
    assert seen.algorithms["host_key"] == "ssh-ed25519"
    assert (seen.door, seen.user, seen.strict_kex) == ("ssh", "user", True)


@pytest.mark.sshecho(ciphers=["aes128-ctr"])
def test_why_connections_end(sshecho, need):
    """A connection's record says why it ended, whoever ended it."""
    need("ssh")
    assert ssh(sshecho, "x", options=["-oCiphers=aes256-ctr"]).returncode == 255
    assert ssh(sshecho, "x").returncode == 0
    with socket.create_connection((sshecho.host, sshecho.port), PATIENCE) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n" + b"x" * 300)
        while connection.recv(1000):
            pass
    silent = socket.create_connection((sshecho.host, sshecho.port), PATIENCE)
    silent.recv(1000)
    assert sshecho.connections[-1].open
    assert sshecho.connections[-1].client_version is None
    silent.close()
    sshecho.wait_for(lambda server: not any(each.open for each in server.connections))
    unagreed, left, foreign, gone = (each.why for each in sshecho.connections)
    assert "cipher" in unagreed
    assert left == "the client says: disconnected by user"
    assert "SSH" in foreign
    assert gone == ""
    assert sshecho.events[-1]["why"] == "the client has gone"


def test_commands(sshecho):
    """Once a client has an exit status, its session's record has all of it, each time."""
    with enter(sshecho) as client:
        for number in range(OFTEN):
            channel = client.get_transport().open_session()
            channel.exec_command(f"number {number}")
            assert channel.recv_exit_status() == 0
            seen = sshecho.sessions[-1]
            output = f"number {number}\n"
            assert (seen.request, seen.command) == ("exec", f"number {number}")
            assert (seen.exit_status, seen.exit_signal) == (0, None)
            assert (seen.bytes_in, seen.bytes_out) == (0, len(output))
            assert receiveAll(channel) == output.encode()
            assert not sshecho.sessions[-1].open
            assert len(sshecho.sessions) == number + 1


def receiveAll(channel) -> bytes:
    """Return all that comes until the channel's end."""
    parts = []
    while part := channel.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def test_each_step_of_a_session(sshecho):
    """Each request, each byte and the EOF are in the record once the client has its answer."""
    with enter(sshecho) as client:
        channel = client.get_transport().open_session()
        assert sshecho.sessions[0].request is None
        assert sshecho.sessions[0].open
        channel.set_environment_variable("LANG", "de_AT.UTF-8")
        with pytest.raises(paramiko.SSHException):
            channel.invoke_subsystem("sftp")
        channel = client.get_transport().open_session()
        channel.set_environment_variable("LANG", "de_AT.UTF-8")
        channel.invoke_shell()
        [refused, seen] = sshecho.sessions
        assert refused.requests == [("env", True), ("subsystem", False)]
        assert (refused.request, refused.subsystem) == (None, "sftp")
        assert (seen.request, seen.command, seen.env) == ("shell", None, {"LANG": "de_AT.UTF-8"})
        assert seen.requests == [("env", True), ("shell", True)]
        assert (seen.term, seen.window, seen.eof) == (None, None, False)
        for number in range(1, OFTEN):
            channel.sendall(bytes([number]) * 1000)
            data = b""
            while len(data) < 1000:
                data += channel.recv(1000)
            seen = sshecho.sessions[1]
            assert (seen.bytes_in, seen.bytes_out) == (number * 1000, number * 1000)
        assert seen.input == b"".join(bytes([number]) * 1000 for number in range(1, OFTEN))
        channel.shutdown_write()
        assert channel.recv_exit_status() == 0
        assert sshecho.sessions[1].eof


def test_much_input(sshecho):
    """Of what comes, 64 KiB are kept, and all of it is counted."""
    data = bytes(range(256)) * 1024
    with enter(sshecho) as client:
        sshecho.respond("eat", stdout="eaten", at_eof=True)
        channel = client.get_transport().open_session()
        channel.exec_command("eat")
        channel.sendall(data)
        channel.shutdown_write()
        assert receiveAll(channel) == b"eaten"
    seen = sshecho.sessions[-1]
    assert seen.input == data[: 64 * 1024]
    assert seen.bytes_in == len(data)


def test_terminals(sshecho):
    """A terminal's type, its modes and all its sizes are kept, and the signals that came."""

    async def use(connection):
        modes = {asyncssh.PTY_ECHO: 0, asyncssh.PTY_VINTR: 3}
        process = await connection.create_process(
            term_type="vt100", term_size=(81, 25), term_modes=modes, env={"LANG": "C"}
        )
        await process.stdout.readuntil("> ")
        [seen] = sshecho.sessions
        assert (seen.term, seen.window, seen.env) == ("vt100", (81, 25), {"LANG": "C"})
        assert seen.modes["ECHO"] == 0
        assert seen.modes["VINTR"] == 3
        process.change_terminal_size(100, 30)
        process.change_terminal_size(120, 40)
        process.send_signal("USR1")
        process.send_signal("INT")
        await process.stdout.readuntil("> ")
        process.send_signal("TERM")
        return await process.wait()

    done = inAsyncSSH(sshecho, use)
    assert done.exit_signal[0] == "TERM"
    [seen] = sshecho.sessions
    assert seen.windows == [(81, 25), (100, 30), (120, 40)]
    assert seen.window == (120, 40)
    assert seen.signals == ["USR1", "INT", "TERM"]
    assert (seen.exit_status, seen.exit_signal) == (None, "TERM")
    assert [granted for name, granted in seen.requests if name == "signal"] == [False, True, True]


def test_ssh_at_a_terminal(sshecho, need):
    """What OpenSSH asks for is there: its terminal, what it sends of its environment, and more."""
    need("ssh")
    options = ["-tt", "-A", "-oSetEnv=COLOR=blue"]
    assert ssh(sshecho, "top", options=options, input=b"").returncode == 0
    [seen] = sshecho.sessions
    assert (seen.term, seen.command) == ("xterm", "top")
    assert seen.env["COLOR"] == "blue"
    assert ("pty-req", True) in seen.requests
    assert ("exec", True) in seen.requests


def test_refused_requests(sshecho):
    """What is not granted is in the record of its session, with the rest of what was asked."""
    with enter(sshecho) as client:
        channel = client.get_transport().open_session()
        paramiko.agent.AgentRequestHandler(channel)
        channel.invoke_subsystem("inspect")
        assert b'"user": "user"' in receiveAll(channel)
    [seen] = sshecho.sessions
    assert seen.requests == [("auth-agent-req@openssh.com", False), ("subsystem", True)]
    assert (seen.request, seen.subsystem) == ("subsystem", "inspect")


def test_client_that_leaves(sshecho):
    """A session whose client leaves without a word has no exit status, and is not open."""
    client = enter(sshecho)
    channel = client.get_transport().open_session()
    channel.invoke_shell()
    channel.sendall(b"hello")
    assert channel.recv(100) == b"hello"
    client.get_transport().sock.shutdown(socket.SHUT_RDWR)
    sshecho.wait_for("connection.close")
    [seen] = sshecho.sessions
    assert (seen.open, seen.exit_status, seen.exit_signal, seen.eof) == (False, None, None, False)
    client.close()


def test_line_door(sshecho, line):
    """A login by a line is seen like any other, and so are its session's bytes and its end."""
    [seen] = sshecho.sessions
    assert (seen.door, seen.user, seen.request) == ("line", "user", "shell")
    assert (seen.open, seen.eof, seen.bytes_in) == (True, False, 0)
    for number in range(1, OFTEN):
        line.sendall(b"hello\n")
        receive(line, b"hello\n")
        [seen] = sshecho.sessions
        assert (seen.bytes_in, seen.bytes_out) == (6 * number, 6 * number)
    assert seen.input == b"hello\n" * (OFTEN - 1)
    line.shutdown(socket.SHUT_WR)
    assert line.recv(10) == b""
    [seen] = sshecho.sessions
    assert (seen.open, seen.eof) == (False, True)
    [connection] = sshecho.connections
    assert (connection.door, connection.user) == ("line", "user")
    assert connection.client_version is connection.algorithms is None
    assert seen.connection == connection.id == sshecho.logins[0].connection


def test_line_door_from_a_program(sshecho, need):
    """What nc sends, and gets back, is seen."""
    need("nc")
    done = subprocess.run(
        ["nc", "-N", sshecho.host, str(sshecho.line_port)],
        input=f"{sshecho.user} {sshecho.password}\nhello\n".encode(),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.stdout.endswith(b"proceed.\r\nhello\n"), done
    [seen] = sshecho.sessions
    assert (seen.input, seen.eof, seen.open) == (b"hello\n", True, False)


def test_names_from_the_network(sshecho):
    """What is no UTF-8 in what a client says is escaped, and kept."""
    with enter(sshecho) as client:
        channel = client.get_transport().open_session()
        channel.exec_command(b"caf\xe9 \xc3\xa9")
        channel.recv_exit_status()
    assert sshecho.sessions[0].command == "caf\\xe9 é"


def test_waiting(sshecho):
    """One waits for an event with what it has to have, or until a callable finds something."""
    with enter(sshecho) as client:
        client.exec_command("one")
        client.exec_command("two")
        event = sshecho.wait_for("session.close", command="two")
        assert (event["door"], event["exit_status"]) == ("ssh", 0)
        assert sshecho.wait_for(lambda server: server.sessions[1].command) in ("one", "two")
    with pytest.raises(TypeError, match="fields are for events"):
        sshecho.wait_for(lambda server: True, command="two")


def test_waiting_in_vain(sshecho):
    """What was not seen is told in few lines, with what was seen instead."""
    with pytest.raises(NeverSeen) as caught:
        sshecho.wait_for("logout", timeout=0)
    assert str(caught.value) == (
        "the event 'logout': not seen within 0 s\nnothing has happened: no client has come"
    )
    with enter(sshecho) as client:
        channel = client.get_transport().open_session()
        channel.exec_command("uptime")
        sshecho.wait_for("session.close")
        with pytest.raises(NeverSeen) as caught:
            sshecho.wait_for("session.close", timeout=0, command="downtime", exit_status=0)
        lines = str(caught.value).splitlines()
        assert lines[:5] == [
            "the event 'session.close' with command='downtime', exit_status=0: not seen within 0 s",
            "  it came with command='uptime', exit_status=0",
            "events: connection.open (1), login.ok (1), session.open (1), session.close (1)",
            "sessions:",
            "  ssh exec 'uptime' of user: 0 bytes in, 7 out, EOF, exit status 0, closed",
        ]
        assert lines[5] == "log:"
        assert lines[-1].endswith("'user' ended the command uptime with status 0")


def test_waiting_for_what_is_not_there_yet(sshecho):
    """A callable may look at the first session before there is one; what else it raises goes on."""
    with pytest.raises(NeverSeen, match=r"<lambda> \(line \d+ of .*test_records.py\)") as caught:
        sshecho.wait_for(lambda server: server.sessions[0].eof, timeout=0)
    assert isinstance(caught.value.__cause__, IndexError)
    with pytest.raises(ZeroDivisionError):
        sshecho.wait_for(lambda server: 1 // 0)


def test_events(sshecho):
    """The events are those of the audit log."""
    with enter(sshecho) as client:
        _, stdout, _ = client.exec_command("hello")
        stdout.read()
    sshecho.wait_for("connection.close")
    assert [event["event"] for event in sshecho.events] == [
        "connection.open",
        "login.ok",
        "session.open",
        "session.close",
        "logout",
        "connection.close",
    ]
    assert {event["connection"] for event in sshecho.events} == {sshecho.connections[0].id}
