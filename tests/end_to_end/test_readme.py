"""The README: its chapter's road is travelled, command by command."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from postgresql import freePort

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = Path(__file__).with_name("backwards.py")
README = (ROOT / "README.md").read_text()
ROAD = README.split("## The chapter's road\n")[1].split("\n## ")[0]
STEPS = re.findall(r"```console\n(.*?)```", ROAD, re.DOTALL)
PATIENCE = 60


def commands(step: str) -> list[tuple[str, str]]:
    """Return each command of a step, and what it says."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", step, re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder in which the whole road is travelled, as a reader would."""
    folder = tmp_path_factory.mktemp("road")
    folder.chmod(0o700)
    (folder / "twisted" / "plugins").mkdir(parents=True)
    shutil.copy(PLUGIN, folder / "twisted" / "plugins")
    return folder


def start(command: str, port: int, **options) -> subprocess.Popen[bytes]:
    """Start a server on a port of our own, and wait until it listens."""
    command = command.replace(
        "twistd -n echo", f"twistd -n --pidfile= echo --line tcp:{port}:interface=127.0.0.1"
    )
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert server.poll() is None, command
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.05)
    raise AssertionError(f"{command} does not listen")


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_the_road(need, place, number):
    """Each command of the road says what the README says that it does."""
    need("nc")
    port = freePort()
    bin_ = str(Path(sys.executable).parent)
    options = {
        "cwd": place,
        "shell": True,
        "executable": shutil.which("bash"),
        "env": {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"},
    }
    server = None
    ran = 0
    try:
        for command, said in commands(STEPS[number]):
            ran += 1
            if command.endswith("&"):
                server = start(command.removesuffix("&"), port, **options)
            elif command == "kill %1":
                server.send_signal(signal.SIGTERM)
                server.wait(PATIENCE)
            else:
                command = command.replace("localhost 8000", f"127.0.0.1 {port}")
                done = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                    check=False,
                    **options,
                )
                assert done.stdout.replace("\r\n", "\n") == said, (command, done.stderr)
    finally:
        if server is not None:
            server.kill()
            server.wait()
    assert ran == STEPS[number].count("$ ")


def test_the_checker_of_your_own():
    """The README shows the plugin that the tests use."""
    assert f"```python\n{PLUGIN.read_text()}```" in ROAD
    assert len(STEPS) == 6


def test_the_chapters_checker(place):
    """The README's lines with a ConnectionPool are a checker."""
    [lines] = re.findall(r"```python\n(from [^`]*pool = .*?)```", ROAD, re.DOTALL)
    code = (
        "from twisted.internet import reactor\n"
        "from twisted.cred.credentials import UsernamePassword\n"
        f"{lines}\n"
        "answer = checker.requestAvatarId(UsernamePassword(b'alice', b'secret'))\n"
        "answer.addBoth(print).addBoth(lambda _: reactor.stop())\n"
        "reactor.run()\n"
    )
    subprocess.run(
        ["sshecho", "passwd", "--auth", f"db:sqlite3:{place}/users.db", "alice"],
        executable=Path(sys.executable).parent / "sshecho",
        input=b"secret\n",
        check=True,
        capture_output=True,
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout == "b'alice'\n", done.stderr
