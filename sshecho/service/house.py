"""The house: all the doors, from the moment that they open until the last client has left."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure

from sshecho import __version__
from sshecho.service.descriptors import Exhaustion
from sshecho.service.doors import Door
from sshecho.service.events import happened
from sshecho.service.gate import Gate
from sshecho.service.notify import READY, STOPPING, notify, status
from sshecho.service.start import StartError

if TYPE_CHECKING:
    from sshecho.workers.crew import Crew

_log = Logger()


class House(MultiService):
    """All the doors.

    Args:
        doors: in the order in which to open them.
        gate: who may come in.
        announce: called with the doors once all of them are open.
        companions: services that start before the doors open, and stop when all have left.
        crew: who serves behind the doors, if they don't do so themselves.
        giveUp: called when the crew can't.

    Attributes:
        failure: why it could not open.
    """

    def __init__(
        self,
        doors: Sequence[Door],
        gate: Gate,
        announce: Callable[[Sequence[Door]], None],
        companions: Sequence[Service] = (),
        crew: Crew | None = None,
        giveUp: Callable[[], object] = bool,
    ) -> None:
        super().__init__()
        self.failure: StartError | None = None
        self._crew = crew
        self._giveUp = giveUp
        self.doors = doors
        self.gate = gate
        self._announce = announce
        self._companions = companions
        self._exhaustion = Exhaustion(gate)
        for door in doors:
            door.setServiceParent(self)

    def privilegedStartService(self) -> None:
        """Listen, where that takes privileges which are given up then."""
        for companion in self._companions:
            companion.privilegedStartService()
        super().privilegedStartService()

    def startService(self) -> None:
        """Open the doors that are still closed, and say so."""
        for companion in self._companions:
            companion.startService()
        globalLogPublisher.addObserver(self._exhaustion)
        super().startService()
        if self._crew is None:
            self._open()
        else:
            self._crew.startService()
            self._crew.opened.addCallbacks(lambda _: self._open(), self._fail)

    def _open(self) -> None:
        doors = [{"kind": door.kind, "address": str(door)} for door in self.doors]
        told = {"version": __version__, "pid": os.getpid(), "doors": doors}
        happened("server.start", f"sshecho {__version__} is open", **told)
        self._announce(self.doors)
        notify(READY, status(", ".join(f"{door.kind} door at {door}" for door in self.doors)))

    def _fail(self, reason: Failure) -> None:
        reason.trap(StartError)
        self.failure = cast(StartError, reason.value)
        _log.critical("{why}", why=self.failure.why)
        self._giveUp()

    def stopService(self) -> Deferred[None]:
        """Close the doors, have everybody leave, and say so."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._crew is not None:
            self._crew.close()
        notify(STOPPING, status("the clients are leaving"))
        await super().stopService()
        await self.gate.close()
        if self._crew is not None:
            await self._crew.stopService()
        globalLogPublisher.removeObserver(self._exhaustion)
        happened("server.stop", "sshecho is closed")
        for companion in reversed(self._companions):
            await maybeDeferred(companion.stopService)
