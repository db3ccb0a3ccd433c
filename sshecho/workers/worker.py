"""A worker as the parent sees it: a process, and the connections that it has."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from signal import SIGKILL
from typing import Final, cast
from typing import Protocol as Structure

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import (
    IDelayedCall,
    IProcessTransport,
    IReactorFDSet,
    IReactorProcess,
    IReactorTime,
)
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from sshecho.people import NAMESPACE, escape
from sshecho.service.gate import Gate
from sshecho.service.limits import LINGER
from sshecho.service.visit import Visit
from sshecho.workers.connecting import Client, decoded
from sshecho.workers.handed import Handed
from sshecho.workers.link import Link, Message, Word
from sshecho.workers.reception import Account
from sshecho.workers.starting import PATH, startProcess

OBEDIENCE: Final = 1.0
"""Seconds that a worker has to do as it is told; one that hangs is killed."""

CHECK: Final = 2.0
"""Seconds between two looks at whether it is there."""
PATIENCE: Final = 60.0
"""Seconds that it has to get ready, or to answer; then it is killed."""

_log = Logger(NAMESPACE)
_questions = count()


class Employer(Structure):
    """Whose worker it is."""

    def hasStarted(self, worker: Worker) -> None:
        """Take note that a worker can have connections."""

    def isLeaving(self, worker: Worker) -> None:
        """Take note that a worker wants no more connections."""

    def audited(self, record: dict[str, object]) -> None:
        """Keep what a worker tells the audit log."""

    def hasEnded(self, worker: Worker, why: str) -> None:
        """Take note that a worker's process has ended.

        Args:
            worker: which.
            why: what it said, or how it ended.
        """


class Worker(ProcessProtocol):
    """One worker.

    Args:
        number: its own, which no other has.
        reactor: what starts it.
        gate: where its connections are counted.
        employer: whose it is.
        inherits: whether it shares our standard error; else what it says there is logged.

    Attributes:
        number: its own, which no other has.
        pid: its process.
        visits: the connections that it has, by their names.
        data: bytes of data that their sessions got, and sent, when it was asked last.
        handed: how many it was given so far.
        ready: whether it can have connections.
        since: when it became so, in seconds since 1970; None if it has not.
        retired: whether it gets none any more.
        hangs: whether it does not answer.
    """

    def __init__(
        self,
        number: int,
        reactor: IReactorProcess,
        gate: Gate,
        employer: Employer,
        *,
        inherits: bool,
    ) -> None:
        self.number = number
        self.pid = 0
        self.visits: dict[str, Visit] = {}
        self.data: dict[str, list[int]] = {}
        self.handed = 0
        self.ready = self.retired = self.hangs = False
        self.since: float | None = None
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._gate = gate
        self._employer = employer
        self._inherits = inherits
        self._why = ""
        self._output = {1: b"", 2: b""}
        self._told: set[str] = set()  # of those to be cut
        self._due: set[str] = set()  # those of them that should be by now
        self._asked: dict[int, Deferred[object]] = {}
        self._waiting: IDelayedCall | None = None  # for its process to end
        self._killing: IDelayedCall | None = None
        self._missed: int | None = None  # how often it was looked for in vain
        self._linked = False
        self._process: IProcessTransport | None = None
        self._link: Link | None = None
        self._handlers: Mapping[str, Callable[..., object]] = {
            "ready": self._isReady,
            "leaving": lambda: employer.isLeaving(self),
            "broken": self._broke,
            "begun": self._begun,
            "in": self._loggedIn,
            "left": self._left,
            "failed": self._failed,
            "move": self._move,
            "reached": gate.reached,
            "audit": employer.audited,
            "answer": self._answer,
            "counted": gate.measures.add,
        }

    def __str__(self) -> str:
        """Return what people call it."""
        return f"worker {self.number}"

    def start(self, options: Mapping[str, object]) -> None:
        """Start the process.

        Args:
            options: what it has to know, as JSON has it. It may be secret: so it goes over the
                link, and not on the command line.

        Raises:
            OSError: when there can be no more processes.
        """
        process, ours = startProcess(self.number, self, self._reactor, inherits=self._inherits)
        self._process = process
        self.pid = int(process.pid)
        self._link = Link(IReactorFDSet(self._reactor), ours, self._received, self._linkLost)
        self._linked = True
        self.tell("start", {**options, PATH: os.environ.get(PATH)})

    def fail(self, why: str) -> None:
        """Give it up, as it could not be started."""
        self._why = why
        self._end()

    def tell(self, *message: Word) -> None:
        """Tell it something; one whose process has ended does not hear it."""
        if self._link is not None:
            self._link.send(*message)

    def ask(self, question: str) -> Deferred[object]:
        """Ask it something.

        Returns:
            A Deferred of its answer, or of None when it ends before it has answered.
        """
        number = next(_questions)
        answer = self._asked[number] = Deferred()
        self.tell("ask", number, question)
        return answer

    async def refresh(self) -> None:
        """Take over what it has counted, and what its sessions have carried; not if it hangs."""
        waiting: Deferred[None] = Deferred()

        def answered(answer: object) -> None:
            account = cast("Account | None", answer)
            if account is not None:  # late or not: it will not tell again
                self._gate.measures.add(account["counted"])
                self.data = account["data"]
            if not waiting.called:
                waiting.callback(None)

        self.ask("account").addCallback(answered)
        waiting.addTimeout(OBEDIENCE, self._clock, lambda *_: None)
        await waiting

    def check(self) -> None:
        """See whether it is ready, and there; called every `CHECK` seconds.

        Looks are counted, not seconds: a machine that slept for an hour has looked once.
        """
        if self.ready and self._missed is None:
            self._missed = 0
            self.ask("ping").addCallback(self._isThere)
            return
        self._missed = (self._missed or 0) + 1
        if self.ready and self._missed == 2:
            self.hangs = True
            _log.warn("{worker} hangs: it gets no connections while others do", worker=str(self))
        if self._missed > PATIENCE / CHECK:
            self._why = self._why or "it does not get ready, or hangs"
            _log.error("{worker} is killed: {why}", worker=str(self), why=self._why)
            self.kill()

    def _isThere(self, answer: object) -> None:
        self._missed = None
        if self.hangs and answer:
            self.hangs = False
            _log.warn("{worker} answers again", worker=str(self))

    @property
    def takes(self) -> bool:
        """Whether it can have connections."""
        return self.ready and not self.retired

    def hand(self, visit: Visit, door: int, connection: socket.socket, client: Client) -> None:
        """Give it a connection; see `Crew.hand`."""
        visit.guest = Handed(self, visit.id)
        self.visits[visit.id] = visit
        self.handed += 1
        family = int(connection.family)
        assert self._link is not None
        self._link.sendSocket(connection, visit.id, visit.source, door, visit.since, family, client)

    def dismiss(self, visit: str, why: str) -> None:
        """Have it say why a connection ends, and close it; or else."""
        self.visits[visit].ends(why)
        self.tell("dismiss", visit, why)
        self._clock.callLater(LINGER + OBEDIENCE, self._see, visit, why)

    def _see(self, visit: str, why: str) -> None:
        if visit in self.visits:
            self.cut(visit, why)

    def cut(self, visit: str, why: str) -> None:
        """Have it close a connection at once, or else."""
        self.tell("cut", visit, why)
        self._told.add(visit)
        if self._killing is None:
            self._killing = self._clock.callLater(OBEDIENCE, self._insist)

    def _insist(self) -> None:
        self._killing = None
        if self._due & self.visits.keys():
            _log.error("{worker} hangs, and is killed", worker=str(self))
            self.kill()
        self._due, self._told = self._told, set()
        if self._due:  # each has its time
            self._killing = self._clock.callLater(OBEDIENCE, self._insist)

    def retire(self) -> None:
        """Give it no more connections: it ends with its last."""
        self.retired = True
        self.tell("retire")

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            with suppress(ProcessExitedAlready):
                self._process.signalProcess(SIGKILL)

    # What it says.

    def _received(self, message: Message, _: int | None) -> None:
        word, *rest = message
        self._handlers[word](*rest)

    def _isReady(self) -> None:
        self.ready = True
        self._missed = None
        self.since = self._gate.seconds()
        self._employer.hasStarted(self)

    def _broke(self, why: str) -> None:
        self._why = why

    def _begun(self, visit: str) -> None:
        self.visits[visit].begun = True

    def _loggedIn(self, visit: str, name: str, user: str) -> None:
        self.visits[visit].belongsTo(name, user)
        self._gate.loggedIn(self.visits[visit])

    def _left(self, visit: str) -> None:
        self._gate.left(self.visits.pop(visit))

    def _failed(self, visit: str, cost: float) -> None:
        self._gate.failed(self.visits[visit], cost)

    def _move(self, visit: str, address: tuple[int, Client]) -> None:
        moving = Deferred.fromCoroutine(self._gate.move(self.visits[visit], decoded(*address)))
        moving.addCallback(lambda why: self.tell("moved", visit, why))

    def _answer(self, number: int, answer: object) -> None:
        self._asked.pop(number).callback(answer)

    # Its end.

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Log what it says on its standard output and error, line by line."""
        *lines, self._output[childFD] = (self._output[childFD] + data).split(b"\n")
        for line in lines:
            _say(line)

    def processEnded(self, reason: Failure) -> None:
        """Take note that the process has ended; what it sent before may still be there."""
        self._process = None
        if not self._why and not reason.check(ProcessDone):
            self._why = _how(reason.value)
        if not self._linked:
            self._end()

    def _linkLost(self) -> None:
        self._linked = False
        if self._process is None:
            self._end()
        else:
            self._waiting = self._clock.callLater(OBEDIENCE, self.kill)

    def _end(self) -> None:
        for timer in (self._waiting, self._killing):
            if timer is not None and timer.active():
                timer.cancel()
        for line in filter(None, self._output.values()):
            _say(line)
        self.ready = False
        for visit in self.visits.values():
            visit.ends(f"{self} has died")
            if visit.hasLoggedIn:
                visit.loggedOut()
            visit.end(0, 0)
        self.visits.clear()
        for answer in self._asked.values():
            answer.callback(None)
        self._asked.clear()
        self._employer.hasEnded(self, self._why)


def _say(line: bytes) -> None:
    _log.info("{line}", line=escape(line.decode(errors="backslashreplace")))


def _how(end: BaseException | None) -> str:
    """Return how a process ended, in a few words."""
    signal = getattr(end, "signal", None)
    return f"killed by signal {signal}" if signal else f"status {getattr(end, 'exitCode', None)}"
