"""The container's file: what it says holds, and its steps work without a container."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest
from serving import PATIENCE, ROOT, environment

from sshecho.__main__ import MainOptions

FILE = ROOT / "scripts" / "deploy" / "container" / "Containerfile"
PORT = "2222"


def instructions() -> list[tuple[str, str]]:
    """Return the file's instructions and what stands behind each."""
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line]


def last(name) -> str:
    """Return what stands behind the last instruction of a name: the one that counts."""
    return [rest for each, rest in instructions() if each == name][-1]


def words(text) -> list[str]:
    return json.loads(text[text.index("[") :])


def command() -> list[str]:
    """Return what the container runs."""
    return words(last("ENTRYPOINT")) + words(last("CMD"))


def healthCheck() -> list[str]:
    return words(last("HEALTHCHECK"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The bin folder of an environment that was made by the file's steps from the sdist."""
    folder = tmp_path_factory.mktemp("container")
    build = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(folder / "sdist", filter="data")
    [unpacked] = (folder / "sdist").iterdir()
    (folder / "src").mkdir()
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from="):
            *sources, target = rest.split()
            for source in sources:
                place = folder / "src" / target
                if (unpacked / source).is_dir():
                    shutil.copytree(unpacked / source, place)
                else:
                    shutil.copy(unpacked / source, place)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    # What it depends on is installed whole in test_packaging.py; here it is this Python's.
    own = ["--no-deps", "--no-build-isolation", f"--wheel-dir={folder / 'wheels'}"]
    subprocess.run([*pip, "wheel", *own, "."], check=True, cwd=folder / "src")
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    find = ["--no-deps", "--no-index", f"--find-links={folder / 'wheels'}"]
    subprocess.run([*pip, f"--python={python}", "install", *find, "sshecho"], check=True)
    [site] = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


def test_user():
    """It runs as a user with a number, who is not root, and who owns its folders."""
    user, group = last("USER").split(":")
    assert int(user) > 0
    [made] = [rest for name, rest in instructions() if name == "RUN" and "install -d" in rest]
    assert f"-m 0700 -o {user} -g {group}" in made
    assert made.split()[-2:] == words(last("VOLUME"))


def test_commands():
    """The command and the health check are ones that sshecho knows, of the port that is open."""
    for line in (command(), healthCheck()):
        assert line[0] == "/opt/sshecho/bin/sshecho"
        options = MainOptions()
        if line[1] == "serve":  # its users are looked for when it is parsed
            line = [word for word in line if "users.txt" not in word and word != "--auth"]
        options.parseOptions(line[1:])
        chosen = options.subOptions
        port = chosen["ssh"] if line[1] == "serve" else chosen["target"].port
        assert port in ([f"tcp:{PORT}"], int(PORT))
    assert last("EXPOSE") == PORT
    assert last("STOPSIGNAL") == "SIGTERM"


def translated(line, folder, bin_, port) -> list[str]:
    """Return a command line of the container's, for loopback, with a port and folders of ours."""
    places = [(words(last("VOLUME"))[0], "var"), (words(last("VOLUME"))[1], "etc")]
    text = json.dumps(line).replace("/opt/sshecho/bin", str(bin_)).replace(PORT, str(port))
    text = text.replace(f"tcp:{port}", f"tcp:{port}:interface=127.0.0.1")
    for place, name in places:
        text = text.replace(place, str(folder / name))
    return json.loads(text)


def test_it_runs(installed, private, write):
    """Installed by its steps it serves, is healthy, ends at the stop signal, and is not healthy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("var", "etc"):
        (private / name).mkdir(mode=0o700)
    secret = write("etc/health", "correct horse\n")
    serve, check = (
        translated(line, private, installed, port) for line in (command(), healthCheck())
    )

    def run(line, **more):
        env = environment(HOME="/nonexistent")
        return subprocess.run(
            line, cwd=private, env=env, capture_output=True, timeout=PATIENCE, **more
        )

    users = serve[serve.index("--auth") + 1]
    run([serve[0], "passwd", "--auth", users, "health"], input=secret.read_bytes(), check=True)
    process = subprocess.Popen(serve, cwd=private, stdout=subprocess.PIPE, env=environment())
    try:
        healthy = run(check)
        assert healthy.returncode == 0, healthy.stderr
        secret.write_text("wrong\n")
        at = check.index("--wait")
        del check[at : at + 2]  # a wrong password is tried again too
        assert run(check).returncode == 1
        process.send_signal(getattr(signal, last("STOPSIGNAL")))
        audit, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    finally:
        process.kill()
    events = [json.loads(line)["event"] for line in audit.splitlines()]
    assert {"server.start", "login.ok", "login.denied", "server.stop"} <= set(events)
    secret.write_text("correct horse\n")
    assert run(check).returncode == 1  # it is down
    assert b"correct horse" not in audit
