"""The checker of the system's passwords."""

import os

import pytest
from helpers import Password, denied, inline, logged, result
from test_shadow import DAY, KNOWN, NOW, SETTINGS, TODAY, line
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.logger import formatEvent
from zope.interface.verify import verifyObject

from sshecho.cred import files, shadow, unix
from sshecho.cred.files import BadFileError
from sshecho.cred.outage import UncheckedLogin
from sshecho.cred.shadow import NoCryptError, crypt
from sshecho.cred.unix import UnixChecker, UnixCheckerFactory

PASSWORD = b"correct horse"
SHADOW = (
    line(b"user", KNOWN[2])
    + b"".join(
        line(b"method%d" % at, crypt(PASSWORD, setting)) for at, setting in enumerate(SETTINGS)
    )
    + line(b"locked", b"!" + KNOWN[2])
    + line(b"never", b"*")
    + line(b"open", b"")
    + line(b"expired", KNOWN[2], expires=b"1")
    + line(b"change", KNOWN[2], changed=b"0")
    + line(b"old", KNOWN[2], changed=b"%d" % (TODAY - 31), longest=b"30")
    + line("\u00fcser".encode(), KNOWN[1])
)


@pytest.fixture
def path(write):
    return write("shadow", SHADOW)


@pytest.fixture
def checker(path):
    return UnixChecker(path, inline, lambda: NOW)


def why(checker, user: bytes, password: bytes) -> str:
    """Return why somebody is denied."""
    with pytest.raises(UnauthorizedLogin) as caught:
        result(checker.requestAvatarId(Password(user, password)))
    assert caught.type in (UnauthorizedLogin, UncheckedLogin)
    return str(caught.value)


def test_login(checker):
    """The right password lets an account of each method in."""
    verifyObject(ICredentialsChecker, checker)
    checker.begin()
    for user in [b"user", *(b"method%d" % at for at in range(len(SETTINGS))), "\u00fcser".encode()]:
        assert result(checker.requestAvatarId(Password(user, PASSWORD))) == user


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        (b"user", b"wrong", "wrong password"),
        (b"user", b"", "wrong password"),
        (b"user", PASSWORD + b"\0", "wrong password"),
        (b"user", KNOWN[2], "wrong password"),
        (b"", PASSWORD, "no such user"),
        (b"nobody", PASSWORD, "no such user"),
        (b"user\0", PASSWORD, "no such user"),
        (b"\xff", PASSWORD, "no such user"),
        (b"user:" + KNOWN[2], PASSWORD, "no such user"),
        (b"locked", PASSWORD, "the account is locked, or has no password"),
        (b"never", b"*", "the account is locked, or has no password"),
        (b"open", b"", "the account is locked, or has no password"),
        (b"expired", PASSWORD, "the account has expired"),
        (b"change", PASSWORD, "the password has to be changed"),
        (b"old", PASSWORD, "the password is too old"),
    ],
)
def test_denied(checker, user, password, reason):
    """Nobody else gets in, and not with the right password when the account is not fit."""
    assert why(checker, user, password) == reason


@pytest.mark.parametrize("user", [b"expired", b"change", b"old"])
def test_wrong_password_comes_first(checker, user):
    """What is wrong with an account is nothing to who does not know its password."""
    assert why(checker, user, b"wrong") == "wrong password"


def test_same_work(checker, monkeypatch):
    """Whoever logs in, the same hashes are computed: one of each method and cost."""
    calls = []

    def counting(password, setting):
        calls.append(setting)
        return crypt(password, setting)

    monkeypatch.setattr(shadow, "crypt", counting)
    costs = [b"$1$", b"$2b$04$", b"$5$", b"$5$rounds=1000$", b"$6$", b"$y$j9T$"]
    for user in (b"user", b"nobody", b"locked", b"open", b"never", b"expired", b"change", b"old"):
        for password in (PASSWORD, b"wrong", b""):
            calls.clear()
            checker.requestAvatarId(Password(user, password)).addErrback(lambda failure: None)
            found = [max(c for c in costs if call.startswith(c)) for call in calls]
            assert sorted(found) == costs, (user, password)


def test_expires_while_we_run(path):
    """An account is denied from its day on, without the file having changed."""
    path.write_bytes(line(b"user", KNOWN[2], expires=b"%d" % TODAY))
    now = TODAY * DAY - 1
    checker = UnixChecker(path, inline, lambda: now)
    login = Password(b"user", PASSWORD)
    assert result(checker.requestAvatarId(login)) == b"user"
    now += 1
    assert denied(checker.requestAvatarId(login))


def test_changes(path, checker):
    """The file is read again when it has changed; one that is gone denies, which is said once."""
    login = Password(b"user", PASSWORD)
    assert result(checker.requestAvatarId(login)) == b"user"
    path.write_bytes(line(b"user", b"!" + KNOWN[2]))
    assert denied(checker.requestAvatarId(login))
    path.unlink()
    with logged() as events:
        for _ in range(3):
            assert why(checker, b"user", PASSWORD) == "the system's accounts can't be read"
    [said] = map(formatEvent, events)
    assert f"{path}: No such file" in said
    path.write_bytes(SHADOW)
    path.chmod(0o600)
    assert result(checker.requestAvatarId(login)) == b"user"


def test_checked_in_a_thread(path):
    """Neither the file nor the password is looked at in the reactor's thread."""
    handedOver = []
    checker = UnixChecker(path, lambda *call: handedOver.append(call))
    checker.requestAvatarId(Password(b"user", PASSWORD))
    assert [call[1:] for call in handedOver] == [(b"user", PASSWORD)]


def test_open_file(path, checker):
    """A shadow file that others can write to is not believed."""
    path.chmod(0o666)
    with pytest.raises(BadFileError, match="others can write"):
        checker.begin()
    assert denied(checker.requestAvatarId(Password(b"user", PASSWORD)))


def test_factory(path, monkeypatch):
    """The factory makes a checker of the system's file, once it is sure that it can be read."""
    monkeypatch.setattr(unix.UnixChecker.__init__, "__defaults__", (path, inline, lambda: NOW))
    factory = UnixCheckerFactory()
    verifyObject(ICheckerFactory, factory)
    checker = factory.generateChecker("")
    assert result(checker.requestAvatarId(Password(b"user", PASSWORD))) == b"user"
    path.unlink()
    with pytest.raises(BadFileError, match=f"{path}: No such file or directory$"):
        factory.generateChecker("")


def test_whose_file():
    """Unless told otherwise it is the system's shadow file that is looked at."""
    assert UnixChecker()._file.path == b"/etc/shadow"


def test_argument():
    """There is nothing to say behind the name."""
    with pytest.raises(InvalidAuthArgumentString, match="no argument"):
        UnixCheckerFactory().generateChecker("x")


def test_not_root(checker, path, monkeypatch):
    """Who may not read the file is told so, and what it takes."""

    def refuse(*arguments, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "open", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(
        BadFileError, match=f"^{path}: Permission denied; it takes root to read it$"
    ):
        checker.begin()


def test_no_library(checker, monkeypatch):
    """Where there is no libcrypt no checker is made."""
    shadow._library.cache_clear()
    monkeypatch.setattr(shadow, "_LIBRARIES", ("libsshecho-none.so.1",))
    try:
        with pytest.raises(NoCryptError, match="no libcrypt"):
            checker.begin()
    finally:
        shadow._library.cache_clear()
