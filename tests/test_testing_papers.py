"""The files that a client needs."""

import tempfile

import pytest
from twisted.conch.ssh.keys import Key

from sshecho.testing.inside.papers import Papers, checkKey, checkName


@pytest.fixture
def papers(private, monkeypatch):
    """Papers in a folder of the test's."""
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    return Papers()


def test_key(papers):
    """The user's key is private, and nobody else's to read, with its public one beside it."""
    key = Key.fromFile(str(papers.private_key))
    assert not key.isPublic()
    assert papers.private_key.stat().st_mode & 0o777 == 0o600
    beside = papers.private_key.with_suffix(".pub").read_text().split()
    assert " ".join(beside[:2]) == papers.publicKey
    assert Key.fromFile(str(papers.private_key.with_suffix(".pub"))) == key.public()
    checkKey(papers.publicKey)


def test_known_hosts(papers, userKey):
    """The host is known by its address and as localhost, with the port and without."""
    papers.writeKnownHosts("::1", 22022, [userKey, userKey])
    lines = papers.known_hosts.read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].split()[0] == "::1,[::1]:22022,localhost,[localhost]:22022"
    assert lines[0].split()[1] == "ssh-ed25519"


def test_configuration(private, monkeypatch):
    """Spaces, quotes, backslashes and percent signs are escaped, as ssh reads them."""
    folder = private / 'a "b" \\ 100%'
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    papers = Papers()
    papers.writeConfiguration("127.0.0.1", 22022, 'a "b" \\ ü')
    lines = dict(
        line.strip().partition(" ")[::2]
        for line in papers.ssh_config.read_text(encoding="utf-8").splitlines()
    )
    assert lines["User"] == '"a \\"b\\" \\\\ ü"'
    written = str(papers.folder).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    assert lines["IdentityFile"] == f'"{written}/id_ed25519"'
    assert lines["UserKnownHostsFile"] == f'"{written}/known_hosts"'
    assert (lines["HostName"], lines["Port"]) == ("127.0.0.1", "22022")
    papers.remove()
    assert not list(folder.iterdir())


def test_authorized_keys(papers):
    """A user's keys are in a file of theirs, and are forgotten with those of all others."""
    papers.authorize("ü 漢", ["key one", "key ü"])
    [path] = papers.folder.glob("authorized_keys/*")
    assert path.name == "ü 漢"
    assert path.read_text(encoding="utf-8") == "key one\nkey ü\n"
    assert path.stat().st_mode & 0o777 == 0o600
    papers.authorize("ü 漢", ["key two"])
    assert path.read_text() == "key two\n"
    papers.forgetAuthorized()
    assert not path.exists()


def test_names():
    """A user with a key has a name that a file can have."""
    for name in ("a", "a b", "-", "...", "ü" * 127):
        checkName(name)
    for name in ("", ".", "..", "a/b", "/", "a\0", "ü" * 128):
        with pytest.raises(ValueError, match="a user with a key can't be called "):
            checkName(name)
