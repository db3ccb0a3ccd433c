"""The password file."""

import bcrypt
import pytest
from helpers import Password, denied, inline, logged, result
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from zope.interface.verify import verifyObject

from sshecho.cred.files import BadFileError
from sshecho.cred.passwordfile import PasswordFileChecker, PasswordFileCheckerFactory, parseUsers

HASH = bcrypt.hashpw(b"hashed", bcrypt.gensalt(4))

GOOD = (
    b"# people\n"
    b"\n"
    b"plain:pa:ss\r\n"
    b"spaces: a b \n"
    b"hash:" + HASH + b"\n" + "\u00fcser:p\u00e4ss\n".encode() + b"#x:y\n"
    b"\xff:\xfe"
)


def test_right_passwords(write):
    """Colons, spaces, CR LF, hashes and bytes that are no text: each user gets in."""
    checker = PasswordFileChecker(write("users", GOOD), inline)
    verifyObject(ICredentialsChecker, checker)
    for user, password in [
        (b"plain", b"pa:ss"),
        (b"spaces", b" a b "),
        (b"hash", b"hashed"),
        ("\u00fcser".encode(), "p\u00e4ss".encode()),
        (b"\xff", b"\xfe"),
    ]:
        assert result(checker.requestAvatarId(Password(user, password))) == user


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (b"plain", b"pa"),
        (b"plain", b"pa:ss\r"),
        (b"spaces", b"a b"),
        (b"hash", HASH),
        (b"#x", b"y"),
        (b"# people", b""),
        (b"", b""),
        (b"nobody", b""),
        (b"plain", b""),
        (b"plain", b"pa:ss" * 10_000),
        (b"hash", b"hashed" * 10_000),
        (b"hash", b"hashed\0"),
        (b"plain\nspaces", b" a b "),
    ],
)
def test_wrong_passwords(write, user, password):
    """Nobody else does, and comments are no accounts."""
    checker = PasswordFileChecker(write("users", GOOD), inline)
    assert denied(checker.requestAvatarId(Password(user, password)))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"user", "no colon"),
        (b":pass", "user name is empty"),
        (b"user:", "password is empty"),
        (b"user:\r", "password is empty"),
        (b"user:$2b$04$short", "damaged"),
        (b"plain:again", "has a line already"),
    ],
)
def test_bad_line(line, why):
    """A line that can't be used breaks the file, and is named without its secret."""
    with pytest.raises(ValueError, match=rf"^line 2: .*{why}"):
        parseUsers(b"plain:pass\n" + line + b"\n")


def test_checked_in_a_thread(write):
    """Neither the file nor the password is looked at in the reactor's thread."""
    handedOver = []
    checker = PasswordFileChecker(
        write("users", b"user:pass"), lambda *call: handedOver.append(call)
    )
    checker.requestAvatarId(Password(b"user", b"pass"))
    assert [call[1:] for call in handedOver] == [(b"user", b"pass")]


def test_broken_file_denies(write):
    """A file that breaks while we run denies everyone, and works again when it is mended."""
    path = write("users", b"user:pass")
    checker = PasswordFileChecker(path, inline)
    login = Password(b"user", b"pass")
    assert result(checker.requestAvatarId(login)) == b"user"
    path.write_bytes(b"user:pass\nbroken")
    assert denied(checker.requestAvatarId(login))
    path.unlink()
    assert denied(checker.requestAvatarId(login))
    write("users", b"user:pass")
    assert result(checker.requestAvatarId(login)) == b"user"


def warnings(path) -> list[str]:
    from twisted.logger import formatEvent

    with logged() as seen:
        checker = PasswordFileCheckerFactory().generateChecker(str(path))
        assert isinstance(checker, PasswordFileChecker)
    return [formatEvent(event) for event in seen]


def test_warnings(write):
    """Plain text and a file that others can read are each warned of once; hashes are not."""
    verifyObject(ICheckerFactory, PasswordFileCheckerFactory())
    assert warnings(write("hashes", b"a:" + HASH)) == []
    [plain] = warnings(write("plain", b"a:" + HASH + b"\nb:secret\nc:secret"))
    assert "2 of 3 passwords are plain text" in plain
    assert "secret" not in plain
    [empty] = warnings(write("empty", b"# nobody\n"))
    assert "no users" in empty
    [readable] = warnings(write("readable", b"a:" + HASH, 0o644))
    assert "others can read it; chmod 600" in readable


def test_factory_refuses(write, private):
    """A checker is not made for no file, a missing file or a broken one."""
    with pytest.raises(InvalidAuthArgumentString, match="which file"):
        PasswordFileCheckerFactory().generateChecker("")
    with pytest.raises(BadFileError, match=f"{private}/none: No such file"):
        PasswordFileCheckerFactory().generateChecker(f"{private}/none")
    path = write("broken", b"x")
    with pytest.raises(BadFileError, match=f"{path}: line 1: no colon"):
        PasswordFileCheckerFactory().generateChecker(str(path))
