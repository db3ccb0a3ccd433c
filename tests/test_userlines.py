"""The lines of a password file."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sshecho.cred.userlines import checkUser, parseLines, replaceLine

TEXT = b"# people\n\nfoo:bar:baz\r\nalice:a b \n"


def identity(secret: bytes) -> bytes:
    return secret


def test_replace():
    """A user's line is replaced where it stands, and all else stays as it was."""
    assert replaceLine(TEXT, b"foo", b"new") == b"# people\n\nfoo:new\nalice:a b \n"
    assert replaceLine(TEXT, b"alice", b"new") == b"# people\n\nfoo:bar:baz\r\nalice:new\n"


def test_add():
    """A new user's line comes last, whether the file ends with a line end or not."""
    assert replaceLine(TEXT, b"al", b"x") == TEXT + b"al:x\n"
    assert replaceLine(b"a:b", b"al", b"x") == b"a:b\nal:x\n"
    assert replaceLine(b"", b"al", b"x") == b"al:x\n"


def test_remove():
    """Without a secret the line goes, and a user who has none changes nothing."""
    assert replaceLine(TEXT, b"foo", None) == b"# people\n\nalice:a b \n"
    assert replaceLine(TEXT, b"fo", None) == TEXT
    assert replaceLine(b"a:b\n", b"a", None) == b""


@pytest.mark.parametrize(
    ("user", "why"),
    [(b"", "empty"), (b"#a", "comment"), (b"a:b", "colon"), (b"a\nb", "line end"), (b"\0", "NUL")],
)
def test_names(user, why):
    """A name that a line can't begin with is refused, and it is said why."""
    with pytest.raises(ValueError, match=why):
        checkUser(user)


NAMES = st.binary(min_size=1, max_size=5)


@given(st.dictionaries(NAMES, st.binary(max_size=5)), NAMES, st.binary(max_size=5))
def test_any_users(users, user, secret):
    """Whatever is written for a user is read again, and everybody else is as before."""
    for name in (*users, user):
        try:
            checkUser(name)
        except ValueError:
            assume(False)
    assume(not any(b"\n" in value or value.endswith(b"\r") for value in (secret, *users.values())))
    text = b"".join(name + b":" + value + b"\n" for name, value in users.items())
    assert parseLines(replaceLine(text, user, secret), identity) == {**users, user: secret}
    rest = {name: value for name, value in users.items() if name != user}
    assert parseLines(replaceLine(text, user, None), identity) == rest
