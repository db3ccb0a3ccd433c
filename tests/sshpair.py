"""An SSH client and our server, joined in memory."""

from __future__ import annotations

import struct
from copy import copy
from pathlib import Path

from attacking.client import Client
from helpers import CountingAvatar
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.cred.credentials import IUsernamePassword
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport, connect

from sshecho.cred.chain import makePortal
from sshecho.cred.memory import MemoryChecker
from sshecho.cred.realm import Realm
from sshecho.echo import Echo
from sshecho.service.gate import Gate
from sshecho.service.limits import Limits
from sshecho.ssh.algorithms import MODERN
from sshecho.ssh.avatar import SSHAvatar
from sshecho.ssh.factory import EchoSSHFactory
from sshecho.ssh.hostkeys import HostKey

DISCONNECT, UNIMPLEMENTED, SERVICE_REQUEST, SERVICE_ACCEPT = 1, 3, 5, 6
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_BANNER = 50, 51, 52, 53
USERAUTH_PK_OK = USERAUTH_INFO_REQUEST = 60
USERAUTH_INFO_RESPONSE = 61
GLOBAL_REQUEST, REQUEST_FAILURE = 80, 82
OPEN, OPEN_CONFIRMATION, OPEN_FAILURE, WINDOW_ADJUST, DATA = 90, 91, 92, 93, 94
EXTENDED_DATA, EOF, CLOSE, REQUEST, SUCCESS, FAILURE = 95, 96, 97, 98, 99, 100
LIMITS = Limits()
PEER = IPv4Address("TCP", "192.0.2.2", 5555)
LYING = struct.pack(">L", 99999)
"""The head of a string that is longer than what follows."""


class CountingSSHAvatar(SSHAvatar):
    """Our avatar, which counts logins and logouts."""

    def __init__(self, user, log, application):
        super().__init__(user, application)
        self._counter = CountingAvatar(user, log)

    def logout(self):
        self._counter.logout()


class Pair:
    """A client and a server.

    Args:
        hostKeys: the server's.
        checkers: for the portal; the user `user` with the password `pass` if not given.
        application: what a session runs.
        banner: returns what is shown before the login.
        limits: the server's.
        policy: the server's.
        client: what builds the client, of its clock.
    """

    serverTransport = FakeTransport

    def __init__(
        self,
        hostKeys,
        checkers=None,
        application=Echo,
        banner=bytes,
        limits=LIMITS,
        policy=MODERN,
        client=Client,
    ):
        self.log = []
        self.clock = Clock()
        portal = makePortal(
            Realm({IConchUser: lambda user: CountingSSHAvatar(user, self.log, application)}),
            checkers or {IUsernamePassword: [MemoryChecker({b"user": b"pass"})]},
        )
        keys = [HostKey(Path(), key) for key in hostKeys]
        self.gate = Gate(limits, self.clock)
        self.factory = EchoSSHFactory(portal, keys, self.clock, self.gate, policy, banner)
        self._makeClient = client
        self.factory.doStart()
        self._connect()

    def another(self):
        """Return another connection of the same client to the same server."""
        pair = copy(self)
        pair._connect()
        return pair

    def _connect(self):
        self._join()
        assert self.client.secure
        self.take()

    def _join(self):
        self.server = self.factory.buildProtocol(PEER)
        self.clientClock = Clock()
        self.client = self._makeClient(self.clientClock)
        self.serverTCP = self.serverTransport(self.server, isServer=True)
        self.clientTCP = FakeTransport(self.client, isServer=False)
        self.pump = connect(self.server, self.serverTCP, self.client, self.clientTCP)
        self.pump.flush()

    def send(self, number, *parts):
        """Send a packet, and let everything happen that it brings about."""
        self.client.sendPacket(number, b"".join(parts))
        return self.flush()

    def flush(self):
        """Let everything happen that happens at once."""
        self.pump.flush()
        while self.server._resting or self.client._resting:
            self.clock.advance(0)
            self.clientClock.advance(0)
            self.pump.flush()
        return self

    def take(self):
        """Return the packets that have come since the last time."""
        packets, self.client.packets = self.client.packets, []
        return packets

    def requestUserAuth(self):
        self.send(SERVICE_REQUEST, NS(b"ssh-userauth"))
        assert self.take() == [(SERVICE_ACCEPT, NS(b"ssh-userauth"))]
        return self

    def password(self, user=b"user", password=b"pass", service=b"ssh-connection"):
        return self.send(
            USERAUTH_REQUEST, NS(user), NS(service), NS(b"password"), b"\0", NS(password)
        )

    def key(self, user: bytes, key: Key, algorithm=None, signed=True, data=None):
        algorithm = algorithm or key.supportedSignatureAlgorithms()[0]
        blob = key.public().blob()
        head = NS(user) + NS(b"ssh-connection") + NS(b"publickey") + bytes([signed])
        head += NS(algorithm) + NS(blob)
        if signed:
            message = NS(self.client.sessionID) + bytes([USERAUTH_REQUEST]) + (data or head)
            head += NS(key.sign(message, algorithm))
        return self.send(USERAUTH_REQUEST, head)

    def login(self):
        self.requestUserAuth().password()
        assert self.take() == [(USERAUTH_SUCCESS, b"")]
        return self

    def lose(self):
        """Let the connection break."""
        self.clientTCP.loseConnection()
        self.pump.flush()
        return self


class Channel:
    """A session channel, from the client's side.

    Args:
        pair: a pair that is logged in.
        window: how many bytes the server may send.
        maxPacket: how many of them in one packet.
    """

    def __init__(self, pair: Pair, window=1 << 20, maxPacket=1 << 15, mine=7):
        self.pair = pair
        self.mine = mine
        pair.send(OPEN, NS(b"session"), struct.pack(">3L", mine, window, maxPacket))
        [(number, payload)] = pair.take()
        assert number == OPEN_CONFIRMATION
        echoed, self.theirs, self.window, self.maxPacket = struct.unpack(">4L", payload)
        assert echoed == mine

    def send(self, number, *parts):
        self.pair.send(number, struct.pack(">L", self.theirs), *parts)
        return self

    def data(self, data):
        return self.send(DATA, NS(data))

    def request(self, name, data=b"", reply=True):
        return self.send(REQUEST, NS(name), bytes([reply]), data)

    def pty(self, term=b"xterm", columns=80, rows=24):
        return self.request(
            b"pty-req", NS(term) + struct.pack(">4L", columns, rows, 0, 0) + NS(b"\0")
        )

    def grant(self, count):
        return self.send(WINDOW_ADJUST, struct.pack(">L", count))

    def take(self):
        """Return what has come: (number, payload) behind the channel's number."""
        packets = self.pair.take()
        assert all(payload[:4] == struct.pack(">L", self.mine) for _, payload in packets)
        return [(number, payload[4:]) for number, payload in packets]

    def takeData(self):
        """Return the bytes that have come, as long as nothing but data has."""
        packets = self.take()
        assert {number for number, _ in packets} <= {DATA, WINDOW_ADJUST}
        return b"".join(getNS(payload)[0] for number, payload in packets if number == DATA)


def exitStatus(status=0):
    """Return the packet that tells an exit status."""
    return REQUEST, NS(b"exit-status") + b"\0" + struct.pack(">L", status)
