"""A reactor that watches descriptors, turned by the test."""

from __future__ import annotations

import os
import select

from twisted.internet.interfaces import IProcessTransport, IReactorFDSet, IReactorProcess
from twisted.internet.task import Clock
from zope.interface import implementer


@implementer(IProcessTransport)
class Process:
    """A process that does nothing; its end of each descriptor is kept."""

    def __init__(self, protocol, arguments, childFDs):
        self.protocol = protocol
        self.arguments = arguments
        self.descriptors = {
            number: os.dup(each) for number, each in childFDs.items() if isinstance(each, int)
        }
        self.signals = []
        self.pid = 1000 + id(self) % 1000

    def signalProcess(self, number):
        self.signals.append(number)


@implementer(IReactorFDSet, IReactorProcess)
class Descriptors(Clock):
    """Reads and writes what can be when it is told to."""

    def __init__(self):
        super().__init__()
        self.readers, self.writers = [], []
        self.processes = []

    def addReader(self, reader):
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader):
        if reader in self.readers:
            self.readers.remove(reader)

    def addWriter(self, writer):
        if writer not in self.writers:
            self.writers.append(writer)

    def removeWriter(self, writer):
        if writer in self.writers:
            self.writers.remove(writer)

    def spawnProcess(self, protocol, executable, args, env, childFDs):
        self.processes.append(Process(protocol, args, childFDs))
        return self.processes[-1]

    def turn(self):
        """Do all that can be done now, until there is no more."""
        while True:
            readable, writable, _ = select.select(self.readers, self.writers, [], 0)
            if not readable and not writable:
                return
            for each in readable:
                reason = each.doRead()
                if reason is not None:
                    each.connectionLost(reason)
            for each in writable:
                each.doWrite()
