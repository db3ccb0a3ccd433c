"""The memory checker."""

import os

import pytest
from helpers import Password, denied, result
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from zope.interface.verify import verifyObject

from sshecho.cred.memory import MemoryCheckerFactory


def test_users():
    """Each user gets in with their own password, in bytes, and with no other."""
    factory = MemoryCheckerFactory()
    verifyObject(ICheckerFactory, factory)
    checker = factory.generateChecker("user:pass:f\u00fc\u00fc:b\u00e4r baz")
    verifyObject(ICredentialsChecker, checker)
    user = "f\u00fc\u00fc".encode()
    assert result(checker.requestAvatarId(Password(b"user", b"pass"))) == b"user"
    assert result(checker.requestAvatarId(Password(user, "b\u00e4r baz".encode()))) == user
    for wrong in [(b"user", b"bar"), (b"nobody", b""), (b"", b""), (user, b"pass"), (b"user", b"")]:
        assert denied(checker.requestAvatarId(Password(*wrong)))


def test_bytes_that_are_no_text():
    """What the command line can carry, the checker takes, UTF-8 or not."""
    checker = MemoryCheckerFactory().generateChecker(os.fsdecode(b"\xff:\xfe"))
    assert result(checker.requestAvatarId(Password(b"\xff", b"\xfe"))) == b"\xff"


@pytest.mark.parametrize("argument", ["", "user", "user:", ":pass", "a:b:c", "a:b:a:c"])
def test_no_pairs(argument):
    """What is no list of pairs is refused with a sentence."""
    with pytest.raises(InvalidAuthArgumentString, match=r"pairs|twice"):
        MemoryCheckerFactory().generateChecker(argument)
