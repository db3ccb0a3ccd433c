"""SIGHUP, and what it does."""

import os
import signal

from helpers import logged
from twisted.logger import formatEvent

from sshecho.service.reload import readAgain, tellAllRead
from sshecho.service.signals import OnSignal
from sshecho.service.start import StartError

ALL = "all files have been read again: host keys, users and keys, banner and greeting"


def broken():
    raise StartError("--banner x: gone")


class Turns:
    """A reactor that does what it is called for when the test says so."""

    def __init__(self):
        self.calls = []

    def callFromThread(self, function):
        self.calls.append(function)


def test_signal():
    """A signal is minded in the reactor's next turn, until the service stops."""
    turns = Turns()
    done = []
    service = OnSignal(turns, signal.SIGHUP, lambda: done.append(1))
    before = signal.getsignal(signal.SIGHUP)
    service.startService()
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        assert done == []
        [call] = turns.calls
        call()
    finally:
        service.stopService()
    assert done == [1]
    assert signal.getsignal(signal.SIGHUP) == before


def test_failure():
    """Everything is read again, one failure aside, which is said."""
    read = []
    with logged() as events:
        assert not readAgain([broken, lambda: read.append(1)])
    assert read == [1]
    assert [formatEvent(event) for event in events] == ["--banner x: gone: the old one stays"]


def test_said():
    """That everything has been read is said."""
    with logged() as events:
        assert readAgain([lambda: None])
        tellAllRead()
    assert [formatEvent(event) for event in events] == [ALL]
