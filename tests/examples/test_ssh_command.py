"""The command ssh, for programs that run it: git, rsync, borg and scripts."""

import re
import shutil
import subprocess

import pytest

from sshecho.testing import Answer


@pytest.fixture
def ssh(sshecho):
    """Return a function that runs ssh, logged in by key; all that it needs is in a file."""
    if shutil.which("ssh") is None:
        pytest.skip("ssh is not installed")
    command = ["ssh", "-F", sshecho.ssh_config]

    def run(*arguments, **options):
        return subprocess.run(
            [*command, *arguments],
            **{"capture_output": True, "text": True, "timeout": 30, **options},
        )

    return run


def test_command(sshecho, ssh):
    """Output, errors and the exit status are the command's."""
    sshecho.respond("make", stdout="cc main.c\n", stderr="main.c: lost\n", exit_status=2)
    done = ssh("sshecho", "make")
    assert (done.stdout, done.stderr, done.returncode) == ("cc main.c\n", "main.c: lost\n", 2)


def test_pipe(sshecho, ssh):
    """What is piped into a command comes to it, and so does its end."""
    sshecho.respond("cat > backup", at_eof=True)
    done = ssh("sshecho", "cat > backup", input="all of it")
    assert (done.stdout, done.returncode) == ("", 0)
    [session] = sshecho.sessions
    assert (session.input, session.eof) == (b"all of it", True)


def test_for_real(sshecho, ssh):
    """A command may as well be run, here."""

    def run(session):
        done = subprocess.run(
            session.command, shell=True, input=session.input, capture_output=True, timeout=30
        )
        return Answer(done.stdout, done.stderr, done.returncode)

    sshecho.respond(re.compile("wc .*"), run, at_eof=True)
    done = ssh("sshecho", "wc -c; exit 3", input="four")
    assert (done.stdout.strip(), done.returncode) == ("4", 3)


def test_lost(sshecho, ssh):
    """A connection that breaks off is status 255, and what has come is there."""
    sshecho.respond("cat log", "x" * 10_000)
    with sshecho.misbehave("drop-after", 4096):
        done = ssh("sshecho", "cat log")
    assert (len(done.stdout), done.returncode) == (4096, 255)


def test_another_host_key(sshecho, ssh):
    """A server that is not who it was is refused."""
    with sshecho.misbehave("new-host-key"):
        done = ssh("sshecho", "hello")
    assert "Host key verification failed" in done.stderr
    assert done.returncode == 255


def test_time_out(sshecho, ssh):
    """A server that does not answer is given up."""
    with sshecho.misbehave("hang", "version"):
        assert ssh("-o", "ConnectTimeout=1", "sshecho", "hello").returncode == 255


@pytest.mark.sshecho(kex=["diffie-hellman-group14-sha1"], host_keys=["ssh-rsa"])
def test_old_server(ssh):
    """An old server is refused, unless ssh is told that it may be old."""
    assert "no matching key exchange method" in ssh("sshecho", "hello").stderr
    old = ("-oKexAlgorithms=+diffie-hellman-group14-sha1", "-oHostKeyAlgorithms=+ssh-rsa")
    assert ssh(*old, "sshecho", "hello").stdout == "hello\n"
