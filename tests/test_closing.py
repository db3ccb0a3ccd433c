"""Closing: whatever came is answered."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from sshecho.service.closing import untilQuiet


class Client:
    """A client that is heard and listened to as the test says, and whether it is quiet."""

    def __init__(self):
        self.clock = Clock()
        self.heard = 0.0
        self.listens = True
        self.waiting = Deferred.fromCoroutine(
            untilQuiet(self.clock, lambda: self.heard, lambda: self.listens)
        )

    def advance(self, seconds):
        for _ in range(round(seconds / 0.01)):
            self.clock.advance(0.01)
        return self

    @property
    def quiet(self):
        return self.waiting.called


@pytest.fixture
def client():
    return Client()


def test_quiet(client):
    """Who says nothing is quiet soon."""
    assert client.advance(0.06).quiet


def test_talker(client):
    """Who goes on is waited for, but not for ever."""
    for step in range(150):
        assert client.quiet is (step > 100) or 95 < step < 110
        client.heard = client.clock.seconds()
        client.advance(0.01)


def test_not_listened_to(client):
    """Who is not listened to is not quiet, however long that is; nor at once when it is again."""
    client.listens = False
    assert not client.advance(10).quiet
    client.listens = True
    assert not client.advance(0.05).quiet
    client.heard = client.clock.seconds()
    assert not client.advance(0.04).quiet
    assert client.advance(0.1).quiet
