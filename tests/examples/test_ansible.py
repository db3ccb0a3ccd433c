"""Ansible: a module for a host that the tests play, by its own ssh connection."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ansible")
ANSIBLE = Path(sys.executable).with_name("ansible")


@pytest.fixture
def ansible(sshecho, tmp_path):
    """Return a function that runs a command on the host ``sshecho``."""
    if shutil.which("ssh") is None:
        pytest.skip("ssh is not installed")

    def run(command):
        return subprocess.run(
            [ANSIBLE, "all", "-i", "sshecho,", "-m", "raw", "-a", command],
            env={
                **os.environ,
                "ANSIBLE_SSH_ARGS": f"-F {sshecho.ssh_config}",
                "ANSIBLE_HOME": str(tmp_path),
                "ANSIBLE_SSH_RETRIES": "2",
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_raw(sshecho, ansible):
    """It runs a command at a terminal, logged in by key."""
    sshecho.respond("uptime", "up 3 days\n")
    done = ansible("uptime")
    assert "sshecho | CHANGED | rc=0 >>\nup 3 days\n" in done.stdout
    assert [login.method for login in sshecho.logins] == ["publickey"]


def test_failure(sshecho, ansible):
    """A command that fails is a task that fails."""
    sshecho.respond("false", exit_status=3)
    done = ansible("false")
    assert "sshecho | FAILED | rc=3" in done.stdout
    assert done.returncode == 2


def test_tries_again(sshecho, ansible):
    """A host that can't be reached at first is tried again."""
    sshecho.misbehave("drop-at", "kex", connections=1)
    assert "rc=0" in ansible("hello").stdout
    assert len(sshecho.connections) == 2
