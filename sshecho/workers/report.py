"""The report: what a worker tells the audit log, which the parent writes for all."""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from sshecho.people import timestamp
from sshecho.service.events import AUDIT
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
        fields = event.get(AUDIT)
        if fields is not None:
            record = {"time": timestamp(event["log_time"]), **fields, "worker": self._worker}
            self._link.send("audit", record, soon=True)
