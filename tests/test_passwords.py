"""Password secrets."""

import bcrypt
import pytest

from sshecho.cred import passwords
from sshecho.cred.passwords import BadSecretError, checkSecret, cost, isHash, matches


def hashed(password: bytes, rounds: int = 4) -> bytes:
    return bcrypt.hashpw(password, bcrypt.gensalt(rounds))


@pytest.mark.parametrize("password", [b"pass", "p\u00e4ss w\u00f6rd:".encode(), b"x" * 72, b" "])
def test_right_password(password):
    """A password matches its hash and itself."""
    assert matches(password, hashed(password), 4)
    assert matches(password, password, 4)
    assert matches(password, password)


@pytest.mark.parametrize("secret", [hashed(b"pass"), b"pass"])
@pytest.mark.parametrize("password", [b"", b"pas", b"passs", b"Pass", b"pass ", b"pass\0", b"\0"])
def test_wrong_password(secret, password):
    """Anything but the password does not match."""
    assert not matches(password, secret, 4)


def test_no_such_user():
    """Where there is no secret nothing matches, not even nothing."""
    assert not matches(b"", None)
    assert not matches(b"", None, 4)
    assert not matches(b"pass", None, 4)


def test_a_hash_is_not_its_own_password():
    """Who has read a hash cannot log in with it."""
    secret = hashed(b"pass")
    assert not matches(secret, secret, 4)


def test_longer_than_bcrypt_reads():
    """A password whose first 72 bytes are right is denied when more follows."""
    assert not matches(b"x" * 73, hashed(b"x" * 72), 4)


@pytest.mark.parametrize(
    ("password", "secret"),
    [
        (b"pass", b"plain"),
        (b"plain", b"plain"),
        (b"pass", None),
        (b"right", hashed(b"right", 4)),
        (b"wrong", hashed(b"right", 4)),
        (b"wrong", hashed(b"right", 7)),
        (b"x" * 1000, hashed(b"right", 5)),
    ],
)
def test_the_same_work(monkeypatch, password, secret):
    """Whatever is compared, bcrypt does the steps of the store's most expensive hash."""
    steps = []

    def checkpw(password, secret):
        steps.append(2 ** int(secret[4:6]))
        return False

    monkeypatch.setattr(passwords.bcrypt, "checkpw", checkpw)
    matches(password, secret, 7)
    assert sum(steps) == 2**7


def test_no_hash_no_work(monkeypatch):
    """A store without hashes does not hash."""
    monkeypatch.setattr(passwords.bcrypt, "checkpw", None)
    assert matches(b"pass", b"pass", 0)
    assert not matches(b"pass", None, 0)


def test_what_is_a_hash():
    """A hash of each of bcrypt's kinds is known, with its cost; plain text costs nothing."""
    for kind in (b"2a", b"2b", b"2y"):
        secret = b"$" + kind + hashed(b"x", 5)[3:]
        assert isHash(secret)
        assert cost(secret) == 5
    assert not isHash(b"$1$abc")
    assert cost(b"$1$abc") == 0


@pytest.mark.parametrize(
    "secret",
    [b"", b"$2b$", b"$2b$12$tooshort", b"$2x$04$" + b"." * 53, b"$6$salt$" + b"x" * 86]
    + [b"$y$j9T$" + b"x" * 60],
)
def test_bad_secret(secret):
    """A secret that no password can match is refused, and not repeated."""
    with pytest.raises(BadSecretError) as caught:
        checkSecret(secret)
    assert not secret or secret.decode() not in str(caught.value)
