"""What a probe logs in with."""

import os

import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from twisted.conch.ssh.keys import Key

from sshecho.probe import identity
from sshecho.probe.attempt import ProbeError
from sshecho.probe.identity import readKeys, readPasswordFile

OPENSSH, PKCS8, PEM = (
    s.PrivateFormat.OpenSSH,
    s.PrivateFormat.PKCS8,
    s.PrivateFormat.TraditionalOpenSSL,
)
ED25519 = ed25519.Ed25519PrivateKey.generate()
ECDSA = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)


def text(private, form, passphrase=b""):
    locked = s.BestAvailableEncryption(passphrase) if passphrase else s.NoEncryption()
    return private.private_bytes(s.Encoding.PEM, form, locked)


@pytest.fixture
def typed(monkeypatch):
    """Return a list of what is typed at a terminal, one answer a question."""
    answers = []

    def ask(question, noTerminal):
        if not answers:
            raise ProbeError(noTerminal)
        return answers.pop(0)

    monkeypatch.setattr(identity, "_ask", ask)
    return answers


@pytest.mark.parametrize(
    ("private_key", "form"),
    [
        (ED25519, OPENSSH),
        (ED25519, PKCS8),
        (ECDSA, OPENSSH),
        (ECDSA, PKCS8),
        (ECDSA, PEM),
        (RSA, OPENSSH),
        (RSA, PKCS8),
        (RSA, PEM),
    ],
)
def test_keys(write, typed, private_key, form):
    """Keys in OpenSSH's and PEM formats are read, and locked ones with their passphrase."""
    for passphrase in (b"", b"open"):
        path = write("key", text(private_key, form, passphrase))
        if passphrase:
            with pytest.raises(ProbeError, match="locked by a passphrase, and no terminal"):
                readKeys([str(path)])
            typed.append(b"shut")
            with pytest.raises(ProbeError, match=r"key: the passphrase is wrong") as caught:
                readKeys([str(path)])
            assert caught.value.final
            typed.append(passphrase)
        [key] = readKeys([str(path)]).keys
        assert key.public() == Key(private_key).public()
        assert not typed


def test_order(write):
    """Keys are tried in the order in which they are given, and no password is."""
    paths = [write("a", text(ED25519, OPENSSH)), write("b", text(ECDSA, PEM))]
    found = readKeys([str(path) for path in paths])
    assert [key.type() for key in found.keys] == ["Ed25519", "EC"]
    assert found.password is None


def test_keys_that_are_none(write, private):
    """What is no private key that is used here is refused, with its name."""
    public = ED25519.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH)
    for content, why in [
        (b"", "not a private key, or damaged"),
        (public, "not a private key, or damaged"),
        (text(ED25519, OPENSSH)[:200], "not a private key, or damaged"),
        (text(dsa.generate_private_key(1024), PEM), "give a private ed25519"),
    ]:
        with pytest.raises(ProbeError, match=rf"{private}/key: {why}") as caught:
            readKeys([str(write("key", content))])
        assert caught.value.final


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_open_files(write, mode):
    """A key or a password that others could read is refused, as ssh does."""
    for read, content in (
        (lambda path: readKeys([path]), text(ED25519, OPENSSH)),
        (readPasswordFile, b"pass\n"),
    ):
        path = str(write("secret", content, mode))
        with pytest.raises(ProbeError, match=f"permissions {mode:04o} are too open"):
            read(path)


def test_files_that_are_none(private):
    """What is missing or no file is said, and a FIFO hangs nothing."""
    os.mkfifo(private / "fifo", 0o600)
    (private / "folder").mkdir()
    for name, why in [
        ("none", "No such file"),
        ("fifo", "not a regular file"),
        ("folder", "Is a directory"),
    ]:
        with pytest.raises(ProbeError, match=rf"{private}/{name}: {why}"):
            readPasswordFile(str(private / name))


def test_password_file(write):
    """The password is the first line, without its end and with all else."""
    for content in (b" pa ss \n", b" pa ss \r\nmore\n", b" pa ss "):
        assert readPasswordFile(str(write("p", content))).password == b" pa ss "
    assert readPasswordFile(str(write("p", b"\xff\0\n"))).password == b"\xff\0"
    for content in (b"", b"\n", b"\r\npass\n"):
        with pytest.raises(ProbeError, match="the first line is empty"):
            readPasswordFile(str(write("p", content)))


def test_no_secret_in_a_traceback(write):
    """An identity shows nothing of itself."""
    found = readPasswordFile(str(write("p", b"hunter2\n")))
    assert "hunter2" not in f"{found!r} {found}"
