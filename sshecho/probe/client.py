"""The probe itself: connects, sees to it that nothing hangs, and tries again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IAddress, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import ClientFactory
from twisted.internet.task import deferLater

from sshecho.people import oneLine
from sshecho.probe.attempt import Attempt, ProbeError
from sshecho.probe.lineclient import LineClient
from sshecho.probe.report import Report
from sshecho.probe.sshclient import Client
from sshecho.probe.target import Target

_GOODBYE = 1.0
"""Seconds that a server has to take our goodbye."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
"""Seconds between attempts: they grow, unless the server has been asked for a login."""

MakeClient = Callable[[Attempt], Client | LineClient]

_LATE = {
    "tcp": "unreachable: no connection",
    "version": "connected, but no SSH version came",
    "kex": "the key exchange did not end",
    "auth": "no answer to the login",
    "echo": "no echo",
}


class _TooLate(ProbeError):
    """An attempt has taken longer than it may."""


class _Factory(ClientFactory):
    noisy = False

    def __init__(self, make: Callable[[], Client | LineClient]) -> None:
        self._make = make

    def buildProtocol(self, addr: IAddress | None) -> Client | LineClient:
        return self._make()


async def probe(
    target: Target,
    endpoint: IStreamClientEndpoint,
    makeClient: MakeClient,
    *,
    clock: IReactorTime,
    seconds: Callable[[], float],
    timeout: float,
    wait: float = 0,
) -> Report:
    """Try until an authenticated echo comes back, or the time is over.

    Args:
        target: where, and as whom.
        endpoint: what connects.
        makeClient: makes the protocol of an attempt.
        clock: what counts time-outs and pauses.
        seconds: what steps are measured with.
        timeout: the seconds that an attempt may take.
        wait: the seconds from now in which to try again; 0 for one attempt.

    Returns:
        What the last attempt found; of several, the last that was not cut short by `wait`.
    """
    began = seconds()
    pause = _SHORTEST_PAUSE
    attempts = 0
    last: Report | None = None
    while True:
        left = wait - (seconds() - began) if wait else timeout
        if last is not None and left <= 0:  # a pause took longer than it was meant to
            return last
        attempts += 1
        attempt = Attempt(target, seconds)
        error = await _try(attempt, endpoint, makeClient, clock, min(timeout, left))
        if last is not None and isinstance(error, _TooLate) and left < timeout:
            return replace(last, attempts=attempts)
        if attempt.step in ("auth", "echo"):
            pause = _LONGEST_PAUSE  # who is denied too often may be shut out for long
        left = wait - (seconds() - began)
        last = Report(attempt, attempts, error)
        if error is None or error.final or left <= pause:
            return last
        await deferLater(clock, pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _try(
    attempt: Attempt,
    endpoint: IStreamClientEndpoint,
    makeClient: MakeClient,
    clock: IReactorTime,
    timeout: float,
) -> ProbeError | None:
    """Make one attempt.

    Returns:
        Why it failed, or None.
    """
    connecting = endpoint.connect(_Factory(partial(makeClient, attempt)))

    def late() -> None:
        attempt.fail(_TooLate(f"{_LATE[attempt.step]} within {round(timeout, 1) or timeout:g} s"))
        connecting.cancel()

    timer = clock.callLater(timeout, late)
    client: Client | LineClient | None = None
    try:
        client = cast(Client | LineClient, await connecting)
    except Exception as reason:
        attempt.fail(ProbeError(f"unreachable: {_why(reason)}"))
    error = None
    try:
        await attempt.done
    except ProbeError as failure:
        error = failure
    if timer.active():
        timer.cancel()
    if client is not None:
        await _close(client, clock)
    return error


async def _close(client: Client | LineClient, clock: IReactorTime) -> None:
    """Say goodbye, for a while."""
    timer = clock.callLater(_GOODBYE, client.transport.abortConnection)
    client.leave()
    await client.gone
    if timer.active():
        timer.cancel()


def _why(error: Exception) -> str:
    if isinstance(error, DNSLookupError):
        return "there is no such host"
    if isinstance(error, ConnectError) and error.osError:
        return os.strerror(error.osError)
    return oneLine(error)
