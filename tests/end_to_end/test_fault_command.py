"""`sshecho serve --fault`: faults for clients in any language."""

import re
import socket
import ssl
import subprocess
import sys

import pytest
from helpers import eventually
from serving import PATIENCE, ROOT, environment

from sshecho.testing.faults.garbage import GARBAGE

ACCEPTED = b"Login successful, please proceed.\r\n"


def line(server, login):
    """Log in at the line door, send ten bytes, and return what comes until the end."""
    with server.connect() as connection:
        connection.sendall(login + b"\r\n0123456789")
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(1000):
            received += piece
        return received


def test_whole_server(serve, runSSH):
    """Each --fault is shown to whoever comes, at both doors; all of them at once."""
    with serve("--fault", "exit=3", "--fault", "drop-after=7") as server:
        done = runSSH(server, "hello")
        assert (done.stdout, done.returncode) == (b"hello\n", 3)
        done = runSSH(server, "hello world")
        assert (done.stdout, done.returncode) == (b"hello w", 255)
        assert b"closed by remote host" in done.stderr
        assert line(server, b"user pass") == ACCEPTED + b"0123456"
        assert line(server, b"user+exit=4 pass") == b"Login denied, goodbye.\r\n"
    assert any("sees the fault drop-after=7" in said for said in server.lines)


def test_by_user_name(serve, runSSH):
    """Under by-user a client says in its name what is to go wrong; others see nothing."""
    with serve("--fault", "by-user") as server:
        for user, status, output in (
            ("user+exit=3", 3, b"hello\n"),
            ("user+drop-after=2", 255, b"he"),
            ("user+slow=0.02+exit=4", 4, b"hello\n"),
            ("user", 0, b"hello\n"),
        ):
            done = runSSH(server, "hello", user=user)
            assert (done.stdout, done.returncode) == (output, status)
        assert line(server, b"user+drop-after=2 pass") == ACCEPTED + b"01"
        assert line(server, b"user+hang=session pass") == ACCEPTED
        assert line(server, b"user+drop-at=auth pass") == b""
        assert line(server, b"user pass") == ACCEPTED + b"0123456789"
    assert not any("+" in said for said in server.lines if "logged in" in said)


@pytest.mark.parametrize("chosen", ["exit=x", "hang=kex", "new-host-key"])
def test_wrong_choice(serve, runSSH, chosen):
    """Whoever chooses what there is not is denied, and ssh shows why."""
    with serve("--fault", "by-user") as server:
        done = runSSH(server, "hello", user=f"user+{chosen}", options=("-o", "LogLevel=INFO"))
        assert done.returncode == 255
        assert f"the fault {chosen}: ".encode() in done.stderr
        assert line(server, f"user+{chosen} pass".encode()) == b"Login denied, goodbye.\r\n"


def test_both(serve, runSSH):
    """A fault for everybody and one by user name go together; the user's own counts more."""
    with serve("--fault", "exit=3", "--fault", "by-user") as server:
        assert runSSH(server, "hello").returncode == 3
        assert runSSH(server, "hello", user="user+exit=4").returncode == 4


def test_denied(serve, runSSH):
    """The first logins are denied, at whichever door."""
    with serve("--fault", "deny=2") as server:
        assert line(server, b"user pass") == b"Login denied, goodbye.\r\n"
        assert runSSH(server, "hello").returncode == 255
        assert runSSH(server, "hello").returncode == 0


@pytest.mark.parametrize("option", ["hang=session", "hang=auth"])
def test_end_of_a_server_that_hangs(serve, option):
    """A server ends with status 0 though a client hangs there."""
    with serve("--fault", option) as server, server.connect() as connection:
        connection.sendall(b"user pass\r\n")
        eventually(lambda: any("sees the fault" in said for said in server.lines))
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("options", "status", "why"),
    [
        (["--fault", "drop"], 2, "--fault drop: there is no such fault; there are slow=SECONDS, "),
        (["--fault", "exit=x"], 2, "--fault exit=x: exit=STATUS: it is a whole number from 0 to "),
        (["--fault", "exit=3", "--workers", "2"], 2, "--fault: a server for tests is without "),
        (["--fault", "by-user", "--metrics", "tcp:0"], 2, "--fault: a server for tests is "),
        (["--fault"], 2, "fault requires argument"),
        (
            ["--fault", "exit=3", "--auth", "memory:a:b", "--ssh", "tcp:0"],
            1,
            "the ssh door at tcp:0: --fault is for loopback addresses only",
        ),
        (
            ["--fault", "by-user", "--auth", "memory:a:b", "--line", "tcp:0"],
            1,
            "the line door at tcp:0: --fault is for loopback addresses only",
        ),
    ],
)
def test_refused(private, options, status, why):
    """What can't be had is said in one line, with the status of any other option."""
    doors = [
        part
        for door in ("--ssh", "--line")
        if door not in options
        for part in (door, "tcp:0:interface=127.0.0.1")
    ]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sshecho",
            "serve",
            "--host-keys",
            private / "keys",
            *doors,
            *options,
        ],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == status
    [said] = done.stderr.splitlines()
    assert re.match(r"sshecho( serve)?: ", said)
    assert why in said


def test_garbage_over_tls(serve, certificate):
    """Garbage comes through TLS, too, from the first byte on."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    options = ("--ssh", "off", "--line", f"ssl:0:privateKey={certificate}:interface=127.0.0.1")
    with serve("--fault", "garbage=version", *options) as server:
        connection = tls.wrap_socket(server.connect())
        received = b""
        while len(received) < len(GARBAGE):
            received += connection.recv(1 << 16)
        connection.close()
    assert received == GARBAGE
