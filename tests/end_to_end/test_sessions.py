"""Sessions, seen by OpenSSH's programs and by asyncssh: what people ask for, and what they get."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pexpect
import pytest
from helpers import eventually
from serving import ROOT

PATIENCE = 60
TWISTD = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "sshecho"]


def inspected(text: bytes) -> dict[str, object]:
    return json.loads(text)


def test_inspect(server, runSSH):
    """`ssh -s inspect` prints what the server sees of the connection, and ends with status 0."""
    done = runSSH(server, "inspect", options=["-s", "-o", "SetEnv=COLOUR=gr\u00fcn"])
    assert (done.returncode, done.stderr) == (0, b"")
    told = inspected(done.stdout)
    assert told["user"] == "user"
    assert told["authentication"] == {"method": "password", "key": None, "refused": []}
    assert told["version"]["client"].startswith("SSH-2.0-OpenSSH_")
    assert told["host"] == f"127.0.0.1:{server.ssh_port}"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", told["peer"])
    assert told["environment"] == {"COLOUR": "gr\u00fcn"}
    assert told["algorithms"]["compression"] == {"in": "none", "out": "none"}
    times = [told["time"][name] for name in ("connected", "logged_in", "opened", "now")]
    assert times == sorted(times)


def test_inspect_at_a_terminal(server, ssh):
    """With a PTY it tells the terminal and how it is set, and nothing else is shown."""
    command, env = ssh(server, "inspect", options=["-tt", "-s"])
    env["TERM"] = "vt220"
    text, status = pexpect.run(
        " ".join(f"'{word}'" for word in command),
        env=env,
        timeout=PATIENCE,
        withexitstatus=True,
        dimensions=(33, 111),
    )
    told = inspected(text)
    assert status == 0
    assert told["pty"]["term"] == "vt220"
    assert told["pty"]["modes"]["ECHO"] == 1
    assert (told["window"]["rows"], told["window"]["columns"]) == (33, 111)


def test_inspect_and_forced_command(serve, runSSH, write, userKey):
    """A key that has to run something else runs it here too."""
    key = write("key", userKey.toString("OPENSSH"))
    path = write("users", b'command="other" ' + userKey.public().toString("OPENSSH"))
    with serve("--auth", f"keys:user={path}", "--line", "off") as server:
        assert runSSH(server, "inspect", options=["-s"], key=key).stdout == b"other\n"


def test_keyboard_interactive(server, runSSH):
    """A client that only does keyboard-interactive gets in, with the right password."""
    only = ["-o", "PreferredAuthentications=keyboard-interactive"]
    done = runSSH(server, "inspect", options=["-s", *only])
    assert inspected(done.stdout)["authentication"]["method"] == "keyboard-interactive"
    assert runSSH(server, "hi", options=only, password="wrong").returncode == 255


@pytest.mark.parametrize("command", [None, TWISTD])
def test_banner_and_greeting(serve, ssh, runSSH, write, command):
    """They come from files, are read again at SIGHUP while sessions go on, and the old stay."""
    banner, greeting = write("banner", "Keep out, \u00e4h.\n"), write("greeting", "Willkommen")
    options = ["--banner", str(banner), "--greeting", str(greeting), "--line", "off"]
    options += ["--auth", "memory:user:pass"]
    with serve(*options, **({"command": command} if command else {})) as server:
        loud = ["-o", "LogLevel=INFO"]
        shown = runSSH(server, "hi", options=loud)
        assert shown.stdout == b"hi\n"
        assert shown.stderr.endswith("Keep out, \u00e4h.\r\n".encode())
        words, env = ssh(server)
        child = pexpect.spawn(words[0], words[1:], env=env, timeout=PATIENCE)
        child.expect_exact("Willkommen\r\n")
        child.expect_exact("> ")
        banner.write_text("Come in.\n")
        greeting.write_bytes(b"\xff")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: any("the old one stays" in line for line in server.lines))
        [said] = [line for line in server.lines if "the old one stays" in line]
        assert f"--greeting {greeting}: no UTF-8 at byte 0" in said
        child.send("still here\r")
        child.expect_exact("\r\nstill here\r\n")
        child.send("\x04")
        child.expect(pexpect.EOF)
        assert runSSH(server, "hi", options=loud).stderr.endswith(b"Come in.\r\n")
        again = pexpect.spawn(words[0], words[1:], env=env, timeout=PATIENCE)
        again.expect_exact("Willkommen\r\n")
        again.close()


@contextmanager
def shared(ssh, server, private, *options):
    """Keep a connection for several sessions; yield the options that use it."""
    control = ["-o", f"ControlPath={private}/control"]
    command, env = ssh(server, options=[*control, "-M", "-N", *options])
    with subprocess.Popen(command, env=env) as master:
        try:
            eventually(lambda: (private / "control").exists())
            yield control
        finally:
            master.terminate()


def test_several_sessions(server, ssh, runSSH, private):
    """Sessions on one connection mind their own business: data, ends, refusals, their order."""
    before = len(server.lines)
    with shared(ssh, server, private) as control:
        command, env = ssh(server, options=[*control, "-T"])
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        sessions = [subprocess.Popen(command, env=env, **pipes) for _ in range(3)]
        try:
            for number, session in enumerate(sessions):
                session.stdin.write(b"%d\n" % number)
                session.stdin.flush()
            for number, session in enumerate(sessions):
                assert session.stdout.readline() == b"%d\n" % number
            assert runSSH(server, "hi", options=control).stdout == b"hi\n"
            assert runSSH(server, "sftp", options=[*control, "-s"]).returncode != 0
            sessions[1].kill()  # in the middle
            noise = os.urandom(300_000)
            for session in sessions[:1] + sessions[2:]:
                assert session.communicate(noise, timeout=PATIENCE)[0] == noise
                assert session.returncode == 0
            told = inspected(runSSH(server, "inspect", options=[*control, "-s"]).stdout)
            assert told["bytes"]["in"] >= 600_006
            assert told["bytes"]["out"] >= 600_006
        finally:
            for session in sessions:
                session.kill()
                session.communicate()
    assert len([line for line in server.lines[before:] if "logged in" in line]) == 1


def test_local_forwarding(server, ssh, runSSH, private):
    """`ssh -L` listens, and whoever connects is refused; the connection lives on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = private / "log"
    forwarding = ["-L", f"{port}:localhost:22", "-o", "LogLevel=INFO", "-E", str(log)]
    with shared(ssh, server, private, *forwarding) as control:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            assert connection.recv(1) == b""
        assert "open failed: administratively prohibited: only sessions are" in log.read_text()
        assert runSSH(server, "hi", options=control).stdout == b"hi\n"


@pytest.mark.parametrize("options", [["-A"], ["-X"], ["-Y"]])
def test_agent_and_x11(server, runSSH, options):
    """A client that would forward its agent or its display gets its echo without."""
    assert runSSH(server, "hi", options=options).stdout == b"hi\n"


def test_no_session(server, ssh, private):
    """`ssh -N` and `ssh -f -N` stay, ask for nothing and end when they are told to."""
    with shared(ssh, server, private, "-f") as control:
        end, env = ssh(server, options=[*control, "-O", "exit"])
        assert subprocess.run(end, env=env, capture_output=True, timeout=PATIENCE).returncode == 0


def test_no_input(server, runSSH):
    """`ssh -n` sends nothing, so nothing comes back, and the status is 0."""
    done = runSSH(server, options=["-n", "-T"], input=b"not sent")
    assert (done.returncode, done.stdout) == (0, b"")


def test_terminal_on_a_pipe(server, runSSH):
    """`ssh -tt` edits and echoes lines from a pipe too, and ends with it."""
    done = runSSH(server, options=["-tt"], input=b"Hi\rthere\r\x04")
    assert done.returncode == 0
    assert b"\r\nHi\r\n" in done.stdout
    assert b"\r\nthere\r\n" in done.stdout


def copying(need, ssh, server, program, *arguments):
    """Run one of OpenSSH's programs that stand on ssh."""
    command, env = ssh(server)
    options = [word for word in command if word.partition("=")[1]]
    words = [need(program), "-F", "none", *(x for option in options for x in ("-o", option))]
    words += ["-o", "LogLevel=INFO", *arguments]
    return subprocess.run(
        words, env=env, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
    )


def test_copying(need, server, ssh, write):
    """`sftp` and `scp` are told that there is no such subsystem."""
    path = write("file", "content")
    port = str(server.ssh_port)
    for program, arguments in {
        "sftp": ["-P", port, "user@localhost"],
        "scp": ["-P", port, str(path), "user@localhost:/nowhere"],
    }.items():
        done = copying(need, ssh, server, program, *arguments)
        assert done.returncode == 255, program
        assert b"subsystem request failed" in done.stderr, program


LOST = b"lost connection\n"


@pytest.mark.parametrize("direction", ["-t", "-f"])
def test_copying_by_command(need, server, ssh, write, direction):
    """`scp -O` sends a command, and fails over its echo, which it shows if it gets that far."""
    paths = [str(write("file", "content")), "user@localhost:/nowhere"]
    paths = paths if direction == "-t" else paths[::-1]
    done = copying(need, ssh, server, "scp", "-O", "-P", str(server.ssh_port), *paths)
    assert done.returncode == 1
    # It writes before it reads, and by then the session may have ended.
    assert f"scp {direction} /nowhere".encode() in done.stderr or done.stderr == LOST


def test_copying_keys(need, server, ssh, write, userKey, private):
    """`ssh-copy-id` shows the echo of the command that should have installed the key."""
    (private / ".ssh").mkdir(mode=0o700)
    write("id", userKey.toString("OPENSSH"))
    write("id.pub", userKey.public().toString("OPENSSH") + b" me\n")
    command, env = ssh(server)
    options = [word for word in command if word.partition("=")[1]]
    words = [need("ssh-copy-id"), "-i", str(private / "id.pub"), "-p", str(server.ssh_port)]
    words += [x for option in options for x in ("-o", option)]
    done = subprocess.run(
        [*words, "user@localhost"],
        env=env | {"HOME": str(private)},
        capture_output=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
    )
    assert b"exec sh -c 'cd;" in done.stdout
    assert b"authorized_keys" in done.stdout


@contextmanager
def looped():
    """Run an event loop that asyncssh's connections may be left in."""
    with asyncio.Runner() as runner:
        yield lambda coroutine: runner.run(asyncio.wait_for(coroutine, PATIENCE))


def connecting(server):
    return asyncssh.connect(
        "127.0.0.1",
        server.ssh_port,
        username="user",
        password="pass",
        known_hosts=str(server.known_hosts),
        config=None,
        client_keys=None,
        agent_path=None,
    )


@pytest.mark.parametrize("name", ["TERM", "HUP", "KILL"])
def test_signals(server, name):
    """A signal that ends programs ends the session with its name, and not the connection."""

    async def run():
        async with connecting(server) as connection:
            process = await connection.create_process(encoding=None)
            process.stdin.write(b"echo")
            assert await process.stdout.readexactly(4) == b"echo"
            process.send_signal(name)
            await process.wait()
            assert process.exit_signal[0] == name
            assert (await connection.run("hi")).stdout == "hi\n"

    with looped() as do:
        do(run())


def test_interrupts(server):
    """A signal INT and a break give up the line at a terminal; a shell without one goes on."""

    async def run():
        async with connecting(server) as connection:
            terminal = await connection.create_process(term_type="xterm", encoding=None)
            for interrupt in (
                lambda: terminal.send_signal("INT"),
                lambda: terminal.send_break(500),
            ):
                terminal.stdin.write(b"lost")
                await terminal.stdout.readuntil(b"lost")
                interrupt()
                await terminal.stdout.readuntil(b"^C")
                terminal.stdin.write(b"kept\r")
                await terminal.stdout.readuntil(b"\r\nkept\r\n")
            terminal.stdin.write_eof()
            assert (await terminal.wait()).exit_status == 0
            plain = await connection.create_process(encoding=None)
            plain.send_signal("INT")
            plain.send_signal("USR1")
            plain.stdin.write(b"echo")
            plain.stdin.write_eof()
            assert (await plain.wait()).stdout == b"echo"
            assert plain.exit_status == 0

    with looped() as do:
        do(run())


APPLICATION = '''
from twisted.internet.protocol import Protocol


class Told(Protocol):
    """Tells what it knows of its session, and fails."""

    def connectionMade(self):
        session = self.transport.session
        self.transport.write(f"{session.user} {session.door} {session.command}".encode())
        self.transport.writeError(repr(session.env).encode())
        self.transport.exit(7)
'''


def test_application(serve, runSSH, write, private, monkeypatch):
    """What `--app` names runs at both doors, with its session, standard error and exit status."""
    write("told.py", APPLICATION)
    monkeypatch.setenv("PYTHONPATH", f"{private}:{ROOT}")
    with serve("--app", "told:Told", "--auth", "memory:user:pass") as server:
        done = runSSH(server, "hi", options=["-o", "SetEnv=A=B"])
        assert (done.returncode, done.stdout) == (7, b"b'user' ssh b'hi'")
        assert done.stderr == b"{b'A': b'B'}"
        with server.connect() as connection:
            connection.sendall(b"user pass\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.endswith(b"\r\nb'user' line None{}")
