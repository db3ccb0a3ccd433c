"""The settings, as the options of a test say them."""

import re

import pytest

from sshecho.testing.algorithms import ALGORITHMS
from sshecho.testing.inside.settings import LACKING, Settings, readSettings
from sshecho.testing.options import Options

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO2ovXSy6+o9bnu2vUQPUxeY6Hoe+EIgYe4hZQ2g0TRD"


def test_usual():
    """Without options all is as usual, and no keepalive disturbs a client in a debugger."""
    assert readSettings({}) == Settings()
    assert Settings().limits.keepalive is None
    assert "ssh-rsa" not in Settings().public_keys


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("ciphers", ["aes128-cbc", "3des-cbc"], ("aes128-cbc", "3des-cbc")),
        ("auth_methods", ["none"], ("none",)),
        ("ext_info", False, False),
        ("strict_kex", False, False),
        ("version", "SSH-1.99-old one", "SSH-1.99-old one"),
        ("window", 0, 0),
        ("packet", 1, 1),
        ("banner", "ü\n", "ü\n"),
        ("greeting", "", ""),
        ("users", {"bob": "", "ü": "ö"}, {"bob": "", "ü": "ö"}),
        (
            "authorized_keys",
            {"bob": [KEY, f"no-pty {KEY} c d"]},
            {"bob": (KEY, f"no-pty {KEY} c d")},
        ),
    ],
)
def test_options(name, value, read):
    """An option has its value, and the rest stays as usual."""
    settings = readSettings({name: value})
    assert getattr(settings, name) == read
    assert readSettings({name: value}) == Settings(**{name: read})


def test_every_algorithm():
    """Each algorithm that there is can be the only one, unless cryptography lacks it."""
    for kind, names in ALGORITHMS.items():
        for name in names:
            if name not in LACKING:
                assert getattr(readSettings({kind: [name]}), kind) == (name,)


def test_lacking(monkeypatch):
    """A method of key exchange that cryptography lacks is an error that says so."""
    monkeypatch.setattr("sshecho.testing.inside.settings.LACKING", frozenset(["curve25519-sha256"]))
    with pytest.raises(ValueError, match="kex: cryptography has no curve25519-sha256 here"):
        readSettings({"kex": ["curve25519-sha256"]})


def test_limits():
    """Limits are said as on the command line, by numbers or by text."""
    limits = readSettings(
        {"max_sessions": 2, "idle_timeout": "off", "rekey_limit": "1M", "login_grace": 0.5}
    ).limits
    assert (limits.maxSessions, limits.idleTimeout, limits.loginGrace) == (2, None, 0.5)
    assert limits.rekeyLimit == 1 << 20
    assert limits.keepalive is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"nothing": 1}, "nothing: there is no such option; there are auth_methods, "),
        ({"limits": 1}, "limits: there is no such option"),
        ({"macs": "hmac-md5"}, "macs: it is a list of names"),
        ({"macs": None}, "macs: it is a list of names"),
        ({"macs": 5}, "macs: "),
        ({"macs": ["hmac-md5", "md5"]}, "macs: there is no 'md5'; there are hmac-sha2-256-etm"),
        ({"auth_methods": ["hostbased"]}, "auth_methods: there is no 'hostbased'; there are publ"),
        ({"strict_kex": 1}, "strict_kex: it is True or False"),
        ({"version": "SSH-"}, "version: it is SSH-, and up to"),
        ({"version": "SSH-2.0-ü"}, "version: it is SSH-, and up to"),
        ({"version": "SSH-2.0-a\r\n"}, "version: it is SSH-, and up to"),
        ({"version": "SSH-" + "x" * 250}, "version: it is SSH-, and up to"),
        ({"window": -1}, "window: it is a whole number from 0 to 4294967295"),
        ({"window": 1 << 32}, "window: it is a whole number"),
        ({"window": "1"}, "window: it is a whole number"),
        ({"window": False}, "window: it is a whole number"),
        ({"packet": 0}, "packet: it is a whole number from 1"),
        ({"banner": None}, "banner: it is text"),
        ({"greeting": "\ud800"}, "greeting: "),
        ({"users": None}, "users: it is a dictionary"),
        ({"users": {"bob": None}}, "users: it is text"),
        ({"authorized_keys": [KEY]}, "authorized_keys: it is a dictionary"),
        ({"authorized_keys": {"bob": KEY}}, "authorized_keys: the keys of bob are a list of lines"),
        ({"authorized_keys": {"": []}}, "authorized_keys: a user with a key can't be called ''"),
        ({"authorized_keys": {"b/b": []}}, "authorized_keys: a user with a key can't be called"),
        ({"authorized_keys": {"x" * 256: []}}, "authorized_keys: a user with a key can't be call"),
        ({"authorized_keys": {"bob": [""]}}, "authorized_keys: there is no one key in ''"),
        ({"authorized_keys": {"bob": ["# no"]}}, "authorized_keys: there is no one key in '# no'"),
        ({"authorized_keys": {"bob": [f"{KEY}\n{KEY}"]}}, "authorized_keys: there is no one key"),
        ({"authorized_keys": {"bob": ["ssh-ed25519 AAAA"]}}, "authorized_keys: a key: line 1 is"),
        ({"authorized_keys": {"bob": [5]}}, "authorized_keys: it is text"),
        ({"faults": "garbage"}, "faults: it is a list of faults"),
        ({"faults": ["garbage=1"]}, "faults: garbage"),
        ({"max_sessions": 0}, "max_sessions: "),
        ({"keepalive": "often"}, "keepalive: "),
    ],
)
def test_what_can_not_be_had(options, text):
    """What is no option, or no value of it, is named, and it is said what could be had."""
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        readSettings({"banner": "fine", **options})


def test_all_options_are_declared():
    """The options that type checkers know are those that there are."""
    with pytest.raises(ValueError, match="there are ") as caught:
        readSettings({"nothing": 1})
    known = str(caught.value).partition("there are ")[2].split(", ")
    assert known == sorted(Options.__annotations__)
