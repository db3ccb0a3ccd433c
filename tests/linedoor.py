"""A line door in memory, seen from the client's side."""

from __future__ import annotations

from copy import copy

from helpers import CountingAvatar
from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import IAnonymous, IUsernamePassword
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from sshecho.cred.chain import makePortal
from sshecho.cred.memory import MemoryChecker
from sshecho.cred.realm import IProtocolAvatar, Realm
from sshecho.echo import Echo
from sshecho.line import LineFactory
from sshecho.service.gate import Gate
from sshecho.service.limits import Limits

LIMITS = Limits()
PEER = IPv4Address("TCP", "192.0.2.2", 5555)
USERS = {b"user": b"pass", "f\u00fc\u00fc".encode(): b" a b ", b"c": b"\r"}


class Transport(StringTransport):
    """A transport that can be half closed and aborted."""

    writeClosed = False
    aborted = False

    def loseWriteConnection(self):
        self.writeClosed = True

    def unregisterProducer(self):
        self.producer = None  # nor do real ones mind when there is none

    def abortConnection(self):
        self.aborted = True

    def pauseProducing(self):
        self.producerState = "paused"

    def resumeProducing(self):
        self.producerState = "producing"


class Door:
    """A line door with one connection, seen from the client's side."""

    def __init__(self, checkers=None, application=Echo, limits=LIMITS):
        self.log = []

        def avatar(user):
            avatar = CountingAvatar(user, self.log)
            avatar.application = application
            alsoProvides(avatar, IProtocolAvatar)
            return avatar

        self.clock = Clock()
        portal = makePortal(
            Realm({IProtocolAvatar: avatar}),
            checkers
            or {
                IUsernamePassword: [MemoryChecker(USERS)],
                IAnonymous: [AllowAnonymousAccess()],
            },
        )
        self.gate = Gate(limits, self.clock)
        self.factory = LineFactory(portal, self.clock, self.gate)
        self._connect()

    def another(self):
        """Return another connection to the same door."""
        door = copy(self)
        door._connect()
        return door

    def _connect(self):
        self.protocol = self.factory.buildProtocol(PEER)
        self.transport = Transport()
        self.protocol.makeConnection(self.transport)

    def send(self, *pieces):
        for piece in pieces:
            self.protocol.dataReceived(piece)
        return self

    def endInput(self):
        self.protocol.readConnectionLost()
        return self

    def lose(self):
        self.protocol.connectionLost(Failure(ConnectionDone()))
        return self

    @property
    def received(self):
        return self.transport.value()

    @property
    def closed(self):
        return self.transport.disconnecting or self.transport.writeClosed
