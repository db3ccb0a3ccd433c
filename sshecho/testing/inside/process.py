"""The process: it lives no longer than the one that started it, however that ends."""

from __future__ import annotations

import os
import socket
import sys

from twisted.internet import reactor as theReactor
from twisted.internet.interfaces import IReactorCore, IReactorFDSet, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import globalLogBeginner, globalLogPublisher

from sshecho.service.console import Console
from sshecho.service.descriptors import reserveDescriptors
from sshecho.service.limits import Limits
from sshecho.testing.inside.house import House
from sshecho.testing.inside.orders import Orders
from sshecho.workers.link import Link

_LOOK = 1.0
"""Seconds between looks at whether the tests still run: a copy of the link may outlive them."""


def main(link: int, calls: int, parent: int) -> None:
    """Serve until the tests end.

    Args:
        link: the descriptor of the socket that orders come by.
        calls: that of the socket by which the tests' callables are called.
        parent: the number of the tests' process.
    """
    reactor = IReactorCore(theReactor)
    globalLogBeginner.beginLoggingTo([Console(sys.stderr)], redirectStandardIO=False)
    watched = IReactorFDSet(reactor)
    reserveDescriptors(Limits())
    house = House(reactor)
    globalLogPublisher.addObserver(house.recorder)
    reactor.addSystemEventTrigger("after", "shutdown", house.papers.remove)
    orders = Orders(house)

    def end() -> None:
        if reactor.running:
            reactor.stop()

    def look() -> None:
        if os.getppid() != parent:
            end()

    house.calls.link = Link(watched, socket.socket(fileno=calls), house.calls.received, _noMatter)
    orders.link = Link(watched, socket.socket(fileno=link), orders.received, end)
    looking = LoopingCall(look)
    looking.clock = IReactorTime(reactor)
    looking.start(_LOOK)
    reactor.run()


def _noMatter() -> None:
    """Do nothing: when the calls' link is closed, so is the other."""
