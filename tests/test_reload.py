"""SIGHUP."""

import os
import signal

from helpers import logged
from twisted.internet.task import Clock
from twisted.logger import formatEvent

from sshecho.service.reload import Reload
from sshecho.service.start import StartError


def broken():
    raise StartError("--banner x: gone")


def test_hangup():
    """The signal has everything read again in the reactor's next turn, one failure aside."""
    clock = Clock()
    read = []
    service = Reload(clock, [broken, lambda: read.append(1)])
    before = signal.getsignal(signal.SIGHUP)
    service.startService()
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        assert read == []
        with logged() as events:
            clock.advance(0)
    finally:
        service.stopService()
    assert read == [1]
    assert [formatEvent(event) for event in events] == ["--banner x: gone: the old one stays"]
    assert signal.getsignal(signal.SIGHUP) == before


def test_said():
    """That everything has been read is said."""
    with logged() as events:
        Reload(Clock(), [lambda: None]).reload()
    assert [formatEvent(event) for event in events] == ["banner and greeting have been read again"]
