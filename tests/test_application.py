"""Loading an application."""

import sys
from itertools import count

import pytest
from twisted.internet.protocol import Protocol

from sshecho.service.application import loadApplication
from sshecho.service.start import StartError

NUMBERS = count()
"""Python keeps modules by name: each has another."""


@pytest.fixture
def module(write, monkeypatch):
    """Return a function that writes a module in the current folder, under a name of its own."""

    def writeModule(content: str) -> str:
        path = write(f"application_{next(NUMBERS)}.py", content)
        monkeypatch.chdir(path.parent)
        return path.stem

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return writeModule


def test_current_folder(module):
    """A class in a module in the current folder is found, and makes protocols."""
    name = module("from twisted.internet.protocol import Protocol\nclass Mine(Protocol): pass")
    application = loadApplication(f"{name}:Mine")
    assert isinstance(application(), Protocol)
    assert application() is not application()


def test_dots(module):
    """What stands within something else is found by its dots."""
    name = module("from twisted.internet.protocol import Protocol\nclass A: B = Protocol")
    assert isinstance(loadApplication(f"{name}:A.B")(), Protocol)


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        ("", "", "not MODULE:NAME, such as chat:Chat"),
        ("", ":", "not MODULE:NAME, such as chat:Chat"),
        ("", ":Mine", "AttributeError: module '{0}' has no attribute 'Mine'"),
        ("Mine = 3", ":Mine", "it can't be called"),
        ("Mine =", ":Mine", "SyntaxError: invalid syntax ({0}.py, line 1)"),
        ("raise RuntimeError('one\\ntwo')", ":Mine", "RuntimeError: one"),
        ("import sys; sys.exit(0)", ":Mine", "SystemExit: 0"),
        ("import nowhere_at_all", ":Mine", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    ],
)
def test_unusable(module, content, name, why):
    """What is no application is said in one line."""
    spec = module(content)
    with pytest.raises(StartError) as raised:
        loadApplication(spec + name)
    assert raised.value.why == f"--app {spec}{name}: {why.format(spec)}"


def test_no_protocol(module):
    """A callable that returns something else breaks where it is called, and says why."""
    application = loadApplication(module("def make(): return 3") + ":make")
    with pytest.raises(TypeError, match=r"make: it has returned no IProtocol$"):
        application()
