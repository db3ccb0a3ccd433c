"""An echo made of Conch's own classes: `conch_echo.py PORT HOST_KEY USER AUTHORIZED_KEYS`.

Nothing is logged, which favours it.
"""

import sys

from twisted.conch.avatar import ConchUser
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker
from twisted.conch.interfaces import IConchUser, ISession
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.session import SSHSession, SSHSessionProcessProtocol, wrapProtocol
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from twisted.internet.protocol import Protocol
from twisted.python import components
from zope.interface import implementer


class Echo(Protocol):
    """What comes in goes out."""

    def dataReceived(self, data: bytes) -> None:
        """Write it back."""
        self.transport.write(data)


class Avatar(ConchUser):
    """Who has logged in may open sessions."""

    def __init__(self) -> None:
        super().__init__()
        self.channelLookup[b"session"] = SSHSession


@implementer(ISession)
class EchoSession:
    """A session's shell is the echo."""

    def __init__(self, avatar: Avatar) -> None:
        pass

    def openShell(self, processProtocol: SSHSessionProcessProtocol) -> None:
        """Connect the echo with the session."""
        echo = Echo()
        echo.makeConnection(processProtocol)
        processProtocol.makeConnection(wrapProtocol(echo))

    def eofReceived(self) -> None:
        """Nothing more comes in."""

    def closed(self) -> None:
        """The session is over."""


components.registerAdapter(EchoSession, Avatar, ISession)


@implementer(IRealm)
class Realm:
    """An avatar for everyone."""

    def requestAvatar(self, avatarId: bytes, mind: object, *interfaces: object) -> tuple:
        """Return it."""
        return IConchUser, Avatar(), lambda: None


def main() -> None:
    """Serve."""
    port, hostKey, user, authorizedKeys = sys.argv[1:]
    portal = Portal(Realm())
    keys = {user.encode(): [Key.fromFile(authorizedKeys)]}
    portal.registerChecker(SSHPublicKeyChecker(InMemorySSHKeyDB(keys)))
    factory = SSHFactory()
    factory.portal = portal
    key = Key.fromFile(hostKey)
    factory.privateKeys = {b"ssh-ed25519": key}
    factory.publicKeys = {b"ssh-ed25519": key.public()}
    reactor.listenTCP(int(port), factory, interface="127.0.0.1")
    reactor.run()


main()
