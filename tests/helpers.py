"""Small things that several tests need."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

VISIT = [
    "connection.open",
    "login.ok",
    "session.open",
    "session.close",
    "logout",
    "connection.close",
]
"""The events of a client that logs in, has a session and leaves."""


def result(deferred: Deferred[Any]) -> Any:
    """Return what a Deferred has fired with, or raise what it has failed with."""
    outcome: list[Any] = []
    deferred.addBoth(outcome.append)
    assert outcome, "the Deferred has not fired"
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]


def denied(deferred: Deferred[Any]) -> bool:
    """Whether a Deferred has failed with UnauthorizedLogin."""
    try:
        result(deferred)
    except UnauthorizedLogin:
        return True
    return False


def inline(function, *arguments):
    """Stand in for deferToThread, without a thread."""
    return maybeDeferred(function, *arguments)


def turn(clock: Clock) -> None:
    """Let happen what is due now, but not what that brings about: one turn of a reactor."""
    for call in [call for call in clock.getDelayedCalls() if call.getTime() <= clock.seconds()]:
        function, arguments, more = call.func, call.args, call.kw
        call.cancel()
        function(*arguments, **more)


@contextmanager
def logged() -> Iterator[list[LogEvent]]:
    """Collect what is logged until the end of the block."""
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(events.append)


def told(events: list[LogEvent], *names: str) -> list[dict[str, Any]]:
    """Return the audited events of these names, or all."""
    audits = [event["audit"] for event in events if "audit" in event]
    return [audit for audit in audits if not names or audit["event"] in names]


@implementer(IUsernamePassword)
class Password:
    """Credentials that are no more than a user name and a password."""

    def __init__(self, username: bytes, password: bytes) -> None:
        self.username = username
        self.password = password

    def checkPassword(self, password: bytes) -> bool:
        raise AssertionError("compares with ==, so nothing of ours calls it")


class CountingAvatar:
    """An avatar that counts logins and logouts in a list of (user, what)."""

    def __init__(self, user: bytes, log: list[tuple[bytes, str]]) -> None:
        self.user = user
        self._log = log
        log.append((user, "login"))

    def logout(self) -> None:
        self._log.append((self.user, "logout"))


@implementer(IReactorFromThreads)
class Loopback(MemoryReactorClock):
    """A reactor in memory whose ports have the addresses that they are asked to have."""

    def listenTCP(self, port, factory, backlog=50, interface=""):
        listening = super().listenTCP(port, factory, backlog, interface)
        listening.address = IPv4Address("TCP", interface or "0.0.0.0", port)
        listening.getHost = lambda: listening.address
        return listening


def eventually(holds: Callable[[], bool], patience: float = 60) -> None:
    """Wait until something holds that another process brings about.

    Args:
        holds: whether it does.
        patience: seconds after which it never will.
    """
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)
