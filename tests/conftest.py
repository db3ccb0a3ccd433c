"""What the tests share."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.ssh.keys import Key

# A shell has what runs in its background ignore SIGINT, and so would all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)

REQUIRE_CLIENTS = os.environ.get("SSHECHO_REQUIRE_CLIENTS") == "1"


def pytest_make_parametrize_id(config, val, argname):
    """Name no test by a key that is another in each process."""
    return argname if isinstance(val, bytes) and len(val) > 20 else None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Have a library that is not installed be a failure in CI, and not a skip."""
    report = yield
    if report.skipped and REQUIRE_CLIENTS:
        report.outcome = "failed"
        report.longrepr = str(report.longrepr[2])
    return report


@pytest.fixture(scope="session")
def need():
    """Return a function that skips the test where a program is missing, and fails it in CI."""

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            (pytest.fail if REQUIRE_CLIENTS else pytest.skip)(f"{program} is not installed")
        return path

    return find


@pytest.fixture(scope="session")
def userKey() -> Key:
    """A user's ed25519 key."""
    return Key(ed25519.Ed25519PrivateKey.generate())


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder that nobody else can write to, whatever the umask."""
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def write(private: Path):
    """Return a function that writes a file which passes the strict checks of its modes."""

    def writeFile(name: str, content: bytes | str, mode: int = 0o600) -> Path:
        path = private / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    return writeFile
