"""The server's process, as the tests start it."""

import subprocess
import tempfile

import pytest

from sshecho.testing.errors import ServerError
from sshecho.testing.process import Process


class Popen:
    """Takes what a process would be started with."""

    returncode = None

    def __init__(self, command, **more):
        type(self).command, type(self).more = command, more


@pytest.fixture
def started(monkeypatch):
    """Let no process be started, and give what one would have been started with."""
    monkeypatch.setattr(subprocess, "Popen", Popen)
    return Popen


def test_environment(started, private, monkeypatch):
    """It has the tests' environment and folder for files, but doesn't break at their warnings."""
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("MINE", "yours")
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    process = Process()
    environment = started.more["env"]
    assert environment["MINE"] == "yours"
    assert environment["TMPDIR"] == str(private)
    assert "PYTHONWARNINGS" not in environment
    assert started.more["process_group"] == 0
    process.link.close()
    process.calls.close()
    process._log.close()


def test_no_process(monkeypatch):
    """What keeps a process from being started is said."""

    def fails(*arguments, **more):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", fails)
    with pytest.raises(ServerError, match=r"can't be started: .*Resource temporarily unavailable"):
        Process()
