"""A worker's process, which the parent starts: ``python -m sshecho.workers NUMBER``."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReactorCore, IReactorFDSet, IReactorFromThreads
from twisted.logger import globalLogBeginner, globalLogPublisher

from sshecho import tap
from sshecho.service.console import Console
from sshecho.service.reload import readAgain
from sshecho.service.start import StartError
from sshecho.workers.link import Link, Message
from sshecho.workers.reception import Reception
from sshecho.workers.report import Report
from sshecho.workers.worker import LINK

_IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)
"""Signals that the parent minds, for all of us."""


class Process:
    """A worker, from its start to its end.

    Args:
        number: its own.
        reactor: what runs it.
    """

    def __init__(self, number: int, reactor: IReactorCore) -> None:
        self._number = number
        self._reactor = reactor
        end = socket.socket(fileno=LINK)
        end.set_inheritable(False)
        self._link = Link(IReactorFDSet(reactor), end, self._received, self._orphaned)
        self._reception: Reception | None = None
        self._readers: tap.Readers = []
        self._questions = {"reload": lambda: readAgain(self._readers)}
        self._leaving = False
        self._over = False

    def _received(self, message: Message, carried: int | None) -> None:
        word, *rest = message
        if word == "start":
            self._start(*rest)
            return
        reception = self._reception
        if reception is None:  # it could not start
            return
        if word == "enter":
            reception.admit(carried, *rest)
        elif word == "moved":
            reception.moved(*rest)
        elif word == "leave":
            reception.leave(*rest)
        elif word == "cut":
            reception.cut(*rest)
        elif word == "evict":
            reception.evict(*rest)
        elif word == "owes":
            reception.penalties.owe(*rest)
        elif word == "ask":
            number, question = rest
            self._link.send("answer", number, self._questions[question]())
        elif word == "retire":
            if self._leaving:
                reception.close()
            else:
                reception.retire()

    def _start(self, options: Mapping[str, Any]) -> None:
        if options["audited"]:
            globalLogPublisher.addObserver(Report(self._link, self._number))
        try:
            os.chdir(options["folder"])
            reception, self._readers = tap.makeReception(
                options, self._link, self._reactor, self._end
            )
        except (StartError, OSError) as error:
            self._link.send("broken", error.why if isinstance(error, StartError) else str(error))
            self._end()
            return
        for source, until in options["owing"]:
            reception.penalties.owe(source, until)
        self._reception = reception
        self._link.send("ready")

    def leave(self) -> None:
        """Say that this one is to end: the parent sends nobody more, and then everybody leaves."""
        self._leaving = True
        self._link.send("leaving")

    def _orphaned(self) -> None:
        """Have everybody leave: the parent is gone."""
        if self._reception is None:
            self._end()
        else:
            self._reception.close()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._link.close(self._reactor.stop)


def main() -> None:
    """Run the worker."""
    number = int(sys.argv[1])
    with suppress(OSError):  # what ps and top show beside the command
        Path("/proc/self/comm").write_text(f"sshecho:{number}")
    from twisted.internet import reactor as theReactor

    reactor = IReactorCore(theReactor)
    console = Console(sys.stderr, f"worker {number}: ")
    globalLogBeginner.beginLoggingTo([console], redirectStandardIO=False)
    process = Process(number, reactor)

    def mindSignals() -> None:
        for ignored in _IGNORED:
            signal.signal(ignored, signal.SIG_IGN)
        signal.signal(
            signal.SIGTERM,
            lambda *_: IReactorFromThreads(reactor).callFromThread(process.leave),
        )

    mindSignals()
    reactor.callWhenRunning(mindSignals)  # Twisted has its own by then
    reactor.run()


if __name__ == "__main__":
    main()
