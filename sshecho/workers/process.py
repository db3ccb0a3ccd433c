"""A worker's process: takes what the parent says, from its start to its end."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorTime,
)
from twisted.logger import globalLogBeginner, globalLogPublisher

from sshecho.people import oneLine
from sshecho.service.console import Console
from sshecho.service.reload import readAgain
from sshecho.service.start import StartError
from sshecho.tap.rooms import Readers
from sshecho.tap.worker import makeReception
from sshecho.workers.link import CARRIES, Link, Message
from sshecho.workers.reception import Reception
from sshecho.workers.report import Report
from sshecho.workers.starting import LINK, PATH

COUNT: Final = 5.0
"""Seconds between two messages with what was counted."""


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
        self._handlers: dict[str, Callable[..., None]] = {"start": self._start}
        self._answers: dict[str, Callable[[], object]] = {}
        self._counting: IDelayedCall | None = None
        self._leaving = False
        self._over = False

    def _received(self, message: Message, carried: int | None) -> None:
        word, *rest = message
        if word == CARRIES:
            rest = [carried, *rest]
        if word in self._handlers:  # else it could not start
            self._handlers[word](*rest)

    def _answer(self, number: int, question: str) -> None:
        self._link.send("answer", number, self._answers[question]())

    def _start(self, options: Mapping[str, Any]) -> None:
        os.environ.pop(PATH, None)
        if options[PATH] is not None:
            os.environ[PATH] = options[PATH]
        if options["audited"]:
            globalLogPublisher.addObserver(Report(self._link, self._number))
        try:
            os.chdir(options["folder"])
            reception, readers = makeReception(options, self._link, self._reactor, self._end)
        except Exception as error:  # whatever breaks, the parent has to know
            why = error.why if isinstance(error, StartError) else oneLine(error)
            self._link.send("broken", why)
            self._end()
            return
        for source, until in options["owing"]:
            reception.penalties.owe(source, until)
        self._mind(reception, readers)
        self._link.send("ready")
        if options["counted"]:
            self._count(reception)

    def _mind(self, reception: Reception, readers: Readers) -> None:
        """Do from now on what the parent says."""
        self._reception = reception
        self._handlers |= {
            CARRIES: reception.admit,
            "moved": reception.moved,
            "leave": reception.leave,
            "cut": reception.cut,
            "dismiss": reception.dismiss,
            "evict": reception.evict,
            "owes": reception.penalties.owe,
            "ask": self._answer,
            "retire": lambda: reception.close() if self._leaving else reception.retire(),
        }
        self._answers = {
            "account": reception.account,
            "reload": lambda: readAgain(readers),
            "ping": lambda: True,
        }

    def _count(self, reception: Reception) -> None:
        """Send what was counted now and then, so that little is lost if this process dies."""
        self._link.send("counted", reception.measures.take(), soon=True)
        self._counting = IReactorTime(self._reactor).callLater(COUNT, self._count, reception)

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
            if self._counting is not None and self._reception is not None:
                self._counting.cancel()
                self._link.send("counted", self._reception.measures.take())
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

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        IReactorFromThreads(reactor).callFromThread(process.leave)

    def mindSignals() -> None:  # when Twisted has put its own handlers there
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, end)

    reactor.callWhenRunning(mindSignals)
    reactor.run()
