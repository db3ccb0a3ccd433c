"""A probe and a server, joined in memory."""

from __future__ import annotations

from pathlib import Path

from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.keys import Key
from twisted.cred.credentials import IUsernamePassword
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport, connect
from zope.interface import implementer

from sshecho.cred.chain import makePortal
from sshecho.cred.memory import MemoryChecker
from sshecho.cred.realm import EchoAvatar, IProtocolAvatar, Realm
from sshecho.echo import Echo
from sshecho.line import LineFactory
from sshecho.probe.client import probe
from sshecho.probe.hostkeys import HostKeys
from sshecho.probe.identity import Identity
from sshecho.probe.lineclient import LineClient
from sshecho.probe.sshclient import Client
from sshecho.probe.target import parseTarget
from sshecho.service.gate import Gate
from sshecho.service.limits import Limits
from sshecho.ssh.avatar import SSHAvatar
from sshecho.ssh.factory import EchoSSHFactory
from sshecho.ssh.hostkeys import HostKey

PASSWORD = Identity(password=b"pass")


class Says(Protocol):
    """A server that says something at once, and then nothing; it keeps what it gets."""

    def __init__(self, what: bytes = b"") -> None:
        self.what = what
        self.got = b""

    def connectionMade(self):
        self.transport.write(self.what)

    def dataReceived(self, data):
        self.got += data


@implementer(IStreamClientEndpoint)
class Wire:
    """An endpoint in memory.

    Args:
        servers: for each connection, a function that makes the server, or what connecting fails
            with, or a Deferred that connecting waits for; the last one stays.
        peer: the server's address.
    """

    def __init__(self, *servers, peer="127.0.0.1"):
        self._servers = list(servers)
        self._peer = IPv4Address("TCP", peer, 2222)
        self.pump = None
        self.times = 0

    def connect(self, factory):
        self.times += 1
        server = self._servers.pop(0) if len(self._servers) > 1 else self._servers[0]
        if isinstance(server, Exception):
            return fail(server)
        if isinstance(server, Deferred):
            return server
        self.client, self.server = factory.buildProtocol(None), server()
        clientTCP = FakeTransport(self.client, isServer=False, peerAddress=self._peer)
        serverTCP = FakeTransport(self.server, isServer=True)
        self.pump = connect(self.server, serverTCP, self.client, clientTCP)
        return succeed(self.client)


class Probing:
    """A probe that is under way.

    Args:
        wire: the endpoint.
        target: as on the command line.
        identity: what to log in with.
        hostKeys: makes the HostKeys of a target.
        plainText, timeout, wait: as on the command line.
    """

    def __init__(
        self,
        wire,
        target="user@localhost",
        identity=PASSWORD,
        hostKeys=HostKeys,
        plainText=False,
        **times,
    ):
        self.wire = wire
        self.clock = Clock()
        self.report = None
        target = parseTarget(target)

        def makeClient(attempt):
            if target.door == "line":
                return LineClient(attempt, identity, plainText=plainText)
            return Client(attempt, identity, hostKeys(target))

        probing = probe(
            target,
            wire,
            makeClient,
            clock=self.clock,
            seconds=self.clock.seconds,
            **{"timeout": 10, **times},
        )
        Deferred.fromCoroutine(probing).addCallback(lambda report: setattr(self, "report", report))
        self.flush()

    def flush(self):
        if self.wire.pump is not None:
            self.wire.pump.flush()

    def advance(self, seconds):
        """Let time go by, in steps of a tenth of a second."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)
            self.flush()
        return self

    @property
    def error(self):
        """What the probe said when it failed, and where it did."""
        assert self.report is not None
        assert self.report.error is not None
        return str(self.report.error)

    @property
    def step(self):
        return self.report.attempt.step


def sshServer(key: Key, checkers=None, application=Echo, clock=None):
    """Return what makes servers of ours."""
    portal = makePortal(
        Realm({IConchUser: lambda user: SSHAvatar(user, application)}),
        checkers or {IUsernamePassword: [MemoryChecker({b"user": b"pass"})]},
    )
    clock = clock or Clock()
    factory = EchoSSHFactory(portal, [HostKey(Path(), key)], clock, Gate(Limits(), clock))
    factory.doStart()
    return lambda: factory.buildProtocol(None)


def lineServer(checkers=None, application=Echo):
    """Return what makes line doors of ours."""
    portal = makePortal(
        Realm({IProtocolAvatar: lambda user: EchoAvatar(user, application)}),
        checkers or {IUsernamePassword: [MemoryChecker({b"user": b"pass"})]},
    )
    clock = Clock()
    factory = LineFactory(portal, clock, Gate(Limits(), clock))
    return lambda: factory.buildProtocol(None)
