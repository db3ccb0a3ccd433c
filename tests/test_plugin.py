"""Checkers in applications other than ours."""

import pytest
from helpers import denied, result
from twisted.conch.error import ValidPublicKey
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey, IUsernamePassword
from twisted.cred.strcred import ICheckerFactory
from zope.interface.verify import verifyObject

from sshecho.cred.identity import Identity, Terms
from sshecho.cred.memory import MemoryChecker
from sshecho.cred.plugin import CheckerPlugin, WithoutTerms


class Answering:
    """A checker with a ready answer."""

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(self, answer):
        self._answer = answer

    def requestAvatarId(self, credentials):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def ask(answer):
    return WithoutTerms(Answering(answer)).requestAvatarId(object())


def test_terms():
    """Who may be let in on terms only is denied where nobody keeps them."""
    assert result(ask(b"user")) == b"user"
    assert result(ask(Identity(b"user", Terms()))) == b"user"
    for terms in (Terms(pty=False), Terms(command=b"x"), Terms(environment={b"A": b"1"})):
        assert denied(ask(Identity(b"user", terms)))
    with pytest.raises(ValidPublicKey):
        result(ask(ValidPublicKey()))


def test_plugin():
    """A plugin stands for its factory, which it imports when it is asked."""
    plugin = CheckerPlugin("memory", "sshecho.cred.memory.MemoryCheckerFactory")
    verifyObject(ICheckerFactory, plugin)
    assert plugin.argStringFormat.startswith("user:password")
    assert "every user of this machine" in plugin.authHelp.replace("\n", " ")
    assert plugin.credentialInterfaces == (IUsernamePassword,)
    checker = plugin.generateChecker("a:b")
    verifyObject(ICredentialsChecker, checker)
    assert isinstance(checker.checker, MemoryChecker)
