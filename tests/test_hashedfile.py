"""The file of digests."""

import hashlib
import hmac

import pytest
from helpers import Password, denied, inline, logged, result
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.logger import formatEvent
from zope.interface.verify import verifyObject

from sshecho.cred import hashedfile
from sshecho.cred.files import BadFileError
from sshecho.cred.hashedfile import HashedFileChecker, HashedFileCheckerFactory, checkDigest

KNOWN = {  # of "pass", by openssl dgst
    "md5": b"1a1dc91c907325c69271ddf0c944bc72",
    "sha1": b"9d4e1e23bd5b727046a9e3b4b7db57bd8d6ee684",
    "sha256": b"d74ff0ee8da3b9806b18c877dbf29bbde50b5bd8e4dad7a3a725000feb82e8f1",
}
SHA256 = KNOWN["sha256"]


def digest(algorithm: str, password: bytes) -> bytes:
    made = hashlib.new(algorithm, password)
    return (made.hexdigest() if made.digest_size else made.hexdigest(32)).encode()


@pytest.mark.parametrize("algorithm", sorted(KNOWN))
def test_known_digests(write, algorithm):
    """Digests that other programs make are these."""
    checker = HashedFileChecker(algorithm, write("users", b"user:" + KNOWN[algorithm]), inline)
    verifyObject(ICredentialsChecker, checker)
    assert result(checker.requestAvatarId(Password(b"user", b"pass"))) == b"user"
    assert denied(checker.requestAvatarId(Password(b"user", b"Pass")))


@pytest.mark.parametrize("algorithm", sorted(hashlib.algorithms_available))
def test_algorithms(write, algorithm):
    """Every algorithm that there is can be used, in either letter case of the digest."""
    password = "p\u00e4:ss\0 ".encode()
    made = digest(algorithm, password)
    path = write("users", b"lower:" + made + b"\r\nUPPER:" + made.upper() + b"\n")
    checker = HashedFileChecker(algorithm, path, inline)
    for user in (b"lower", b"UPPER"):
        assert result(checker.requestAvatarId(Password(user, password))) == user
        for wrong in (password[:-1], b"", made, made.upper(), b"x" * 10_000):
            assert denied(checker.requestAvatarId(Password(user, wrong)))
    for unknown in (b"upper", b"", b"lower\r", b"lower:"):
        assert denied(checker.requestAvatarId(Password(unknown, password)))


@pytest.mark.parametrize("algorithm", ["shake_128", "shake_256"])
@pytest.mark.parametrize("size", [16, 17, 64])
def test_lengths_of_shake(write, algorithm, size):
    """A shake's digest has the length that the file says, but is never shorter than 16 bytes."""
    made = hashlib.new(algorithm, b"pass").hexdigest(size).encode()
    checker = HashedFileChecker(algorithm, write("users", b"user:" + made), inline)
    assert result(checker.requestAvatarId(Password(b"user", b"pass"))) == b"user"
    assert denied(checker.requestAvatarId(Password(b"user", b"wrong")))
    with pytest.raises(ValueError, match="shorter than 16 bytes"):
        checkDigest(algorithm, made[:30])


@pytest.mark.parametrize("user", [b"user", b"nobody"])
def test_constant_time(write, monkeypatch, user):
    """Whole digests are compared, by the function for that, for an unknown user too."""
    compared = []

    def comparing(one, other):
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(hashedfile, "hmac", type("hmac", (), {"compare_digest": comparing}))
    checker = HashedFileChecker("sha256", write("users", b"user:" + SHA256), inline)
    assert denied(checker.requestAvatarId(Password(user, b"wrong")))
    assert compared == [(64, 64)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (SHA256, "no colon"),
        (b":" + SHA256, "user name is empty"),
        (b"user:" + SHA256, "has a line already"),
        (b"bad:", "not hexadecimal"),
        (b"bad:secret", "not hexadecimal"),
        (b"bad: " + SHA256, "not hexadecimal"),
        (b"bad:" + SHA256 + b" ", "not hexadecimal"),
        (b"bad:" + SHA256[:-1] + b"g", "not hexadecimal"),
        (b"bad:" + SHA256[:-1], "not hexadecimal"),
        (b"bad:" + SHA256[:-2], "length of sha256's"),
        (b"bad:" + SHA256 + b"00", "length of sha256's"),
        (b"bad:" + KNOWN["md5"], "length of sha256's"),
    ],
)
def test_bad_line(write, line, why):
    """A line that can't be used breaks the file, and is named without its secret."""
    path = write("users", b"user:" + SHA256 + b"\n" + line)
    with pytest.raises(BadFileError, match=rf"^{path}: line 2: .*{why}") as caught:
        HashedFileCheckerFactory().generateChecker(f"sha256:{path}")
    secret = line.rpartition(b":")[2].decode()[:20]
    assert not secret or secret not in str(caught.value).removeprefix(f"{path}")


def test_changes(write):
    """The file is read again when it has changed; one that is gone denies, which is said once."""
    path = write("users", b"user:" + SHA256)
    checker = HashedFileChecker("sha256", path, inline)
    login = Password(b"user", b"pass")
    assert result(checker.requestAvatarId(login)) == b"user"
    path.write_bytes(b"other:" + SHA256)
    assert denied(checker.requestAvatarId(login))
    path.unlink()
    with logged() as events:
        for _ in range(3):
            assert denied(checker.requestAvatarId(login))
    [said] = map(formatEvent, events)
    assert f"{path}: No such file" in said
    write("users", b"user:" + SHA256)
    with logged() as events:
        for _ in range(3):
            assert result(checker.requestAvatarId(login)) == b"user"
    [said] = map(formatEvent, events)
    assert "mended" in said


def test_checked_in_a_thread(write):
    """Neither the file nor the password is looked at in the reactor's thread."""
    handedOver = []
    path = write("users", b"user:" + SHA256)
    checker = HashedFileChecker("sha256", path, lambda *call: handedOver.append(call))
    checker.requestAvatarId(Password(b"user", b"pass"))
    assert [call[1:] for call in handedOver] == [(b"user", b"pass")]


def warnings(argument: str) -> list[str]:
    with logged() as seen:
        checker = HashedFileCheckerFactory().generateChecker(argument)
        assert isinstance(checker, HashedFileChecker)
    return [formatEvent(event) for event in seen]


def test_warnings(write):
    """At the start it is said, once, that digests are no password hashes, and what is."""
    verifyObject(ICheckerFactory, HashedFileCheckerFactory())
    path = write("users", b"a:" + SHA256 + b"\nb:" + SHA256.upper())
    [said] = warnings(f"sha256:{path}")
    assert said == f"{path}: sha256 digests are quickly guessed; use bcrypt hashes (file:)"
    [empty, _] = warnings(f"sha256:{write('empty', b'# nobody')}")
    assert "no users" in empty
    [_, readable] = warnings(f"sha256:{write('readable', b'a:' + SHA256, 0o644)}")
    assert "others can read it; chmod 600" in readable


def test_path_with_colons(write):
    """What is behind the second colon is the path, whatever it holds."""
    path = write("a:b", b"user:" + SHA256)
    checker = HashedFileCheckerFactory().generateChecker(f"sha256:{path}")
    assert checker.users() == {b"user": SHA256}


@pytest.mark.parametrize("argument", ["", "sha256", "sha256:", ":path", ":"])
def test_incomplete(argument):
    """A checker is not made without an algorithm and a path."""
    with pytest.raises(InvalidAuthArgumentString, match="say which: hashed:ALGORITHM:PATH"):
        HashedFileCheckerFactory().generateChecker(argument)


@pytest.mark.parametrize("algorithm", ["none", "sha-256x", "a\0b", "\u00e4"])
def test_unknown_algorithm(write, algorithm):
    """A checker is not made with an algorithm that there is not; which there are is said."""
    with pytest.raises(InvalidAuthArgumentString, match=r"there is no algorithm .*sha256"):
        HashedFileCheckerFactory().generateChecker(f"{algorithm}:{write('users', b'')}")


def test_no_file(private):
    """A checker is not made for a missing file."""
    with pytest.raises(BadFileError, match=f"{private}/none: No such file"):
        HashedFileCheckerFactory().generateChecker(f"sha256:{private}/none")
