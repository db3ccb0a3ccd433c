"""The checker of the system accounts' keys."""

import os
import pwd

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import inline, logged, result
from test_shadow import DAY, NOW, TODAY, line
from twisted.conch.error import ValidPublicKey
from twisted.conch.ssh.keys import Key
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.logger import formatEvent
from zope.interface.verify import verifyObject

from sshecho.cred.identity import termsOf
from sshecho.cred.sshkey import SystemKeysChecker, SystemKeysCheckerFactory

OTHER = 12345
"""Somebody who is neither us nor the user."""


def public(key: Key) -> bytes:
    return key.public().toString("OPENSSH") + b"\n"


def credentials(key: Key, user=b"user", data: bytes | None = b"signed") -> SSHPrivateKey:
    signature = key.sign(data) if data is not None else None
    return SSHPrivateKey(user, key.sshType(), key.public().blob(), b"signed", signature)


@pytest.fixture
def home(private):
    """The user's home folder, with a folder for keys in it."""
    (private / "home" / ".ssh").mkdir(parents=True)
    (private / "home").chmod(0o755)
    (private / "home" / ".ssh").chmod(0o700)
    return private / "home"


@pytest.fixture
def listed(home, write, userKey):
    """The user's file, with their key in it."""
    return write("home/.ssh/authorized_keys", public(userKey))


@pytest.fixture
def checker(private, home):
    """A checker of one account, whose name is user, and no shadow file."""
    return makeChecker(private, home)


def makeChecker(private, home, uid: int | None = None, now=NOW) -> SystemKeysChecker:
    uid = os.getuid() if uid is None else uid

    def account(name: str) -> pwd.struct_passwd:
        # It refuses what pwd.getpwnam does, and in the same way.
        if "\0" in name:
            raise ValueError("embedded null byte")
        return {"user": pwd.struct_passwd(("user", "x", uid, uid, "", str(home), "/bin/sh"))}[name]

    return SystemKeysChecker(inline, lambda: now, account, str(private / "shadow"))


def why(checker, login) -> str:
    """Return why somebody is denied; they have not been told that the key is a good one."""
    with pytest.raises(UnauthorizedLogin) as caught:
        result(checker.requestAvatarId(login))
    assert caught.type is UnauthorizedLogin  # and not ValidPublicKey, which is one too
    return str(caught.value)


@pytest.mark.parametrize("name", ["authorized_keys", "authorized_keys2"])
def test_login(checker, home, write, userKey, name):
    """A key in either file is known before it has signed, and lets its user in when it has."""
    verifyObject(ICredentialsChecker, checker)
    write(f"home/.ssh/{name}", b"# mine\n" + public(userKey))
    with pytest.raises(ValidPublicKey):
        result(checker.requestAvatarId(credentials(userKey, data=None)))
    assert result(checker.requestAvatarId(credentials(userKey))) == b"user"


@pytest.mark.parametrize("data", [None, b"signed"], ids=["asked", "signed"])
def test_unlisted(checker, listed, data):
    """A key that is not listed is denied, and nothing is said of it."""
    other = Key(ed25519.Ed25519PrivateKey.generate())
    assert why(checker, credentials(other, data=data)) == "the key is not listed"


def test_wrong_signature(checker, listed, userKey):
    """A key that has signed something else is denied."""
    login = credentials(userKey, data=b"something else")
    assert why(checker, login) == "the signature is wrong"


@pytest.mark.parametrize("data", [None, b"signed"], ids=["asked", "signed"])
@pytest.mark.parametrize("user", [b"nobody", b"", b"user\0", b"\xff", b"../user", b"User"])
def test_no_such_user(checker, listed, userKey, user, data):
    """A name that no account has is denied, and so is what can't be one."""
    assert why(checker, credentials(userKey, user, data)) == "no such user"


@pytest.mark.parametrize("user", [b"sshecho-no-such-user", b"", b"root\0", b"\xff", b"x" * 5000])
def test_no_such_system_user(private, userKey, user):
    """So it is when the system is asked."""
    checker = SystemKeysChecker(inline, lambda: NOW, shadow=str(private / "shadow"))
    assert why(checker, credentials(userKey, user)) == "no such user"


@pytest.mark.parametrize("missing", ["authorized_keys", ".ssh", "home"])
def test_no_file(private, home, userKey, missing):
    """An account without a file is denied, and that is nothing to speak of."""
    if missing != "authorized_keys":
        (home / ".ssh").rmdir()
    if missing == "home":
        home.rmdir()
    with logged() as events:
        reason = why(makeChecker(private, home), credentials(userKey))
    assert (reason, events) == ("the key is not listed", [])


@pytest.mark.parametrize("mode", [0o020, 0o002])
@pytest.mark.parametrize("part", [".ssh/authorized_keys", ".ssh", "."])
def test_open_to_others(checker, home, listed, userKey, part, mode):
    """File, folder and home must not be writable by others, which is said once."""
    path = home / part
    good = path.stat().st_mode
    path.chmod(good | mode)
    with logged() as events:
        for _ in range(3):
            assert why(checker, credentials(userKey, data=None)) == "the key is not listed"
    [said] = map(formatEvent, events)
    assert str(path) in said
    assert "others can write to it" in said
    path.chmod(good)
    assert result(checker.requestAvatarId(credentials(userKey))) == b"user"


@pytest.fixture
def owned(monkeypatch):
    """Return a function that gives a file to somebody, or lets it look so if we may not."""
    owners = {}

    def looking(function):
        def look(path, *arguments, **more):
            found = function(path, *arguments, **more)
            uid = owners.get((found.st_dev, found.st_ino), found.st_uid)
            return os.stat_result((*found[:4], uid, *found[5:]), {})

        return look

    def give(path, uid):
        found = os.stat(path)
        owners[found.st_dev, found.st_ino] = uid

    monkeypatch.setattr(os, "stat", looking(os.stat))
    monkeypatch.setattr(os, "fstat", looking(os.fstat))
    return give


PARTS = [".ssh/authorized_keys", ".ssh", "."]


@pytest.mark.parametrize("part", PARTS)
def test_belongs_to_someone_else(private, home, listed, userKey, owned, part):
    """File, folder and home must belong to the user or root, which is said."""
    for each in PARTS:
        owned(home / each, OTHER - 1)
    for good in (OTHER - 1, 0):
        owned(home / part, good)
        checker = makeChecker(private, home, OTHER - 1)
        assert result(checker.requestAvatarId(credentials(userKey))) == b"user"
    owned(home / part, OTHER)
    with logged() as events:
        checker = makeChecker(private, home, OTHER - 1)
        assert why(checker, credentials(userKey)) == "the key is not listed"
    [said] = map(formatEvent, events)
    assert f"belongs to user {OTHER}" in said


def test_link_to_someone_elses(private, home, write, userKey):
    """A link to a file in a folder that others can write to is not followed."""
    (private / "open").mkdir()
    target = write("open/keys", public(userKey))
    (home / ".ssh" / "authorized_keys").symlink_to(target)
    checker = makeChecker(private, home)
    (private / "open").chmod(0o755)
    assert result(checker.requestAvatarId(credentials(userKey))) == b"user"
    (private / "open").chmod(0o777)
    assert why(makeChecker(private, home), credentials(userKey)) == "the key is not listed"


def test_expired(private, home, listed, write, userKey):
    """An account is denied from the day on which it expires, whatever its password is like."""
    for user, secret, expires, good in [
        (b"user", b"*", b"", True),
        (b"user", b"!", b"%d" % (TODAY + 1), True),
        (b"other", b"*", b"1", True),
        (b"user", b"*", b"1", False),
        (b"user", b"*", b"%d" % TODAY, False),
    ]:
        write("shadow", line(user, secret, changed=b"0", expires=expires))
        checker = makeChecker(private, home)
        for data in (None, b"signed"):
            login = credentials(userKey, data=data)
            if not good:
                assert why(checker, login) == "the account has expired"
            elif data is None:
                with pytest.raises(ValidPublicKey):
                    result(checker.requestAvatarId(login))
            else:
                assert result(checker.requestAvatarId(login)) == b"user"


def test_expires_while_we_run(private, home, listed, write, userKey):
    """So it is when the file changes, or the day comes, while we run."""
    write("shadow", line(b"user", b"*"))
    now = TODAY * DAY - 1
    checker = makeChecker(private, home)
    checker._now = lambda: now
    assert result(checker.requestAvatarId(credentials(userKey))) == b"user"
    write("shadow", line(b"user", b"*", expires=b"%d" % TODAY))
    assert result(checker.requestAvatarId(credentials(userKey))) == b"user"
    now += 1
    assert why(checker, credentials(userKey)) == "the account has expired"


def test_shadow_that_we_may_not_read(private, home, listed, write, userKey, monkeypatch):
    """Who is not root can't know which accounts have expired, and serves those that there are."""
    path = write("shadow", line(b"user", b"*", expires=b"1"))
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda name, mode: os.fsencode(name) != bytes(path) and access(name, mode)
    )
    checker = makeChecker(private, home)
    assert result(checker.requestAvatarId(credentials(userKey))) == b"user"


def test_bad_shadow(private, home, listed, write, userKey):
    """A shadow file that others can write to says nothing that can be relied on: all are denied."""
    write("shadow", line(b"user", b"*"), 0o666)
    with logged() as events:
        why(makeChecker(private, home), credentials(userKey))
    assert "others can write" in formatEvent(events[0])


def test_terms(checker, write, home, userKey):
    """The options of a key's line are the terms of the login."""
    write("home/.ssh/authorized_keys", b'restrict,command="hi" ' + public(userKey))
    terms = termsOf(result(checker.requestAvatarId(credentials(userKey))))
    assert (terms.pty, terms.command) == (False, b"hi")


def test_changes(checker, listed, write, userKey):
    """The file is read again when it has changed."""
    assert result(checker.requestAvatarId(credentials(userKey))) == b"user"
    listed.write_bytes(b"")
    assert why(checker, credentials(userKey)) == "the key is not listed"
    listed.unlink()
    assert why(checker, credentials(userKey)) == "the key is not listed"
    write("home/.ssh/authorized_keys", public(userKey))
    assert result(checker.requestAvatarId(credentials(userKey))) == b"user"


def test_checked_in_a_thread(userKey):
    """No file is looked at in the reactor's thread."""
    handedOver = []
    login = credentials(userKey)
    SystemKeysChecker(lambda *call: handedOver.append(call)).requestAvatarId(login)
    assert [call[1:] for call in handedOver] == [(login,)]


def test_factory():
    """The factory makes a checker of the system's accounts; there is nothing else to say."""
    factory = SystemKeysCheckerFactory()
    verifyObject(ICheckerFactory, factory)
    checker = factory.generateChecker("")
    assert checker._account is pwd.getpwnam
    assert checker._shadow.path == b"/etc/shadow"
    with pytest.raises(InvalidAuthArgumentString, match="no argument"):
        factory.generateChecker("x")
