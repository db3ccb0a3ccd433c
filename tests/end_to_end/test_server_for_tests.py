"""A server for tests without pytest: how it is started, what keeps it from that, how it ends."""

import gc
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest
from entering import enter, ssh
from serving import PATIENCE, environment

from sshecho.testing import Server, ServerError


@pytest.fixture(scope="module")
def running():
    """A server that runs, for tests that leave it as it is."""
    with Server() as server:
        yield server


def test_start_and_close(need):
    """In a with block, or from start to close, ssh gets its echo; then nothing is left."""
    need("ssh")
    with Server() as server:
        assert server.running
        assert ssh(server, "hello").stdout == b"hello\n"
        folder, pid = server.ssh_config.parent, server._process.pid
        process = server._process._process
    assert process.returncode == 0  # by itself
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert "'user' began the command hello" in server.log
    server.start()  # once more, elsewhere
    try:
        assert ssh(server, "hello").stdout == b"hello\n"
        assert len(server.sessions) == 1
    finally:
        server.close()
    server.close()
    assert not server.running


def test_twice(running):
    """A server that runs is not started once more."""
    with pytest.raises(ServerError, match="the server runs already"):
        running.start()
    assert running.running


@pytest.mark.parametrize("after", [False, True], ids=["before the start", "after the end"])
def test_out_of_time(after):
    """Before its start and after its end a server says to whatever is asked that it is not."""
    server = Server()
    if after:
        server.start().close()
    for ask in (
        lambda: server.events,
        lambda: server.logins,
        lambda: server.connections,
        lambda: server.sessions,
        lambda: server.private_key,
        lambda: server.known_hosts,
        lambda: server.ssh_config,
        lambda: server.lacking,
        lambda: server.wait_for("logout"),
        lambda: server.wait_for(lambda server: server.sessions),
        lambda: server.respond("x", "y"),
        lambda: server.respond("x", lambda session: "y"),
        lambda: server.misbehave("slow=1"),
        lambda: server.authorize("key"),
        server.down,
        server.reset,
    ):
        with pytest.raises(ServerError, match="is closed" if after else "use it in a with stat"):
            ask()
    assert server.log == ""
    server.close()


@pytest.mark.parametrize("name", ["port", "line_port"])
def test_port_that_is_taken(name):
    """A port that is taken is named, with what can be done."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServerError) as caught, Server(**{name: port}):
            pass
    assert str(caught.value) == (
        f"the server can't be started: {name}={port} at 127.0.0.1: Address already in use; "
        "leave the port out, and a free one is taken"
    )


def test_port_of_ones_own(running):
    """A port may be asked for, and is had again after an end."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    for _ in range(2):
        with Server(port=port) as server:
            assert server.port == port
            enter(server).close()


def test_port_that_needs_permission(need):
    """Whoever may not have a low port is told so."""
    start = "from sshecho.testing import Server; Server(port=1).start()"
    command = [sys.executable, "-c", start]
    if os.geteuid() == 0:
        without = ["--bounding-set=-net_bind_service", "--inh-caps=-all"]
        command = [need("setpriv"), *without, *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode == 0:
        pytest.skip("low ports are for everybody here")
    assert done.stderr.splitlines()[-1] == (
        "sshecho.testing.errors.ServerError: the server can't be started: port=1 at 127.0.0.1: "
        "Permission denied; ports below 1024 are for root: leave the port out, and a free one is "
        "taken"
    )


@pytest.mark.parametrize("port", [-1, 65536, "22", None])
def test_no_port(port):
    """A port that there is not is an error at once."""
    with pytest.raises(ValueError, match=re.escape(f"port={port!r}: it is from 0")):
        Server(port=port).start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "localhost", "", "::"])
def test_hosts_that_are_not_loopback(host):
    """Only loopback is served, whose address is given."""
    with pytest.raises(ServerError, match=re.escape(f"host={host!r}: a server for tests is for")):
        Server(host=host).start()


def test_other_hosts(need):
    """Any address of loopback that this machine has is served, that of IPv6 too."""
    need("ssh")
    if not Path("/proc/sys/net/ipv6/conf/lo").exists():
        pytest.skip("there is no IPv6 here")
    with Server(host="::1") as server:
        assert ssh(server, "hello").stdout == b"hello\n"
        assert server.connections[0].peer.startswith("[::1]:")
    with Server(host="127.1.2.3") as server:
        assert ssh(server, "hello").stdout == b"hello\n"


def test_options_that_are_none(running):
    """An option that there is not, or that can't be had, is named, with what there is."""
    for options, text in [
        ({"baner": "x"}, "baner: there is no such option; there are auth_methods, authorized_keys"),
        ({"ciphers": "aes128-ctr"}, "ciphers: it is a list of names, and not an empty one"),
        ({"ciphers": []}, "ciphers: it is a list of names, and not an empty one"),
        ({"ciphers": ["rot13"]}, "ciphers: there is no 'rot13'; there are aes256-gcm@openssh.com"),
        ({"version": "OpenSSH"}, "version: it is SSH-, and up to 249 printable characters"),
        ({"ext_info": "no"}, "ext_info: it is True or False"),
        ({"window": True}, "window: it is a whole number from 0"),
        ({"banner": 5}, "banner: it is text"),
        ({"users": ["bob"]}, "users: it is a dictionary of users and their passwords"),
        ({"users": {"bob": 5}}, "users: it is text"),
        ({"authorized_keys": {"bob": "key"}}, "authorized_keys: the keys of bob are a list"),
        ({"authorized_keys": {"bob": ["key"]}}, "authorized_keys: a key: line 1 is left out: "),
        ({"authorized_keys": {"../bob": []}}, "a user with a key can't be called '../bob'"),
        ({"faults": ["trip"]}, "faults: there is no such fault; there are slow=SECONDS, "),
        ({"faults": "slow=1"}, "faults: it is a list of faults"),
        ({"max_sessions": "many"}, "max_sessions: "),
        ({"rekey_limit": "1X"}, "rekey_limit: "),
    ]:
        with pytest.raises(ValueError, match=re.escape(text)):
            running.reset(**options)
    with pytest.raises(TypeError, match="b'x' can't be sent to the server: give text, a number"):
        running.reset(banner=b"x")
    with pytest.raises(ValueError, match="baner: there is no such option"):
        Server(baner="x").start()


def test_reset_that_can_not_be_had(running):
    """After a reset with a bad option everything is as it was."""
    running.reset()
    running.respond("uptime", "up")
    with enter(running) as client:
        with pytest.raises(ValueError, match="ciphers: there is no 'rot13'"):
            running.reset(ciphers=["rot13"])
        _, stdout, _ = client.exec_command("uptime")
        assert stdout.read() == b"up"
    assert len(running.sessions) == 1


def test_reset_with_many_at_the_door(running):
    """Whoever has connected when a reset begins is cut by it, let in or not, and seen by nobody."""
    for _ in range(5):
        connections = [
            socket.create_connection((running.host, port), PATIENCE)
            for port in (running.port, running.line_port) * 40
        ]
        running.reset()
        assert running.connections == []
        for connection in connections:
            with suppress(ConnectionResetError):
                while connection.recv(1000):
                    pass
            connection.close()
        assert running.events == []


def test_limits_are_told_of_anew(running):
    """A limit that the test before has reached is told of again in the next one."""
    for _ in range(2):
        running.reset(max_startups=1)
        connections = [
            socket.create_connection((running.host, running.port), PATIENCE) for _ in range(3)
        ]
        assert running.wait_for("limit.reached")["limit"] == "max-startups"
        for connection in connections:
            connection.close()


def test_bad_orders(running):
    """A fault, a key or a number that can't be had is an error that says what can."""
    with pytest.raises(ValueError, match="there is no such fault; there are slow=SECONDS, hang="):
        running.misbehave("trip")
    with pytest.raises(ValueError, match=r"slow=SECONDS: it is"):
        running.misbehave("slow", "long")
    with pytest.raises(ValueError, match=r"connections=0: it is a number from 1"):
        running.misbehave("slow=1", connections=0)
    with pytest.raises(ValueError, match=r"a private key; what belongs here is in the \.pub"):
        running.authorize(running.private_key)
    with pytest.raises(ValueError, match=r"there is no one key in ''"):
        running.authorize("")
    with pytest.raises(ValueError, match=r"a user with a key can't be called ''"):
        running.authorize(running.private_key.with_suffix(".pub"), user="")
    with pytest.raises(FileNotFoundError):
        running.authorize(Path("/no/such/key.pub"))
    running.reset()
    assert ssh(running, "hello").stdout == b"hello\n"


def test_a_users_keys(running, private, need):
    """Keys are added to those that a user has, by a line or a file, until the next reset."""
    need("ssh-keygen")
    keys = []
    for name in "abc":
        keys.append(private / name)
        make = ["ssh-keygen", "-qt", "ed25519", "-N", "", "-C", "a b", "-f", keys[-1]]
        subprocess.run(make, check=True)
    public = [key.with_suffix(".pub") for key in keys]
    running.reset(authorized_keys={"user": (public[0].read_text().strip(),)})
    running.authorize(public[1])
    running.authorize(str(public[2]), user="bob")
    for key in (running.private_key, keys[0], keys[1]):
        enter(running, key=key).close()
    enter(running, "bob", key=keys[2]).close()
    running.reset()
    for user, key in (("user", keys[0]), ("user", keys[1]), ("bob", keys[2])):
        with pytest.raises(paramiko.AuthenticationException):
            enter(running, user, key=key)


def test_what_the_server_says_of_itself(running, need):
    """Its version, its window, its largest packet, and what it does not know yet are to be had."""
    need("ssh")
    running.reset(version="SSH-2.0-OpenSSH_5.3", window=9000, packet=5000)
    with enter(running) as client:
        transport = client.get_transport()
        assert transport.remote_version == "SSH-2.0-OpenSSH_5.3"
        channel = transport.open_session()
        assert (channel.out_window_size, channel.out_max_packet_size) == (9000, 5000)
        channel.invoke_shell()
        channel.sendall(b"x" * 40_000)  # a few windows
        channel.shutdown_write()
        assert len(channel.makefile().read()) == 40_000
    told = b"server-sig-algs"
    running.reset()
    assert told in ssh(running, "hello", options=["-v"]).stderr
    assert running.connections[0].strict_kex
    running.reset(ext_info=False, strict_kex=False)
    assert told not in ssh(running, "hello", options=["-v"]).stderr
    assert not running.connections[0].strict_kex


def test_ways_to_log_in(running):
    """Only the ways that it is told of let in, and with none it is anonymous who gets in."""
    running.reset(auth_methods=["publickey", "keyboard-interactive"])
    with pytest.raises(paramiko.BadAuthenticationType) as caught:
        enter(running, password=ODD)
    assert caught.value.allowed_types == ["publickey", "keyboard-interactive"]
    enter(running).close()
    running.reset(auth_methods=["none"])
    with pytest.raises(paramiko.AuthenticationException):
        enter(running)
    with socket.create_connection((running.host, running.port), PATIENCE) as connection:
        transport = paramiko.Transport(connection)
        transport.start_client(timeout=PATIENCE)
        assert transport.auth_none("anonymous") == []
        channel = transport.open_session()
        channel.exec_command("hello")
        assert channel.makefile().read() == b"hello\n"
        transport.close()
    assert [(login.user, login.method) for login in running.logins if login.ok] == [
        ("anonymous", "none")
    ]


def test_ways_to_sign(running, private, need):
    """A user's key is taken only if it may sign so."""
    need("ssh-keygen")
    key = private / "rsa"
    subprocess.run(["ssh-keygen", "-qt", "rsa", "-b", "2048", "-N", "", "-f", key], check=True)
    running.reset(public_keys=["rsa-sha2-512"])
    running.authorize(key.with_suffix(".pub"))
    enter(running, key=key).close()
    with pytest.raises(paramiko.AuthenticationException):
        enter(running)


ODD = 'it\'s "a" pass word, ü 漢 \\ % $HOME #!'


def test_odd_passwords():
    """A password may hold what it likes, at either door, and so may those of other users."""
    with Server(password=ODD, users={"bob": ODD * 2, "eve": ""}) as server:
        enter(server, password=ODD).close()
        enter(server, "bob", ODD * 2).close()
        with pytest.raises(paramiko.AuthenticationException):
            enter(server, "bob", ODD)
        with socket.create_connection((server.host, server.line_port), PATIENCE) as line:
            line.sendall(f"user {ODD}\n".encode())
            assert line.recv(100).startswith(b"Login successful")
        assert ODD not in str(server.events) + server.log


@pytest.mark.parametrize("user", ['ünï "漢" \\ name', "user+more", "-o$HOME%h"])
def test_odd_users(user, need):
    """A user's name may be any, and ssh takes it from its configuration."""
    need("ssh")
    with Server(user=user) as server:
        done = ssh(server, "hello")
        if "%" not in user:  # which newer ones expand
            assert (done.stdout, done.stderr) == (b"hello\n", b"")
            assert len({login.user for login in server.logins}) == 1
        enter(server).close()
        enter(server, password=server.password).close()
        assert {login.ok for login in server.logins[-2:]} == {True}


def test_user_that_can_not_be():
    """A user who can have no key is an error that says so."""
    with pytest.raises(ServerError, match=r"a user with a key can't be called 'a/b'"):
        Server(user="a/b").start()


def test_user_whose_name_is_a_fault():
    """A user's name that would choose a fault is an error that says so."""
    with pytest.raises(ServerError, match=r"'user\+exit=3' can't be a user's name: behind the \+"):
        Server(user="user+exit=3").start()


def test_killed(need):
    """When the server's process is killed, whoever asks is told how, and what it said last."""
    need("ssh")
    with Server() as server:
        ssh(server, "last words")
        folder = server.ssh_config.parent
        os.kill(server._process.pid, signal.SIGKILL)
        with pytest.raises(ServerError) as caught:
            server.wait_for("never", timeout=PATIENCE)
        lines = str(caught.value).splitlines()
        assert lines[0] == "the server is gone (killed by SIGKILL); its last words:"
        assert any("'user' began the command last words" in line for line in lines)
        assert not server.running
    assert not folder.exists()


def test_terminated(need):
    """A SIGTERM ends the server's process, and its files with it; SIGINT and SIGHUP don't."""
    with Server() as server:
        for ignored in (signal.SIGINT, signal.SIGHUP):
            os.kill(server._process.pid, ignored)
        enter(server).close()
        folder = server.ssh_config.parent
        os.kill(server._process.pid, signal.SIGTERM)
        with pytest.raises(ServerError, match="the server is gone"):
            server.wait_for("never", timeout=PATIENCE)
        assert not folder.exists()


def test_no_folder_for_files(monkeypatch, private):
    """Where no file can be made, that is said; the folder of the tests is the server's."""
    monkeypatch.setattr(tempfile, "tempdir", str(private / "gone"))
    with pytest.raises(ServerError, match=r"there is no folder for the server's files: .*gone"):
        Server().start()
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    with Server() as server:
        assert server.private_key.is_relative_to(private)
        assert {path.stat().st_mode & 0o777 for path in private.iterdir()} == {0o700}
        assert server.private_key.stat().st_mode & 0o777 == 0o600
    assert not list(private.iterdir())


def test_no_python(monkeypatch):
    """Where there is no Python to start, that is said."""
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ServerError, match="/no/such/python can't be started: "):
        Server().start()


def test_awkward_environments(private):
    """Warnings that are errors, another locale and a folder that is gone don't keep it from it."""
    code = (
        "import os, socket\n"
        "from sshecho.testing import Server\n"
        "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
        "os.umask(0o077)\n"
        "with Server(user='ü', password='ö') as server:\n"
        "    with socket.create_connection((server.host, server.line_port)) as line:\n"
        "        line.sendall('ü ö\\n'.encode())\n"
        "        assert line.recv(100).startswith(b'Login successful')\n"
        "    assert server.logins[0].user == 'ü'\n"
    )
    script = private / "script.py"
    script.write_text(code, encoding="utf-8")
    for more in (
        {"PYTHONWARNINGS": "error", "PYTHONINSPECT": "1", "PYTHONOPTIMIZE": "2"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ):
        done = subprocess.run(
            [sys.executable, script],
            cwd=private,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr.decode()


def test_many_at_once():
    """Servers stand side by side, and each has its own."""
    servers = [Server(user=f"user{number}") for number in range(3)]
    try:
        for server in servers:
            server.start()
            enter(server).close()
        assert [len(server.logins) for server in servers] == [1] * 3
        servers[0].close()
        assert len({server.port for server in servers}) == 3
        enter(servers[1]).close()
    finally:
        for server in servers:
            server.close()


def test_closed_while_somebody_waits():
    """A thread that waits for something when the server is closed is told that it is over."""
    told = []
    server = Server().start()

    def wait():
        try:
            server.wait_for(lambda server: waiting.set() or server.sessions, timeout=PATIENCE)
        except ServerError as error:
            told.append(str(error))

    waiting = threading.Event()
    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(PATIENCE)
    server.close()
    thread.join(PATIENCE)
    assert re.match("the server is (gone|closed)", told[0])


def test_look_across_a_reset(running):
    """Whoever looks while another thread resets sees one time or the other, and no mixture."""
    ended = threading.Event()
    mixed = []

    def look():
        while not ended.is_set():
            versions = {each.client_version for each in running.connections}
            if len(versions) > 1:
                mixed.append(versions)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for number in range(100):
            running.reset()
            with socket.create_connection((running.host, running.port)) as link:
                link.sendall(f"SSH-2.0-{number}\r\n".encode())
                link.recv(100)
    finally:
        ended.set()
        looking.join()
    assert mixed == []


def test_in_a_fork(running):
    """In a fork the server does not run, and can be started once more; the other goes on."""

    def begin():
        if running.running:
            os._exit(1)
        with running:
            os._exit(0 if ssh(running, "hello").stdout == b"hello\n" else 2)

    fork = multiprocessing.get_context("fork").Process(target=begin)
    fork.start()
    fork.join()
    assert fork.exitcode == 0
    assert ssh(running, "hello").stdout == b"hello\n"


def test_left_open(tmp_path):
    """Whoever ends without closing a server leaves none behind, nor its files."""
    script = """if True:
        from sshecho.testing import Server
        server = Server().start()
        print(server._process.pid, server.ssh_config.parent)
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    pid, folder = done.stdout.split()
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_let_go():
    """A reset lets go of what was called, and what is closed of itself."""

    def answer(session):
        """Answer nothing."""

    with Server() as server:
        server.respond("hello", answer)
        called = weakref.ref(answer)
        del answer
        gc.collect()
        assert called() is not None
        server.reset()
        gc.collect()
        assert called() is None
    closed = weakref.ref(server)
    del server
    gc.collect()
    assert closed() is None
