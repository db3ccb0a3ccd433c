"""The realm."""

import pytest
from twisted.conch.interfaces import IConchUser
from twisted.cred.checkers import ANONYMOUS
from twisted.cred.portal import IRealm
from twisted.mail.interfaces import IMailboxPOP3 as IMailbox
from zope.interface.verify import verifyObject

from sshecho.cred.realm import EchoAvatar, IProtocolAvatar, Realm
from sshecho.echo import Echo
from sshecho.ssh.avatar import SSHAvatar


@pytest.fixture
def realm() -> Realm:
    return Realm(
        {
            IProtocolAvatar: lambda user: EchoAvatar(user, Echo),
            IConchUser: lambda user: SSHAvatar(user, Echo),
        }
    )


@pytest.mark.parametrize("interface", [IProtocolAvatar, IConchUser])
def test_avatar(realm, interface):
    """Each door gets an avatar that provides its interface, knows its user and can log out."""
    verifyObject(IRealm, realm)
    given, avatar, logout = realm.requestAvatar("\u00fcser".encode(), None, interface)
    assert given is interface
    assert interface.providedBy(avatar)
    assert avatar.user == "\u00fcser".encode()
    assert isinstance(avatar.application(), Echo)
    logout()


def test_first_known_interface(realm):
    """Of several interfaces the first that the realm knows is given."""
    assert realm.requestAvatar(b"u", None, IMailbox, IProtocolAvatar)[0] is IProtocolAvatar


def test_anonymous(realm):
    """An anonymous login has a name of its own."""
    assert realm.requestAvatar(ANONYMOUS, None, IProtocolAvatar)[1].user == b"anonymous"


def test_unknown_interface(realm):
    """An interface that the realm does not know is refused with a sentence that names both."""
    with pytest.raises(NotImplementedError, match=r"IProtocolAvatar, IConchUser, not for IMailbox"):
        realm.requestAvatar(b"u", None, IMailbox)


def test_avatar_interface(realm):
    """The line door's avatar keeps the promises of the chapter's interface."""
    verifyObject(IProtocolAvatar, realm.requestAvatar(b"u", None, IProtocolAvatar)[1])
