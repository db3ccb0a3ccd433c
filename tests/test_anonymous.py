"""The anonymous checker."""

import pytest
from helpers import result
from twisted.cred.checkers import ANONYMOUS
from twisted.cred.credentials import Anonymous
from twisted.cred.strcred import InvalidAuthArgumentString

from sshecho.cred.anonymous import AnonymousCheckerFactory


def test_anonymous():
    """It lets in whoever asks for nothing, and takes no argument."""
    checker = AnonymousCheckerFactory().generateChecker("")
    assert result(checker.requestAvatarId(Anonymous())) == ANONYMOUS
    with pytest.raises(InvalidAuthArgumentString, match="no argument"):
        AnonymousCheckerFactory().generateChecker("x")
