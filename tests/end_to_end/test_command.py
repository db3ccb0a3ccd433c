"""The command: `sshecho serve`, twistd, and what they say when something is wrong."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PATIENCE = 60


def run(*command, cwd=ROOT, **env) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def sshecho(*arguments, **more):
    return run(sys.executable, "-m", "sshecho", *arguments, **more)


TWISTD = (str(BIN / "twistd"), "-n", "--pidfile=")


@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, "-m", "sshecho", "serve"),
        (str(BIN / "sshecho"), "serve"),
        (*TWISTD, "sshecho"),
        (*TWISTD, "echo"),
    ],
    ids=["module", "sshecho", "twistd-sshecho", "twistd-echo"],
)
def test_ways_to_run_it(serve, command):
    """However it is run, both doors open, and the line door logs two users in."""
    with serve("--auth", "memory:user:pass:foo:bar", command=command) as server:
        assert server.ssh_port
        for pair in (b"user pass", b"foo bar"):
            with server.connect() as connection:
                connection.sendall(pair + b"\r\nHi\r\n")
                connection.shutdown(socket.SHUT_WR)
                received = b""
                while piece := connection.recv(1000):
                    received += piece
                assert received == b"Login successful, please proceed.\r\nHi\r\n"


def test_what_is_said(need, serve):
    """At the start it says where it listens, how to log in, and the host key's fingerprint."""
    with serve() as server:
        text = "\n".join(server.lines)
        public = server.known_hosts.parent / "keys" / "ssh_host_ed25519_key.pub"
        shown = run(need("ssh-keygen"), "-lf", public)
        assert shown.stdout.split()[1] in text
        assert f"ssh -p {server.ssh_port} user@localhost" in text
        assert f"telnet localhost {server.line_port}" in text
        assert "the user is user, the password is pass" in text
        assert len(server.lines) == 5


def test_no_password_is_said(serve):
    """Neither the start nor a login repeats a password."""
    with serve("--auth", "memory:user:hunter2") as server:
        for sent in (b"user hunter2\n", b"user hunter22\n"):
            with server.connect() as connection:
                connection.sendall(sent)
                connection.recv(1000)
    assert not any("hunter2" in line for line in server.lines)
    assert any("'user' denied" in line for line in server.lines)


CASES = [
    (["--auth", "file:/nonexistent/f"], 1, "--auth file: /nonexistent/f: No such file"),
    (["--auth", "keys:me=/nonexistent/f"], 1, "--auth keys: /nonexistent/f: No such file"),
    (["--auth", "file:{broken}"], 1, "{broken}: line 1: no colon"),
    (["--line", "bogus:1"], 1, "the line door at bogus:1: not a Twisted server endpoint"),
    (["--line", "tcp:{taken}:interface=127.0.0.1"], 1, "Address already in use"),
    (["--line", "tcp:0"], 1, "the line door at tcp:0: the demonstration login is for loopback"),
    (["--ssh", "tcp:0:interface=203.0.113.7"], 1, "Cannot assign requested address"),
    (["--host-keys", "{badkey}"], 1, "ssh_host_ed25519_key: not a private key, or damaged"),
    (["--host-keys", "{openkey}"], 1, "permissions 0644 are too open"),
    (["--host-keys", "{broken}"], 1, "{broken}: Not a directory"),
    (["--banner", "/nonexistent/b"], 1, "--banner /nonexistent/b: No such file or directory"),
    (["--audit", "{broken}/a"], 1, "--audit {broken}/a: Not a directory"),
    (["--greeting", "{taken}"], 1, "{taken}: No such file or directory"),
    (["--auth", "memory:a:b", "--app", "nowhere:X"], 1, "--app nowhere:X: ModuleNotFoundError: No"),
    (["--auth", "memory:a:b", "--app", "os"], 1, "--app os: not MODULE:NAME, such as chat:Chat"),
]
USAGE = [
    (["--auth", "bogus"], 2, "--auth bogus: there is no such checker"),
    (["--auth", "memory:x"], 2, "--auth memory: give pairs"),
    (["--bogus"], 2, "option --bogus not recognized"),
    (["--login-grace", "soon"], 2, "--login-grace soon: it is a number of seconds"),
    (["--max-startups", "0"], 2, "--max-startups 0: it is a number from 1 to 1000000"),
    (["--ssh", "off", "--line", "off"], 2, "nothing to serve"),
]


@pytest.fixture
def places(private, write):
    (private / "badkey").mkdir(mode=0o700)
    (private / "openkey").mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield {
            "broken": write("broken", b"x"),
            "badkey": write("badkey/ssh_host_ed25519_key", b"x").parent,
            "openkey": write("openkey/ssh_host_ed25519_key", b"x", 0o644).parent,
            "taken": taken.getsockname()[1],
        }


def ready(arguments, places, private):
    """Fill in a case's places, and free ports where it names none."""
    arguments = [argument.format(**places) for argument in arguments]
    for name, value in [
        ("--host-keys", str(private / "keys")),
        ("--ssh", "tcp:0:interface=127.0.0.1"),
        ("--line", "tcp:0:interface=127.0.0.1"),
    ]:
        if name not in arguments:
            arguments = [name, value, *arguments]
    return arguments


@pytest.mark.parametrize(("arguments", "status", "said"), CASES + USAGE)
def test_one_line(places, private, arguments, status, said):
    """What is wrong is said in one line on standard error, and the exit status tells."""
    done = sshecho("serve", *ready(arguments, places, private))
    *warnings, line = done.stderr.splitlines()
    assert said.format(**places) in line
    assert line.startswith("sshecho")
    assert warnings == []
    assert (done.returncode, done.stdout) == (status, "")


@pytest.mark.parametrize(("arguments", "status", "said"), CASES)
def test_one_line_under_twistd(places, private, arguments, status, said):
    """Under twistd it is the same line, no traceback, and no PID file stays."""
    done = run(*TWISTD[:2], "sshecho", *ready(arguments, places, private), cwd=private)
    last = (done.stdout + done.stderr).splitlines()[-1]  # the log is on standard output
    assert "sshecho: " in last
    assert said.format(**places) in last
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode == 1
    assert not (private / "twistd.pid").exists()


@pytest.mark.parametrize("arguments", [[], ["bogus"], ["--bogus"]])
def test_no_command(arguments):
    """A command line without a command is told in one line, with status 2."""
    done = sshecho(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_version():
    """The command says its version."""
    assert re.fullmatch(r"sshecho \d+\.\d+\.\d+\n", sshecho("--version").stdout)
    assert sshecho("serve", "--version").stdout == sshecho("--version").stdout


@pytest.mark.parametrize(
    "command",
    [(sys.executable, "-m", "sshecho", "serve"), (*TWISTD, "sshecho"), (*TWISTD, "echo")],
    ids=["serve", "twistd-sshecho", "twistd-echo"],
)
def test_help_auth(command):
    """--help-auth and --help-auth-type work however it is run."""
    done = run(*command, "--help-auth")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert {"memory", "file", "keys", "anonymous", "unix"} <= set(names)
    done = run(*command, "--help-auth-type", "file")
    assert done.returncode == 0
    assert "user:secret" in done.stdout


def test_from_a_bare_checkout(private):
    """`python -m sshecho serve` needs the dependencies, but not sshecho itself, installed."""
    blocked = private / "site"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('twisted.plugins.sshecho'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    done = sshecho("serve", "--help-auth", PYTHONPATH=str(blocked))
    assert done.returncode == 0
    assert "keys" in done.stdout
