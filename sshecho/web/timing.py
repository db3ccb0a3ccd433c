"""Timing of the echo: protocols that are built in place of the doors' own under ``--metrics``.

What is timed is a turn in which session data came and some went out. An echo that has to wait,
for the client's window or for its application, is not: that is not how fast the server is.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter

from sshecho.line import LineFactory, LineLogin
from sshecho.ssh.factory import EchoSSHFactory
from sshecho.ssh.transport import Transport

_SSH, _LINE = ("ssh",), ("line",)


class TimedTransport(Transport):
    """The SSH door's transport, which times the echo."""

    __slots__ = ()

    def dataReceived(self, data: bytes) -> None:
        """Handle what has come, and see how long its echo took."""
        traffic = self.traffic
        received, sent = traffic.received, traffic.sent
        began = perf_counter()
        Transport.dataReceived(self, data)  # each line pays for what stands here
        if traffic.received != received and traffic.sent != sent:
            self.visit.measures.observe("echo", _SSH, perf_counter() - began)


class TimedLineLogin(LineLogin):
    """A connection to the line door, which times the echo."""

    def dataReceived(self, data: bytes) -> None:
        """Take what has come, and see how long its echo took."""
        received, sent = self.dataSoFar()
        began = perf_counter()
        super().dataReceived(data)
        receivedNow, sentNow = self.dataSoFar()
        if receivedNow != received and sentNow != sent:
            self._visit.measures.observe("echo", _LINE, perf_counter() - began)


def timeEchoes(factories: Iterable[EchoSSHFactory | LineFactory]) -> None:
    """Have the doors' factories build what times the echo."""
    for factory in factories:
        if isinstance(factory, LineFactory):
            factory.protocol = TimedLineLogin
        else:
            factory.protocol = TimedTransport
