"""The target of a probe."""

import pytest

from sshecho.probe.target import Target, parseTarget


@pytest.fixture(autouse=True)
def me(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "me")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("host", Target("ssh", "me", "host", 2222)),
        ("user@host:22", Target("ssh", "user", "host", 22)),
        ("user@corp@host", Target("ssh", "user@corp", "host", 2222)),
        ("user:role@host", Target("ssh", "user:role", "host", 2222)),
        ("user+exit=3@127.0.0.1:1", Target("ssh", "user+exit=3", "127.0.0.1", 1)),
        ("::1", Target("ssh", "me", "::1", 2222)),
        ("user@fe80::1%eth0", Target("ssh", "user", "fe80::1%eth0", 2222)),
        ("[::1]", Target("ssh", "me", "::1", 2222)),
        ("user@[::1]:65535", Target("ssh", "user", "::1", 65535)),
        ("ssh://host/", Target("ssh", "me", "host", 2222)),
        ("ssh://a%20b%ff@host:22", Target("ssh", "a b\udcff", "host", 22)),
        ("line://host", Target("line", "me", "host", 8000)),
        ("line://user@[::1]:9", Target("line", "user", "::1", 9)),
    ],
)
def test_targets(text, target):
    """User and port have defaults, and addresses of either kind are taken."""
    assert parseTarget(text) == target


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no host"),
        ("user@", "no host"),
        ("@host", "no user"),
        ("user@:22", "no host"),
        ("[::1", "an IPv6 address with a port is"),
        ("[::1]22", "an IPv6 address with a port is"),
        ("host:", "a port is a number"),
        ("host:ssh", "a port is a number"),
        ("host:0", "a port is a number"),
        ("host:65536", "a port is a number"),
        ("host:9999999999", "a port is a number"),
        ("host:0000067758", "a port is a number"),
        ("host:\u0662", "a port is a number"),
        ("ho st", "no host's name"),
        ("ho\x1bst", "no host's name"),
        ("host/path", "no host's name"),
        ("http://host", "a target is"),
        ("line://user:hunter2@host", "a password does not belong"),
        ("ssh://user:hunter2@host", "a password does not belong"),
    ],
)
def test_no_targets(text, why):
    """What is none is refused with the reason, and a password is not repeated."""
    with pytest.raises(ValueError, match=why) as caught:
        parseTarget(text)
    assert "hunter2" not in str(caught.value)


def test_nobody(monkeypatch):
    """Where we have no name ourselves, the user must be said."""

    def nobody():
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nobody)
    assert parseTarget("user@host").user == "user"
    with pytest.raises(ValueError, match="say as whom"):
        parseTarget("host")


def test_shown():
    """It is shown as a URL, whatever is in its name."""
    assert str(parseTarget("a@::1")) == "ssh://a@[::1]:2222"
    assert str(parseTarget("line://\udcff@host")) == "line://\\xff@host:8000"
