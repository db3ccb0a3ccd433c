"""The package: what a wheel holds, and what twistd finds once it is installed."""

import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SOMEONE_ELSES = Path(__file__).with_name("backwards.py")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel, built as for a release."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin folder of a new environment with the wheel, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    return folder / "bin"


def output(folder, *command) -> str:
    """Return what a command says when it is run in a folder, and goes well."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_contents(wheel):
    """The wheel holds the package, its types, its licence and the plugins, and no other thing."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {"sshecho/py.typed", "twisted/plugins/sshecho_dropin.py"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    [entries] = [name for name in names if name.endswith("/entry_points.txt")]
    assert (
        "[pytest11]\nsshecho = sshecho.testing.plugin\n"
        in zipfile.ZipFile(wheel).read(entries).decode()
    )
    assert "twisted/plugins/__init__.py" not in names
    tops = {name.split("/")[0] for name in names}
    assert all(top in ("sshecho", "twisted") or top.endswith(".dist-info") for top in tops)


def test_no_private_key_travels(wheel):
    """Of the folder for host keys the source archive holds what git has, whatever lies there."""
    [source] = wheel.parent.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert sorted(name for name in names if name.startswith("keys/")) == [
        "keys/.gitignore",
        "keys/README.md",
    ]
    assert {"README.md", "LICENSE", "sshecho/echo.py", "tests/conftest.py"} <= set(names)


def test_plugins(installed, tmp_path):
    """In a new environment twistd knows both commands, and the command is there."""
    shown = output(tmp_path, installed / "twistd", "--help")
    assert re.search(r"^    echo +An echo", shown, re.MULTILINE)
    assert re.search(r"^    sshecho +An echo", shown, re.MULTILINE)
    output(tmp_path, installed / "sshecho", "--version")


def test_the_plugins_are_light(installed, tmp_path):
    """The plugin file imports neither a reactor nor Conch: every twistd on the machine reads it."""
    code = (
        "import sys; from twisted.plugins import sshecho_dropin;"
        "print([m for m in ('twisted.internet.reactor', 'twisted.conch', 'cryptography',"
        " 'bcrypt', 'sshecho.tap') if m in sys.modules])"
    )
    assert output(tmp_path, installed / "python", "-c", code) == "[]\n"


def test_the_fixtures(installed, tmp_path):
    """The README's first test of a client runs in a new environment, where nothing else is said."""
    install = ("-m", "pip", "install", "--quiet", "pytest", "paramiko")
    subprocess.run([installed / "python", *install], check=True)
    shutil.copy(ROOT / "tests" / "examples" / "test_first.py", tmp_path)
    assert "1 passed" in output(tmp_path, installed / "python", "-m", "pytest", "-q")


def test_checkers_for_other_applications(installed, tmp_path):
    """Any twistd application finds our new checkers, and Twisted's own under Twisted's names."""
    code = (
        "from twisted.cred.strcred import findCheckerFactory as f;"
        "print(*(type(f(n).generateChecker('.')).__name__ for n in ('keys', 'file')))"
    )
    assert output(tmp_path, installed / "python", "-c", code) == "WithoutTerms FilePasswordDB\n"


TESTS_OF_A_USER = """
import socket
import sys

import pytest

@pytest.mark.sshecho(greeting="Hello")
def test_it(sshecho):
    assert not {"twisted", "cryptography"} & set(sys.modules)
    with socket.create_connection((sshecho.host, sshecho.line_port), 60) as line:
        line.sendall(f"{sshecho.user} {sshecho.password}\\nhello".encode())
        line.shutdown(socket.SHUT_WR)
        assert line.makefile("rb").read().endswith(b"hello")
    assert sshecho.sessions[0].input == b"hello"
"""


def test_the_fixture(installed, tmp_path):
    """In a new environment pytest has the fixture, and a module beside the tests does no harm."""
    output(tmp_path, installed / "python", "-m", "pip", "install", "--quiet", "pytest")
    (tmp_path / "test_it.py").write_text(TESTS_OF_A_USER)
    (tmp_path / "queue.py").write_text("raise ImportError")
    shown = output(tmp_path, installed / "pytest", "--strict-markers", "-p", "no:cacheprovider")
    assert "1 passed" in shown
    shown = output(tmp_path, installed / "pytest", "--fixtures", "-p", "no:cacheprovider")
    assert re.search(r"^sshecho -- .*sshecho/testing/plugin\.py", shown, re.MULTILINE)
    assert re.search(r"^sshecho_factory -- ", shown, re.MULTILINE)


def test_someone_elses_checker(serve, private):
    """A checker that someone else wrote is listed, and logs in at our doors."""
    plugins = private / "site" / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    shutil.copy(SOMEONE_ELSES, plugins)
    command = ("env", f"PYTHONPATH={private / 'site'}", sys.executable, "-m", "sshecho", "serve")
    shown = output(ROOT, *command, "--help-auth")
    assert re.search(r"^  backwards *\t\(nothing\)$", shown, re.MULTILINE)
    with serve("--auth", "backwards", "--ssh", "off", command=command) as server:
        for pair, answer in [(b"anna anna", b"successful"), (b"bob anna", b"denied")]:
            with server.connect() as connection:
                connection.sendall(pair + b"\n")
                assert answer in connection.recv(1000)


def test_only_dependencies_that_are_imported():
    """Each dependency of the package is imported by it."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w.-]+", name)[0] for name in project["dependencies"]}
    text = "\n".join(path.read_text() for path in (ROOT / "sshecho").rglob("*.py"))
    for name in names:
        module = re.escape(name.replace("-", "_"))
        assert re.search(rf"^\s*(from|import) {module}\b", text, re.MULTILINE), name
