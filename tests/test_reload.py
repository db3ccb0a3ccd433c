"""SIGHUP."""

import os
import signal

from helpers import logged
from twisted.logger import formatEvent

from sshecho.service.reload import Reload
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


def test_hangup():
    """The signal has everything read again in the reactor's next turn, one failure aside."""
    turns = Turns()
    read = []
    service = Reload(turns, [broken, lambda: read.append(1)])
    before = signal.getsignal(signal.SIGHUP)
    service.startService()
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        assert read == []
        with logged() as events:
            [call] = turns.calls
            call()
    finally:
        service.stopService()
    assert read == [1]
    assert [formatEvent(event) for event in events] == ["--banner x: gone: the old one stays"]
    assert signal.getsignal(signal.SIGHUP) == before


def test_said():
    """That everything has been read is said."""
    with logged() as events:
        Reload(Turns(), [lambda: None]).reload()
    assert [formatEvent(event) for event in events] == [ALL]
