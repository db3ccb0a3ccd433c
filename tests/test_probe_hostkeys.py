"""Whom a probe believes."""

import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key

from sshecho.cred.keyname import fingerprint
from sshecho.probe.attempt import ProbeError
from sshecho.probe.hostkeys import HostKeys, isLoopback
from sshecho.probe.knownhosts import readKnownHosts
from sshecho.probe.target import parseTarget

LOOPBACK, OTHER = "127.0.0.1", "192.0.2.1"


@pytest.fixture(scope="module")
def key() -> Key:
    return Key(ed25519.Ed25519PrivateKey.generate()).public()


@pytest.fixture(scope="module")
def other() -> Key:
    return Key(ec.generate_private_key(ec.SECP256R1())).public()


def line(names, key, marker=""):
    return f"{marker} {names} ".lstrip() + key.toString("OPENSSH").decode() + " a comment\n"


@pytest.fixture
def verdict(write, key):
    """Return a function that says what becomes of a key."""

    def judge(*lines, target="host", peer=OTHER, pins=(), shown=key):
        known = readKnownHosts(write("known_hosts", "".join(lines)))
        hosts = HostKeys(parseTarget(f"user@{target}"), known, pins)
        try:
            return hosts.trust(shown.blob(), peer)
        except ProbeError as error:
            return str(error) if error.final else None

    return judge


@pytest.mark.parametrize(
    ("names", "target"),
    [
        ("host", "host:22"),
        ("[host]:2222", "host"),
        ("host", "host"),  # as with ssh: for all of its ports
        ("a,[HOST]:2222", "Host"),
        ("*", "host"),
        ("[h?st]:*", "host"),
        ("!other,*", "host"),
        ("::1", "[::1]:22"),
        ("[::1]:2222", "::1"),
    ],
)
def test_known(verdict, key, names, target):
    """A key that is known for the host is believed, however its line names it."""
    assert verdict("# comment\n", "\n", line(names, key), target=target) == "known"


@pytest.mark.parametrize(
    ("names", "target"),
    [
        ("host2", "host:22"),
        ("[host]:22", "host"),
        ("[host]:2222", "host:22"),
        ("!host,*", "host:22"),
        ("h.st", "host:22"),
        ("[host]:2222,![host]:*", "host"),
    ],
)
def test_known_for_others(verdict, key, names, target):
    """A key that is known for another is not believed for this one."""
    assert "is unknown; if it is the right one" in verdict(line(names, key), target=target)


def test_unknown(verdict, key):
    """An unknown host is believed on loopback only, and else its fingerprint is shown."""
    assert verdict(peer=LOOPBACK) == "loopback"
    assert f"give --host-key {fingerprint(key.blob())}" in verdict(peer=OTHER)


def test_changed(verdict, key, other):
    """A host that is known by another key, of whichever type, is not believed, on loopback too."""
    lines = ["\n", line("[host]:2222", other)]
    for peer in (OTHER, LOOPBACK):
        assert "is not the one known for this host in" in verdict(*lines, peer=peer)
        assert "known_hosts:2" in verdict(*lines, peer=peer)
    assert verdict(*lines, line("[host]:2222", key)) == "known"


def test_revoked(verdict, key, other):
    """A revoked key is believed nowhere, whatever else is said of it."""
    for marker in ("host", "*"):
        lines = [line("[host]:2222", key), line(marker, key, "@revoked")]
        assert "is revoked in" in verdict(*lines, peer=LOOPBACK)
    assert verdict(line("*", other, "@revoked"), peer=LOOPBACK) == "loopback"


def test_pinned(verdict, key, other):
    """A pinned key is believed whatever is known, and no other is, on loopback neither."""
    pin = fingerprint(key.blob())
    assert verdict(line("host", other), pins=[pin]) == "pinned"
    assert verdict(pins=[pin + "="]) == "pinned"
    pin = fingerprint(other.blob())
    assert "is not the one of --host-key" in verdict(line("host", key), pins=[pin], peer=LOOPBACK)


@pytest.mark.parametrize(
    "lines",
    [
        "host ssh-ed25519\n",
        "host ssh-ed25519 !!!\n",
        "host ssh-ed25519 AAAA\n",
        "|1|x|y ssh-ed25519 {key}\n",
        "|2|AAAA|AAAA ssh-ed25519 {key}\n",
        "|1| ssh-ed25519 {key}\n",
        "@cert-authority * ssh-ed25519 {key}\n",
        "@other host ssh-ed25519 {key}\n",
        "#host ssh-ed25519 {key}\n",
        "host ssh-rsa {key}\n",
        "\udcff\n",
    ],
)
def test_lines_of_nobody(write, key, lines):
    """A line that is no host's is passed over, and the next still counts."""
    text = lines.format(key=key.toString("OPENSSH").split()[1].decode()) + line("host", key)
    path = write("known_hosts", text.encode("utf-8", "surrogateescape"))
    assert [known.where for known in readKnownHosts(path) if known.isFor("host")] == [f"{path}:2"]


def test_hashed(need, write, key, other):
    """Names that ssh-keygen has hashed are found, and only those."""
    path = write("known_hosts", line("[host]:2222", key) + line("host2", other))
    subprocess.run([need("ssh-keygen"), "-H", "-f", path], check=True, capture_output=True)
    first, second = readKnownHosts(path)
    assert first.names.startswith("|1|")
    assert first.isFor("[host]:2222")
    assert not first.isFor("host2")
    assert second.isFor("host2")


def test_algorithms(write, key, other):
    """A known host is asked for the key that is known, and all others for the best."""
    path = write("known_hosts", line("host", other) + line("host", key, "@revoked"))
    known = readKnownHosts(path)
    assert HostKeys(parseTarget("a@host"), known).algorithms()[:2] == [
        b"ecdsa-sha2-nistp256",
        b"ssh-ed25519",
    ]
    assert HostKeys(parseTarget("a@host2"), known).algorithms()[0] == b"ssh-ed25519"


def test_keys_that_are_none(key):
    """What is no key of the type agreed on, or too weak, is refused before it is looked up."""
    hosts = HostKeys(parseTarget("a@host"))
    weak = Key(rsa.generate_private_key(65537, 1024)).public().blob()
    for blob, algorithm, why in [
        (key.blob(), b"rsa-sha2-512", "not of the type"),
        (NS(b"ssh-ed25519") + NS(b"x" * 9000), b"ssh-ed25519", "not of the type"),
        (NS(b"ssh-ed25519") + NS(b"short"), b"ssh-ed25519", "can't be read"),
        (weak, b"rsa-sha2-256", "1024 bits are too few"),
    ]:
        with pytest.raises(ProbeError, match=why):
            hosts.show(blob, algorithm)
    shown = hosts.show(key.blob(), b"ssh-ed25519")
    assert (shown.type, shown.trust) == ("ED25519", None)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("192.0.2.1", False),
        ("localhost", False),
    ],
)
def test_loopback(address, loopback):
    """Loopback is what the address says."""
    assert isLoopback(address) is loopback
