"""The report: what a worker tells the audit log, which the parent writes for all."""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from sshecho.service.auditlog import auditRecord
from sshecho.workers.link import Link


@implementer(ILogObserver)
class Report:
    """Sends events to the parent.

    Args:
        link: to the parent.
        worker: whose events they are.
    """

    def __init__(self, link: Link, worker: int) -> None:
        self._link = link
        self._worker = worker

    def __call__(self, event: LogEvent) -> None:
        """Send an event, if it is one of ours."""
        record = auditRecord(event)
        if record is not None:
            self._link.send("audit", {**record, "worker": self._worker}, soon=True)
