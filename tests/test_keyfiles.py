"""The checker of keys in files."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from helpers import denied, inline, logged, result
from twisted.conch.error import ValidPublicKey
from twisted.conch.ssh.keys import Key
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent
from zope.interface.verify import verifyObject

from sshecho.cred import files
from sshecho.cred.files import BadFileError
from sshecho.cred.keyfiles import KeyFilesChecker, KeyFilesCheckerFactory


@pytest.fixture(scope="module")
def keys() -> dict[str, Key]:
    return {
        "ed25519": Key(ed25519.Ed25519PrivateKey.generate()),
        "ecdsa": Key(ec.generate_private_key(ec.SECP384R1())),
        "rsa": Key(rsa.generate_private_key(65537, 2048)),
        "short": Key(rsa.generate_private_key(65537, 1024)),
    }


def line(key: Key) -> bytes:
    return key.public().toString("OPENSSH")


def credentials(key: Key, user=b"user", data=b"signed", algorithm=None) -> SSHPrivateKey:
    algorithm = algorithm or (b"rsa-sha2-512" if key.type() == "RSA" else key.sshType())
    signature = key.sign(data, algorithm) if data is not None else None
    return SSHPrivateKey(user, algorithm, key.public().blob(), b"signed", signature)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_login(write, keys, kind):
    """A key that is listed is known before it has signed, and lets its user in when it has."""
    key = keys[kind]
    path = write("keys", b"# mine\n\n" + line(key) + b" me@home\r\n" + line(keys["rsa"]))
    checker = KeyFilesChecker(str(path), b"user", inline)
    verifyObject(ICredentialsChecker, checker)
    assert result(checker.requestAvatarId(credentials(key))) == b"user"
    with pytest.raises(ValidPublicKey):
        result(checker.requestAvatarId(credentials(key, data=None)))


def test_kept(write, keys, monkeypatch):
    """A thread reads the one user's file once it has changed; another user's name needs none."""
    monkeypatch.setattr(files, "_SETTLED", -1.0)
    path = write("user", line(keys["rsa"]))
    read = []

    def inThread(function, *arguments):
        read.append(function)
        return inline(function, *arguments)

    checker = KeyFilesChecker(str(path), b"user", inThread)
    for key, times in [("rsa", 1), ("rsa", 1), ("ed25519", 2), ("ed25519", 2)]:
        if times > len(read):
            write("user", line(keys[key]))
        assert result(checker.requestAvatarId(credentials(keys[key]))) == b"user"
        denied(checker.requestAvatarId(credentials(keys[key], user=b"nobody")))
        assert len(read) == times


def test_where_names_lead(private, write, keys, monkeypatch):
    """A path that a client's name is part of is only looked at in a thread: it may be slow."""
    write("user", line(keys["rsa"]))
    inside = []

    def inThread(*work):
        inside.append(work)
        return Deferred()

    checker = KeyFilesChecker(f"{private}/%u", None, inThread)

    def looked(*_):
        raise AssertionError("a file was looked at")

    shown = [credentials(keys["rsa"], user=user) for user in (b"user", b"nobody", b"user")]
    with monkeypatch.context() as patch:
        for name in ("stat", "lstat", "open"):
            patch.setattr(os, name, looked)
        for one in shown:
            checker.requestAvatarId(one)
    assert len(inside) == 3


def test_denied(write, keys):
    """An unlisted key, another user and another signature are denied, and nothing is known."""
    checker = KeyFilesChecker(str(write("keys", line(keys["ed25519"]))), b"user", inline)
    for wrong in [
        credentials(keys["rsa"]),
        credentials(keys["rsa"], data=None),
        credentials(keys["ed25519"], user=b"other"),
        credentials(keys["ed25519"], user=b"other", data=None),
        credentials(keys["ed25519"], user=b""),
        credentials(keys["ed25519"], data=b"something else"),
    ]:
        with pytest.raises(UnauthorizedLogin) as caught:
            result(checker.requestAvatarId(wrong))
        assert caught.type is UnauthorizedLogin  # and not ValidPublicKey, which is one too


def test_unlisted_keys_are_not_parsed(write, keys):
    """What a client sends for a key reaches no parser unless it is listed, byte for byte."""
    checker = KeyFilesChecker(str(write("keys", line(keys["rsa"]))), b"user", inline)
    for blob in [b"", b"\0" * 100_000, b"-----BEGIN", b"{", keys["rsa"].public().blob() + b"\0"]:
        assert denied(checker.requestAvatarId(SSHPrivateKey(b"user", b"ssh-rsa", blob, b"x", b"y")))


def test_file_for_each_user(private, write, keys):
    """With %u in the path each user has a file, read when they log in; %% is a per cent sign."""
    checker = KeyFilesChecker(f"{private}/%%/%u.keys", None, inline)
    (private / "%").mkdir(mode=0o700)
    login = credentials(keys["ed25519"], "\u00fcser".encode())
    assert denied(checker.requestAvatarId(login))
    write("%/\u00fcser.keys", line(keys["ed25519"]))
    assert result(checker.requestAvatarId(login)) == "\u00fcser".encode()
    assert denied(checker.requestAvatarId(credentials(keys["ed25519"], b"other")))


@pytest.mark.parametrize(
    "user", [b"../secret", b"..", b".", b"", b"a/../../secret", b"/etc/x", b"user\0", b"x" * 5000]
)
def test_names_that_lead_away(private, write, keys, user):
    """A user's name leads to no file outside the folder."""
    (private / "keys").mkdir(mode=0o700)
    write("secret", line(keys["ed25519"]))
    write("keys/user", line(keys["ed25519"]))
    checker = KeyFilesCheckerFactory().generateChecker(f"{private}/keys")
    checker._inThread = inline
    assert denied(checker.requestAvatarId(credentials(keys["ed25519"], user)))


def test_many_users(private, write, keys, monkeypatch):
    """However many names are tried, the files that are kept parsed stay few."""
    monkeypatch.setattr("sshecho.cred.keyfiles._WATCHED", 3)
    checker = KeyFilesChecker(f"{private}/%u", None, inline)
    for number in range(10):
        write(f"user{number}", line(keys["ed25519"]))
        assert checker.keys(b"user%d" % number)
        assert not checker.keys(b"nobody%d" % number)
        assert len(checker.files._files) <= 3


def test_vanished(write, keys):
    """A user's one file that vanishes denies, is said once, and lets in again when it is back."""
    path = write("keys", line(keys["rsa"]))
    checker = KeyFilesChecker(str(path), b"user", inline)
    with logged() as seen:
        path.unlink()
        for _ in range(2):
            with pytest.raises(UnauthorizedLogin, match="the file of keys can't be used"):
                result(checker.requestAvatarId(credentials(keys["rsa"])))
        assert denied(checker.requestAvatarId(credentials(keys["rsa"], b"other")))
        write("keys", line(keys["rsa"]))
        assert result(checker.requestAvatarId(credentials(keys["rsa"]))) == b"user"
    assert [formatEvent(event).rpartition(": ")[2] for event in seen] == [
        "No such file or directory; until it is mended it lets nobody in",
        "it is mended, and lets people in again",
    ]


def test_warned_of_once(private, write, keys):
    """A line that is left out is warned of once, at the start, by the whole path."""
    path = write("user", b"sandbox " + line(keys["rsa"]))
    with logged() as seen:
        checker = KeyFilesCheckerFactory().generateChecker(f"user={path}")
        checker._inThread = inline
        for _ in range(2):
            assert denied(checker.requestAvatarId(credentials(keys["rsa"])))
    [said] = seen
    assert formatEvent(said).startswith(f"{path}: line 1 is left out: the option sandbox")


@pytest.mark.parametrize("path", ["%u/%h", "%", "%%%", "a%b/%u"])
def test_other_signs(private, path):
    """Of OpenSSH's signs in a path only %u and %% are known, and any other is refused."""
    with pytest.raises(InvalidAuthArgumentString, match="behind a %"):
        KeyFilesCheckerFactory().generateChecker(f"{private}/{path}")


def test_anybodys_keys(private):
    """A checker that would let any user in with the keys of one file can't be made."""
    with pytest.raises(ValueError, match="whose keys"):
        KeyFilesChecker(f"{private}/keys", None)


def test_factory(private, write, keys):
    """Paths with %u, folders, and files that say whose they are make checkers."""
    factory = KeyFilesCheckerFactory()
    verifyObject(ICheckerFactory, factory)
    blob = keys["ed25519"].public().blob()
    path = write("user", line(keys["ed25519"]))
    for argument in (f"{private}/%u", f"{private}", f"user={path}", f"user={private}/%u"):
        checker = factory.generateChecker(argument)
        assert [found.blob for found in checker.keys(b"user")] == [blob], argument
        assert not checker.keys(b"nobody")


@pytest.mark.parametrize("argument", ["", "=x", "user=", "{file}"])
def test_whose_keys(write, argument):
    """A checker is not made when it is not clear whose keys they are."""
    path = write("file", b"")
    with pytest.raises(InvalidAuthArgumentString, match=r"which keys|whose keys"):
        KeyFilesCheckerFactory().generateChecker(argument.format(file=path))


@pytest.mark.parametrize("argument", ["{}/none", "user={}/none", "{}/none/%u", "{}/none/%u/.ssh"])
def test_no_file(private, argument):
    """A checker is not made for a file or a folder that is missing."""
    with pytest.raises(BadFileError, match=f"{private}/none: No such file"):
        KeyFilesCheckerFactory().generateChecker(argument.format(private))


@pytest.mark.parametrize("argument", ["{}/open", "{}/open/%u", "{}/open/%u.pub"])
def test_open_folder(private, argument):
    """A checker is not made for a folder that others can write to."""
    (private / "open").mkdir()
    (private / "open").chmod(0o777)
    with pytest.raises(BadFileError, match=f"{private}/open: others can write"):
        KeyFilesCheckerFactory().generateChecker(argument.format(private))


def test_folders_of_users(private):
    """Where each user has a folder, only what lies above them is looked at beforehand."""
    KeyFilesCheckerFactory().generateChecker(f"{private}/%u/.ssh/authorized_keys")
    with pytest.raises(BadFileError, match="not a folder"):
        KeyFilesCheckerFactory().generateChecker(f"{__file__}/%u/x")
