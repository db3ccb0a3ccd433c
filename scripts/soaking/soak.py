"""The soak: the load, the attacks and a look at the server each second, from start to end."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, closing
from multiprocessing.connection import wait
from pathlib import Path

from attacking.attacker import PATIENCE
from benchmarks.machine import describe, pin
from benchmarks.progress import say, tell

from soaking.crowd import crowd
from soaking.events import Events, complaints
from soaking.meter import measure
from soaking.record import Record, Rest, Sample
from soaking.reporting import Clients
from soaking.rotation import Rotation
from soaking.server import Server, serving
from soaking.verdicts import MINUTE

SETTLING = 15
"""Seconds in which the server has to notice that all of its clients have gone."""
PAUSE = 0.1
TOLD = 10
"""Seconds from one line about how it goes to the next."""


def soak(seconds: int, warmUp: int, seed: int) -> Record:
    """Run a server, and all that comes to it.

    Args:
        seconds: how long.
        warmUp: seconds before that, in which the server takes the memory that it needs.
        seed: what chance begins with.
    """
    core = pin()
    tell(describe(core))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sshecho-soak-")))
        server = stack.enter_context(serving(folder, core))
        events = stack.enter_context(closing(Events(server.audit)))
        before = _settle(server, events)
        record = Record(time.monotonic() + warmUp, before)
        run = _Soak(server, events, record)
        try:
            run.come(stack, seed)
            for second in range(-warmUp, seconds):
                run.goOn(second)
            run.leave()
            record.after = _settle(server, events)
        except OSError as error:  # there is no such process any more, say
            record.fail(time.monotonic(), f"the soak broke off: {error}")
        record.status = server.end()
        record.complaints = complaints(server.said)
    return record


def _settle(server: Server, events: Events) -> Rest:
    """Wait until the server has closed all connections, but not for ever."""
    end = time.monotonic() + SETTLING
    while True:
        events.look()
        if not events.connections or time.monotonic() > end:
            return Rest(server.descriptors(), events.connections, events.logins)
        time.sleep(PAUSE)


class _Soak:
    def __init__(self, server: Server, events: Events, record: Record) -> None:
        self._server = server
        self._events = events
        self._record = record
        self._rotation = Rotation(server.target, record)
        self._clients: list[Clients] = []  # that have not ended
        self._failures = 0  # that were told of

    def come(self, stack: ExitStack, seed: int) -> None:
        """Let the clients with manners come."""
        stack.callback(self._rotation.end)
        for work in (measure, crowd):
            clients = Clients(work, self._server.target, seed)
            self._clients.append(stack.enter_context(closing(clients)))

    def goOn(self, second: int) -> None:
        """Do what is due in a second, and take a sample at its end."""
        record, server = self._record, self._server
        if second % MINUTE == 0:
            server.hangUp()
            record.done["SIGHUPs"] += 1
        self._rotation.turn(second)
        cpu, waited = server.cpu(), server.waited()
        self._listen(record.began + second + 1)
        self._events.look()
        record.samples[second] = sample = Sample(
            server.memory(),
            server.descriptors(),
            self._events.logins,
            server.cpu() - cpu,
            server.waited() - waited,
        )
        if second % TOLD == 0:
            say(f"{second} s: {_words(sample)} {self._rotation.name}")

    def leave(self) -> None:
        """Cut the attack off, and have the clients with manners end what they are at."""
        self._rotation.end()
        for clients in self._clients:
            clients.stop()
        self._listen(time.monotonic() + PATIENCE, leaving=True)
        if self._clients:
            raise TimeoutError("clients did not end")

    def _listen(self, until: float, *, leaving: bool = False) -> None:
        """Take the clients' reports, until a time, or until all have ended.

        Raises:
            ConnectionError: when some have ended that should not.
        """
        while self._clients and (left := until - time.monotonic()) > 0:
            ready = wait([clients.connection for clients in self._clients], left)
            for clients in [c for c in self._clients if c.connection in ready]:
                try:
                    self._record.take(clients.connection.recv())
                except EOFError:
                    self._clients.remove(clients)
                    if not leaving:
                        raise ConnectionError("a process of clients has ended") from None
            self._tellFailures()

    def _tellFailures(self) -> None:
        for failure in self._record.failures[self._failures :]:
            tell(failure)
        self._failures = len(self._record.failures)


def _words(sample: Sample) -> str:
    return (
        f"{sample.memory:.1f} MiB, {sample.descriptors} descriptors, {sample.sessions} sessions, "
        f"{100 * sample.cpu:.0f} % of a core"
    )
