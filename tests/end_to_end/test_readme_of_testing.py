"""The README's server for tests: what it shows is run, and what it lists is all there is."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import paramiko
import pytest
from postgresql import freePort

import sshecho.testing
from sshecho.testing.faults import KINDS
from sshecho.testing.faults.fault import STAGES, StageFault

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
SECTION = README.split("## A server for tests of SSH clients\n")[1].split("\n## ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
EXAMPLES = {path.name: path.read_text() for path in (ROOT / "tests" / "examples").glob("*.py")}
ANSWERS = next(block for block in BLOCKS if block.startswith("sshecho.respond("))
PATIENCE = 60


def rows(heading):
    """Return the cells of a table's rows."""
    table = SECTION.split(f"| {heading} |")[1].split("\n\n")[0]
    return [re.split(r" *(?<!\\)\| *", line.strip("| ")) for line in table.splitlines()[2:]]


def names(text):
    """Return what a text has in backquotes, without arguments."""
    return [re.split(r"[(=\[]", name)[0] for name in re.findall(r"`([^`]*)`", text)]


def test_the_first():
    """The first test is a file of its own, to be pasted, and short."""
    assert BLOCKS[0] == EXAMPLES["test_first.py"]
    assert len(BLOCKS[0].splitlines()) < 20


def test_examples():
    """All that is shown, but for the answers, is of the tests beside it, which run."""
    for block in BLOCKS:
        if block is not ANSWERS:
            assert any(block.rstrip() in text for text in EXAMPLES.values()), block
    assert len(BLOCKS) == 8
    for linked in re.findall(r"\(tests/examples/([^)]*)\)", SECTION):
        assert linked in EXAMPLES


def test_answers(sshecho):
    """Each answer that is shown is given."""
    exec(ANSWERS, {"re": re, "sshecho": sshecho})
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(sshecho.known_hosts))
        login = {"password": sshecho.password, "look_for_keys": False}
        client.connect(sshecho.host, sshecho.port, sshecho.user, allow_agent=False, **login)

        def run(command, typed=b""):
            stdin, stdout, stderr = client.exec_command(command)
            stdin.write(typed)
            stdin.channel.shutdown_write()
            return stdout.read(), stderr.read(), stdout.channel.recv_exit_status()

        assert run("make") == (b"cc main.c\n", b"main.c: lost\n", 2)
        assert [run("date")[0] for _ in range(3)] == [b"Mon\n", b"Tue\n", b"Tue\n"]
        assert run("cat > backup", b"all")[2] == 0
        assert run("wc -c", b"four") == (b"4\n", b"", 0)
        assert run("sudo reboot", b"secret\n") == (b"", b"Password: ", 0)
        run("kill 1")
    assert [session.exit_signal for session in sshecho.sessions][-1] == "TERM"
    assert sshecho.sessions[-2].input == b"secret\n"


def test_what_it_has():
    """The table of what a test has in hand has all of it."""
    told = [name for first, *_ in rows("`sshecho.` |") for name in names(first)]
    with sshecho.testing.Server() as server:
        there = {name for name in dir(server) if not name.startswith("_")}
    assert {*told, "start", "close"} == there


@pytest.mark.parametrize("name", ["Login", "Connection", "Session"])
def test_what_it_saw(name):
    """The table of records has all their fields."""
    record = getattr(sshecho.testing, name)
    [told] = [names(second) for first, second in rows("it saw | which has") if name in first]
    properties = [each for each, value in vars(record).items() if isinstance(value, property)]
    assert sorted(told) == sorted([*(field.name for field in fields(record)), *properties])


def test_options():
    """All options are named, but for those that are limits of serving."""
    told = names(SECTION.split("### Old and odd servers")[1].split("```")[0])
    limits = README.split("## Ways to run it")[1].split("\n### ")[0]
    for option in sshecho.testing.Options.__annotations__:
        assert option in told or f"`--{option.replace('_', '-')} " in limits, option


ARGUMENTS = {"slow": "60", "drop-after": "1", "deny": "1", "exit": "1", "signal": "KILL"}
FAULTS = "fault | what happens | line door | by user name"


def test_faults():
    """All faults are in the table, and by user name where it says so."""
    table = {name: row for row in rows(FAULTS) for name in names(row[0])}
    assert set(table) == {kind.name for kind in KINDS}
    for kind in KINDS:
        told = table[kind.name][3]
        if issubclass(kind, StageFault):
            assert names(told) == [each for each in STAGES if kind(each).byUserName]
        else:
            assert told == ("yes" if kind(ARGUMENTS.get(kind.name)).byUserName else "no")


def test_faults_at_the_line_door(sshecho):
    """The line door shows those faults of which the table says so, and no others."""

    def visit(patience=PATIENCE):
        with socket.create_connection((sshecho.host, sshecho.line_port)) as link:
            link.sendall(f"{sshecho.user} {sshecho.password}\nHi\n".encode())
            link.shutdown(socket.SHUT_WR)
            link.settimeout(patience)
            try:
                return b"".join(iter(lambda: link.recv(65536), b""))
            except TimeoutError:
                return b"nothing yet"
            except ConnectionError:
                return b""

    usual = visit()
    assert usual.endswith(b"Hi\n")
    for row in rows(FAULTS):
        for name in names(row[0]):
            argument = ARGUMENTS.get(name, "auth" if "STAGE" in row[0] else None)
            with sshecho.misbehave(name, argument):
                answered = visit(0.1 if name == "slow" else PATIENCE)
            assert row[2] == ("no" if answered == usual else "yes"), name


def test_other_languages(need, private, askpass, monkeypatch):
    """What is shown at a command line says what the README says that it does."""
    need("ssh")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("SSH_ASKPASS", str(askpass))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("SSHECHO_TEST_PASSWORD", "pass")
    port = freePort()
    [block] = re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL)
    options = ("UserKnownHostsFile=hosts", "StrictHostKeyChecking=no", "LogLevel=ERROR")
    ssh = " ".join(["ssh -F none", *(f"-o {option}" for option in options), f"-p {port}"])
    shell = {"shell": True, "executable": shutil.which("bash"), "cwd": private}
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert len(commands) == 5
    server = None
    try:
        for command, said in commands:
            if command.endswith("&"):
                doors = f"--ssh tcp:{port}:interface=127.0.0.1 --line off --host-keys keys"
                server = subprocess.Popen(f"exec {command.removesuffix('&')} {doors}", **shell)
                listens(port)
            elif command == "kill %1":
                server.send_signal(signal.SIGTERM)
                assert server.wait(PATIENCE) == 0
            else:
                command = command.replace("ssh -p 2222", ssh).replace("@localhost", "@127.0.0.1")
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=PATIENCE, **shell
                )
                assert done.stdout == said, (command, done.stderr)
    finally:
        if server is not None:
            server.kill()
            server.wait()


def listens(port):
    """Wait until a server listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("nobody listens")


def test_faults_for_everybody(serve):
    """The other command line starts a server with its faults."""
    [line] = re.findall(r"^    sshecho serve (.*?) *#", SECTION, re.MULTILINE)
    with serve(*line.split()) as server, server.connect() as link:
        link.sendall(b"user pass\n")
        assert link.recv(1000).startswith(b"Login denied")
    assert any("deny=1" in line for line in server.lines)
