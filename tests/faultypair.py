"""An SSH client and a server that misbehaves, joined in memory."""

from __future__ import annotations

from attacking.client import Client
from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import logged, told
from sshpair import DISCONNECT, Pair
from twisted.conch.ssh.keys import Key
from twisted.test.iosim import FakeTransport

from sshecho.testing.faults import parseFault
from sshecho.testing.faulty import misbehave
from sshecho.testing.faulty.inforce import InForce, Order

HOST_KEY = Key(ed25519.Ed25519PrivateKey.generate())
LONG = 1e7
"""Seconds: longer than any time-out."""


class HearingClient(Client):
    """A client that keeps all bytes that it hears."""

    heard = b""

    def dataReceived(self, data):
        self.heard += data
        super().dataReceived(data)


class ClosingTransport(FakeTransport):
    """The server's transport, which notes how it is closed."""

    finished = False  # whether our side was closed
    aborted = False  # whether both were, at once
    reading = True

    def pauseProducing(self):
        self.reading = False

    def resumeProducing(self):
        self.reading = True

    def loseWriteConnection(self):
        self.finished = True

    def abortConnection(self):
        self.aborted = True
        super().abortConnection()


class FaultyPair(Pair):
    """A client, and a server with faults in force.

    Args:
        faults: as they are written.
        more: what `Pair` takes.
    """

    serverTransport = ClosingTransport

    def __init__(self, *faults, hostKeys=(HOST_KEY,), **more):
        self.inForce = InForce(byUserName=True)
        for fault in faults:
            self.begin(fault)
        super().__init__(hostKeys, **{"client": HearingClient, **more})

    def begin(self, fault, user=None, connections=None):
        """Put a fault in force, and return the order for it."""
        order = Order(parseFault(fault), user, connections)
        self.inForce.begin(order)
        return order

    def _connect(self):
        misbehave([self.factory], self.inForce)
        self._join()
        if self.client.secure:
            self.take()

    @property
    def heard(self):
        """All bytes that the server has sent."""
        return self.client.heard

    @property
    def cutOff(self):
        """Whether the server has closed its side, and no more than that, without a word."""
        said = DISCONNECT in [number for number, _ in self.client.packets]
        return self.serverTCP.finished and not self.serverTCP.aborted and not said

    @property
    def isOpen(self):
        """Whether the server has closed nothing."""
        return not (
            self.serverTCP.finished or self.serverTCP.aborted or self.serverTCP.disconnecting
        )

    def wait(self, seconds):
        """Let time pass, and everything happen that it brings about."""
        self.clock.advance(seconds)
        return self.flush()

    def isForgotten(self):
        """Return whether the server has nothing left of its clients, who have gone."""
        return not self.gate.visits and not self.clock.getDelayedCalls()


def whatHappened(do, *names):
    """Return the audited events of these names that doing something brings about."""
    with logged() as events:
        do()
    return told(events, *names)
