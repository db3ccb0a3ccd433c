"""Host keys."""

import errno
import os
import shutil
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sshecho.ssh import hostkeys
from sshecho.ssh.hostkeys import MAKERS, BadHostKeyError, loadHostKeys, makeHostKey, readHostKey


@pytest.mark.parametrize("kind", list(MAKERS))
def test_made_as_openssh_makes_them(private, need, kind):
    """A new key has OpenSSH's format, names and modes, and ssh-keygen shows our fingerprint."""
    host = makeHostKey(private / "new" / "keys", kind)
    assert host.path == private / "new" / "keys" / f"ssh_host_{kind}_key"
    public = host.path.with_name(host.path.name + ".pub")
    assert host.path.read_bytes().startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert stat.S_IMODE(host.path.parent.stat().st_mode) == 0o700
    assert sorted(os.listdir(host.path.parent)) == [host.path.name, public.name]
    assert str(readHostKey(host.path)) == str(host)
    for path in (host.path, public):
        shown = subprocess.run(
            [need("ssh-keygen"), "-l", "-f", path], capture_output=True, text=True, check=True
        ).stdout.split()
        assert f"{shown[1]} {shown[-1]}" == str(host)


def test_never_overwritten(private):
    """A key that is there stays, unless it is to be replaced."""
    first = makeHostKey(private, "ed25519")
    with pytest.raises(FileExistsError):
        makeHostKey(private, "ed25519")
    assert str(readHostKey(first.path)) == str(first)
    second = makeHostKey(private, "ed25519", replace=True)
    assert str(readHostKey(first.path)) == str(second) != str(first)


def test_nothing_is_left_of_a_failure(private, monkeypatch):
    """When a key can't be written, no part of it stays."""

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hostkeys.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        makeHostKey(private, "ed25519")
    assert os.listdir(private) == []


def test_made_when_there_is_none(private):
    """A folder without a key gets an ed25519 key, and keeps it."""
    [first] = loadHostKeys(private / "keys")
    [second] = loadHostKeys(private / "keys")
    assert first.key.type() == "Ed25519"
    assert str(first) == str(second)


def test_all_are_loaded(private):
    """Every key in the folder is loaded, ed25519 first; public keys and other files are not."""
    for kind in ("rsa", "ecdsa", "ed25519"):
        makeHostKey(private, kind)
    (private / "README").write_text("x")
    assert [host.key.type() for host in loadHostKeys(private)] == ["Ed25519", "EC", "RSA"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_readable_by_others(private, mode):
    """A key that others could read is refused, as sshd does, and so is the whole start."""
    host = makeHostKey(private, "ed25519")
    host.path.chmod(mode)
    with pytest.raises(BadHostKeyError, match=rf"{host.path}: permissions {mode:04o} are too open"):
        loadHostKeys(private)


def test_none_is_made(private):
    """Where none is to be made, none there is an error."""
    with pytest.raises(BadHostKeyError, match=r"there is no ssh_host_\*_key in it"):
        loadHostKeys(private, make=False)
    with pytest.raises(BadHostKeyError, match="No such file"):
        loadHostKeys(private / "gone", make=False)
    assert not (private / "gone").exists()


def encoded(key, locked=False) -> bytes:
    encryption = BestAvailableEncryption(b"x") if locked else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a private key"),
        (b"x" * 100, "not a private key"),
        (b"\xff" * 200_000, "not a private key"),
        (
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            "not a private key",
        ),
        (encoded(rsa.generate_private_key(65537, 2048), locked=True), "passphrase"),
        (encoded(rsa.generate_private_key(65537, 1024)), "1024 bits are too few"),
        (encoded(dsa.generate_private_key(1024)), "a DSA key"),
    ],
)
def test_broken(write, private, content, why):
    """A key that is damaged, locked, weak or of another kind is refused with its name and why."""
    path = write("ssh_host_x_key", content)
    with pytest.raises(BadHostKeyError, match=f"{path}: .*{why}"):
        loadHostKeys(private)


def test_public_key(private):
    """A public key in the place of a private one is refused."""
    host = makeHostKey(private, "ed25519")
    shutil.copyfile(f"{host.path}.pub", host.path)
    with pytest.raises(BadHostKeyError, match="a public key"):
        loadHostKeys(private)


def test_two_of_a_type(private):
    """Two keys of one type are refused: only one of them could be served."""
    shutil.copy(makeHostKey(private, "ed25519").path, private / "ssh_host_old_key")
    with pytest.raises(BadHostKeyError, match="of the same type as ssh_host_ed25519_key"):
        loadHostKeys(private)


def test_no_folder(private):
    """A folder that is none, or can't be made, is named."""
    (private / "file").write_text("")
    with pytest.raises(BadHostKeyError, match=f"{private}/file.*Not a directory"):
        loadHostKeys(private / "file" / "keys")
    with pytest.raises(BadHostKeyError, match=f"{private}/file: Not a directory"):
        loadHostKeys(private / "file")


@pytest.mark.parametrize(
    ("call", "named"), [("mkdir", "new"), ("listdir", "new"), ("open", "new/ssh_host_ed25519_key")]
)
def test_closed_folder(private, monkeypatch, call, named):
    """A folder that we may not make, look into or write to is named, and no temporary file."""

    def refuse(path, *more, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(BadHostKeyError, match=rf"^{private}/{named}: Permission denied$"):
        loadHostKeys(private / "new")


def test_a_folder_in_place_of_a_key(private):
    """What is no file is refused."""
    (private / "ssh_host_ed25519_key").mkdir()
    with pytest.raises(BadHostKeyError, match=r"Is a directory|regular"):
        loadHostKeys(private)
