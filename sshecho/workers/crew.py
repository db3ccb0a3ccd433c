"""The crew: the parent's workers. Each connection goes to the one that has the fewest."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorProcess, IReactorTime
from twisted.logger import Logger

from sshecho.people import NAMESPACE, escape, oneLine, tell
from sshecho.service.doors import Door
from sshecho.service.events import happened
from sshecho.service.gate import Gate
from sshecho.service.start import StartError
from sshecho.service.visit import Visit
from sshecho.workers.connecting import Client
from sshecho.workers.worker import CHECK, OBEDIENCE, PATIENCE, Worker

SHORT_LIFE: Final = 10.0
"""Seconds; a worker that died sooner is not replaced at once."""
PAUSE: Final = 1.0
"""Seconds until then."""

_log = Logger(NAMESPACE)


class Crew(Service):
    """Starts workers, hands them connections, and replaces them.

    Args:
        count: how many there are to be.
        reactor: what starts them.
        gate: where connections are counted.
        options: what a new worker has to know.
        audited: called with what workers tell the audit log.
        inherits: whether workers share our standard error; else what they say is logged.

    Attributes:
        opened: fires when the first workers are all ready; fails with a StartError when they
            can't be.
        doors: where connections come in; they have to wait there while nobody can have them.
    """

    def __init__(
        self,
        count: int,
        reactor: IReactorProcess,
        gate: Gate,
        options: Mapping[str, object],
        audited: Callable[[dict[str, object]], None],
        *,
        inherits: bool,
    ) -> None:
        self.audited = audited
        self.opened: Deferred[None] = Deferred()
        self.doors: Sequence[Door] = ()
        self._count = count
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._gate = gate
        self._options = options
        self._inherits = inherits
        self._number = 0
        self._workers: set[Worker] = set()  # all whose processes run
        self._current: list[Worker] = []  # those at the doors, ready or not
        self._fresh: list[Worker] = []  # those that are to take their places
        self._again = False  # whether those, too, are to be replaced
        self._hiring: IDelayedCall | None = None
        self._checking: IDelayedCall
        self._closing = False
        self._gone: Deferred[None] = Deferred()
        gate.penalties.watch(self._penalized)

    def startService(self) -> None:
        """Start the workers."""
        super().startService()
        self._current = [self._hire() for _ in range(self._count)]
        self._look()
        self._checking = self._clock.callLater(CHECK, self._check)

    def _check(self) -> None:
        """See now and then which workers are there."""
        for worker in self._workers:
            worker.check()
        self._checking = self._clock.callLater(CHECK, self._check)

    def close(self) -> None:
        """Start no more workers: the end has begun."""
        self._closing = True
        self._checking.cancel()
        if self._hiring is not None:
            self._hiring.cancel()
            self._hiring = None
        for worker in self._workers:
            if not worker.ready:  # it has nobody who would mind
                worker.retired = True
                worker.kill()
        self._fresh = []

    def stopService(self) -> Deferred[None]:
        """Let the workers end, now that no connection is left.

        Returns:
            A Deferred that fires when all have; whoever hangs is killed.
        """
        super().stopService()
        for worker in self._workers:
            worker.retire()
        killing = self._clock.callLater(OBEDIENCE, self._killAll)
        self._seeWhetherGone()

        def gone(_: None) -> None:
            if killing.active():
                killing.cancel()

        return self._gone.addCallback(gone)

    def _seeWhetherGone(self) -> None:
        if self._closing and not self._workers and not self._gone.called:
            self._gone.callback(None)

    def _killAll(self) -> None:
        for worker in self._workers:
            _log.error("{worker} hangs, and is killed", worker=str(worker))
            worker.kill()

    def _hire(self) -> Worker:
        self._number += 1
        worker = Worker(self._number, self._reactor, self._gate, self, inherits=self._inherits)
        self._workers.add(worker)
        try:
            worker.start({**self._options, "owing": self._owing()})
        except OSError as error:  # no process, or no descriptor
            self._clock.callLater(0, worker.fail, oneLine(error))
        return worker

    def _owing(self) -> list[tuple[str, float]]:
        return list(self._gate.penalties.owing(self._gate.seconds()))

    def _penalized(self, source: str, until: float) -> None:
        for worker in self._workers:
            worker.tell("owes", source, until)

    # Connections.

    @property
    def isReady(self) -> bool:
        """Whether a worker can have connections, and does not hang."""
        return any(worker.takes and not worker.hangs for worker in self._current)

    def hand(self, visit: Visit, door: int, connection: socket.socket, client: Client) -> None:
        """Give a connection to the worker that has the fewest, and had the fewest.

        Args:
            visit: the connection's.
            door: the number of the door that it came through.
            connection: its socket, which is closed here.
            client: the client's address, as `socket.accept` returns it.
        """
        taking = [worker for worker in self._current if worker.takes]
        if taking:
            min(taking, key=_load).hand(visit, door, connection, client)
        else:  # it was accepted in the same moment as the last of them died
            connection.close()
            visit.end(0, 0)

    def _look(self) -> None:
        """Let connections wait in the system's queue while nobody is there to have them."""
        for door in self.doors:
            door.rest(rests=not any(worker.takes for worker in self._current))

    async def refresh(self) -> None:
        """Bring up to date what the gate has of the workers' connections."""
        await gatherResults([Deferred.fromCoroutine(each.refresh()) for each in self._workers])

    # New code, new files.

    async def reload(self) -> bool:
        """Have every worker read its files again; return whether all could."""
        answers = [worker.ask("reload") for worker in self._workers]
        for answer in answers:
            answer.addTimeout(PATIENCE, self._clock, lambda *_: False)
        return all(await gatherResults(answers))

    def replace(self) -> None:
        """Start fresh workers, which take the doors once all of them are ready.

        The old ones end with their last session. If fresh ones can't start, the old ones stay.
        """
        if self._closing:
            return
        if self._fresh:
            self._again = True
            return
        tell("fresh workers are starting, to take the doors")
        self._fresh = [self._hire() for _ in range(self._count)]

    def _takeOver(self) -> None:
        old, self._current, self._fresh = self._current, self._fresh, []
        for worker in old:
            worker.retire()
        tell("fresh workers have the doors; the old ones end with their last session")
        if self._again:
            self._again = False
            self.replace()

    def _giveUp(self, why: str) -> None:
        fresh, self._fresh = self._fresh, []
        self._again = False
        for worker in fresh:
            worker.retired = True  # it is no loss
            worker.kill()
        because = f" ({escape(why)})" if why else ""
        _log.error("fresh workers can't start{because}: the old ones stay", because=because)
        self._fill()

    # What workers say; see `Employer`.

    def hasStarted(self, worker: Worker) -> None:
        """Let a worker have connections, if all of its kind can."""
        told = {"worker": worker.number, "worker_pid": worker.pid}
        happened("worker.start", f"{worker} is process {worker.pid}", **told)
        if worker in self._fresh:
            if all(each.ready for each in self._fresh):
                self._takeOver()
        elif self._closing or worker not in self._current:
            worker.retire()
        waits = not (self._closing or self.opened.called)
        if waits and all(each.ready for each in self._current):
            self.opened.callback(None)
        self._look()

    def isLeaving(self, worker: Worker) -> None:
        """Let a worker have no more connections, as it wishes."""
        if worker in self._current:
            self._current.remove(worker)
        worker.retire()
        self._look()
        self._fill()

    def hasEnded(self, worker: Worker, why: str) -> None:
        """Replace a worker that has ended, unless it was to."""
        self._workers.discard(worker)
        because = f": {escape(why)}" if why else ""
        told = {"worker": worker.number, "worker_pid": worker.pid, "why": escape(why)}
        happened("worker.end", f"{worker} has ended{because}", **told)
        if not (self._closing or worker.retired):
            self._gate.measures.count("worker_deaths")
        if worker in self._fresh:
            self._fresh.remove(worker)
            self._giveUp(why)
        if worker in self._current:
            self._current.remove(worker)
            if not (self.opened.called or self._closing):
                self.opened.errback(StartError(f"{worker} can't start{because}"))
            self._look()
            self._fill(0.0 if self._livedLong(worker) else PAUSE)
        self._seeWhetherGone()

    def _livedLong(self, worker: Worker) -> bool:
        return worker.since is not None and self._gate.seconds() - worker.since >= SHORT_LIFE

    def _fill(self, pause: float = 0.0) -> None:
        """See to it that there are enough workers, now or in so many seconds."""
        if self._hiring is None and not self._closing:
            self._hiring = self._clock.callLater(pause, self._fillNow)

    def _fillNow(self) -> None:
        self._hiring = None
        # Fresh ones would take their places anyway, unless nobody is there meanwhile.
        if not self._closing and not (self._fresh and self._current):
            while len(self._current) < self._count:
                self._current.append(self._hire())


def _load(worker: Worker) -> tuple[bool, int, int]:
    return worker.hangs, len(worker.visits), worker.handed
