"""Pexpect's pxssh: a shell with a prompt, which it sets for itself."""

import re
import shutil

import pytest

pxssh = pytest.importorskip("pexpect.pxssh")

pytestmark = pytest.mark.sshecho(prompt="$ ")


@pytest.fixture
def shell(sshecho):
    """A shell, logged in as the code that is tested does."""
    if shutil.which("ssh") is None:
        pytest.skip("ssh is not installed")
    sshecho.respond(re.compile("unset .*"), "")
    sshecho.respond(re.compile(r"PS1='\[PEXPECT\].*'"), prompt="[PEXPECT]$ ")
    sshecho.respond("exit", exit_status=0)
    made = pxssh.pxssh(timeout=10, encoding="utf-8")
    made.login("sshecho", ssh_config=str(sshecho.ssh_config), quiet=False)
    yield made
    made.close()


def test_commands(sshecho, shell):
    """It reads what a command says, up to the prompt, and leaves."""
    sshecho.respond("uptime", "up 3 days\n")
    shell.sendline("uptime")
    assert shell.prompt()
    assert "up 3 days" in shell.before
    shell.logout()
    assert sshecho.wait_for("session.close")["exit_status"] == 0


def test_lost(sshecho, shell):
    """A connection that is lost is the end."""
    with sshecho.misbehave("drop-after", 1):
        shell.sendline("uptime")
        shell.expect(pxssh.EOF)
