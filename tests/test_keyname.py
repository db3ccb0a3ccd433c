"""The names of keys."""

import base64
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS

from sshecho.cred.certificate import LARGEST_CERTIFICATE
from sshecho.cred.keyname import UNKNOWN, KeyName, nameKey

SK = NS(b"sk-ssh-ed25519@openssh.com") + NS(b"\1" * 32) + NS(b"ssh:")


@pytest.fixture(scope="module")
def keygen(need, tmp_path_factory):
    """Return a function that runs ssh-keygen in a folder of its own."""
    folder = tmp_path_factory.mktemp("names")
    program = need("ssh-keygen")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout

    run("-q", "-t", "ecdsa", "-N", "", "-f", "ca")
    for kind in ("ed25519", "ecdsa", "rsa"):
        run("-q", "-t", kind, "-N", "", "-C", "", "-f", kind)
    line = base64.b64encode(SK).decode()
    (folder / "ed25519-sk.pub").write_text(f"sk-ssh-ed25519@openssh.com {line}\n")
    run.folder = folder
    return run


def blobOf(path) -> bytes:
    return base64.b64decode(path.read_text().split()[1])


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa", "ed25519-sk"])
def test_as_ssh_keygen(keygen, kind):
    """A key, and a certificate of it, are called as ssh-keygen calls them."""
    keygen("-q", "-s", "ca", "-I", "m\u00fc id", "-z", "42", "-n", "user", f"{kind}.pub")
    authority = nameKey(blobOf(keygen.folder / "ca.pub"))
    for name in (f"{kind}.pub", f"{kind}-cert.pub"):
        said = keygen("-l", "-f", name).split()
        key = nameKey(blobOf(keygen.folder / name))
        assert (key.fingerprint, f"({key.type})") == (said[1], said[-1])
    assert (key.id, key.serial, key.authority) == ("m\u00fc id", 42, authority)
    assert str(key) == (
        f"{kind.upper()}-CERT {said[1]} ID m\u00fc id (serial 42) CA ECDSA {authority.fingerprint}"
    )


def test_text_that_steers(keygen):
    """What a certificate calls itself is escaped in the text."""
    keygen("-q", "-s", "ca", "-I", "a\x1bb", "-n", "user", "ed25519.pub")
    key = nameKey(blobOf(keygen.folder / "ed25519-cert.pub"))
    assert key.id == "a\x1bb"
    assert r"ID a\x1bb (serial 0)" in str(key)


@pytest.mark.parametrize(
    ("blob", "kind"),
    [
        (b"", UNKNOWN),
        (NS(b"ssh-dss") + b"x", "DSA"),
        (NS(b"ssh-ed25519"), "ED25519"),
        (NS(b"ssh-ed25519-cert-v01@openssh.com") + b"x", UNKNOWN),
        (NS(b"ssh-ed25519-cert-v01@openssh.com") + b"\0" * LARGEST_CERTIFICATE, UNKNOWN),
        (NS(b"ssh-dss-cert-v01@openssh.com"), UNKNOWN),
    ],
)
def test_odd_bytes(blob, kind):
    """What can't be read has a fingerprint too, that of its bytes."""
    key = nameKey(blob)
    assert key == KeyName(kind, key.fingerprint)
    assert key.fingerprint.startswith("SHA256:")
    assert len(key.fingerprint) == 50


@given(st.binary() | st.binary().map(lambda x: NS(b"ssh-rsa-cert-v01@openssh.com") + x))
@example(NS(b"ssh-ed25519-cert-v01@openssh.com") + b"\xff" * 100)
def test_any_bytes(blob):
    """Whatever the bytes are, they have a name."""
    assert str(nameKey(blob)).count("SHA256:") == 1
