"""Accounts of the system, of which a real one is made and removed again."""

import os
import pwd
import shlex
import subprocess
import sys

import pytest
from test_line_door import ACCEPTED, DENIED, talk

NAME = f"sshecho-test-{os.getpid()}"
PASSWORD = "correct horse"
ROOT = () if os.geteuid() == 0 else ("sudo", "-n")
SERVE = (*ROOT, sys.executable, "-u", "-m", "sshecho", "serve")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

changes_the_system = pytest.mark.skipif(
    os.environ.get("SSHECHO_REQUIRE_CLIENTS") != "1",
    reason="it makes an account of this system: only where SSHECHO_REQUIRE_CLIENTS=1 says that "
    "it may",
)


def asRoot(*command: str, text: str = "") -> None:
    """Run a command as root, and see to it that it succeeds."""
    done = subprocess.run(
        [*ROOT, *command], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (command, done.stderr)


@pytest.fixture
def account(need):
    """An account with a password, and its home folder; both are gone afterwards."""
    for program in ("useradd", "chpasswd", "usermod", "chage", "userdel"):
        need(program)
    try:
        asRoot("useradd", "--create-home", "--shell", "/usr/sbin/nologin", NAME)
        asRoot("chpasswd", text=f"{NAME}:{PASSWORD}\n")
        yield pwd.getpwnam(NAME)
    finally:
        # It says so when there is no mail to remove, which is no failure of ours.
        subprocess.run([*ROOT, "userdel", "-r", NAME], capture_output=True, check=False)
        with pytest.raises(KeyError):
            pwd.getpwnam(NAME)


@changes_the_system
def test_passwords(serve, account):
    """An account gets in by its password, unless it is locked, expired or has to change it."""
    right = f"{NAME} {PASSWORD}\n.".encode()
    with serve("--auth", "unix", "--ssh", "off", command=SERVE) as server:
        assert talk(server, right) == ACCEPTED + b"."
        for line in (f"{NAME} wrong", f"{NAME} ", f"{NAME}x {PASSWORD}", "root ", "nobody *"):
            assert talk(server, line.encode() + b"\n.") == DENIED, line
        for spoil, mend in [
            (("usermod", "-L", NAME), ("usermod", "-U", NAME)),
            (("chage", "-E", "1", NAME), ("chage", "-E", "-1", NAME)),
            (("chage", "-d", "0", NAME), ("chage", "-d", "-1", NAME)),
        ]:
            asRoot(*spoil)
            assert talk(server, right) == DENIED, spoil
            asRoot(*mend)
            assert talk(server, right) == ACCEPTED + b".", mend
        asRoot("chpasswd", text=f"{NAME}:another\n")
        assert talk(server, right) == DENIED
        assert talk(server, f"{NAME} another\n.".encode()) == ACCEPTED + b"."
        asRoot("usermod", "-p", "", NAME)
        assert talk(server, f"{NAME} \n.".encode()) == DENIED
        assert not any(PASSWORD in line for line in server.lines)


@changes_the_system
def test_keys(need, serve, runSSH, private, account):
    """An account gets in by a key in its home folder, unless that is open to others."""
    for name in ("key", "other"):
        command = [need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", private / name]
        subprocess.run(command, check=True)
    listed = (private / "key.pub").read_text()
    folder = shlex.quote(f"{account.pw_dir}/.ssh")
    asRoot(
        "sh",
        "-c",
        f"umask 077; mkdir {folder}; cat > {folder}/authorized_keys; chown -R {NAME} {folder}",
        text=listed,
    )
    with serve("--auth", "sshkey", "--line", "off", command=SERVE) as server:

        def login(user=NAME, key="key"):
            return runSSH(
                server, "hi", user=user, key=private / key, options=["-o", "BatchMode=yes"]
            )

        def denied(done):
            assert done.stderr.endswith(b"Permission denied (publickey).\r\n"), done.stderr
            return (done.returncode, done.stdout) == (255, b"")

        assert login().stdout == b"hi\n"
        assert denied(login(key="other"))
        assert denied(login(user=f"{NAME}x"))
        for spoil, mend in [
            (("chmod", "go+w", account.pw_dir), ("chmod", "go-w", account.pw_dir)),
            (("chown", "65534", account.pw_dir), ("chown", NAME, account.pw_dir)),
            (("chage", "-E", "1", NAME), ("chage", "-E", "-1", NAME)),
        ]:
            asRoot(*spoil)
            assert denied(login()), spoil
            asRoot(*mend)
            assert login().stdout == b"hi\n", mend
        assert any(f"{account.pw_dir}: others can write to it" in line for line in server.lines)


def test_not_root(need, private):
    """Who may not read the system's passwords is told so at the start, in one line."""
    serve = [sys.executable, "-m", "sshecho", "serve", "--auth", "unix"]
    if os.access("/etc/shadow", os.R_OK):
        need("setpriv")
        serve = [*NOBODY, *serve]
        found = subprocess.run(
            [*NOBODY, sys.executable, "-c", "import sshecho.tap"], capture_output=True, check=False
        )
        if found.returncode:
            pytest.skip("user nobody can't read this checkout, or its Python")
    done = subprocess.run(
        [*serve, "--host-keys", str(private / "keys")], capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "sshecho: --auth unix: /etc/shadow: Permission denied; it takes root to read it\n"
    )
