"""Thousands of logins, broken off wherever it may be: as many logouts, and nothing is left."""

import gc
import random

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import logged
from linedoor import Door
from sshpair import SERVICE_REQUEST, USERAUTH_REQUEST, Pair
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from sshecho.line import LineLogin
from sshecho.service.gate import Gate
from sshecho.service.visit import Visit
from sshecho.ssh.transport import Transport

ROUNDS = 10_000
KINDS = (LineLogin, Transport, Visit)


class Moody:
    """A checker that says yes or no, at once or later, or never, or breaks."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, chance):
        self._chance = chance
        self._waiting = []

    def requestAvatarId(self, credentials):
        mood = self._chance.random()
        if mood < 0.1:
            raise RuntimeError("broken")
        if mood < 0.2:
            raise UnauthorizedLogin
        if mood < 0.5:
            return credentials.username
        answer = Deferred()
        self._waiting.append(answer)
        return answer

    def answer(self):
        """Say yes, no, or break, to some of those who wait, if they still do."""
        for answer in self._waiting:
            mood = self._chance.random()
            if answer.called or mood < 0.3:
                continue
            answer.addErrback(lambda _: None) if mood < 0.35 else None
            answer.errback(UnauthorizedLogin()) if mood < 0.5 else answer.callback(b"user")
        self._waiting.clear()


def alive(kinds) -> int:
    """Return how many objects of some classes there are."""
    gc.collect()
    return sum(isinstance(thing, kinds) for thing in gc.get_objects())


def nothingIsLeft(house, before):
    """See to it that all who came are gone, and what there was for them."""
    assert house.log.count((b"user", "login")) == house.log.count((b"user", "logout")) > ROUNDS / 20
    house.clock.advance(1000)
    assert house.clock.getDelayedCalls() == []
    assert alive(KINDS) <= before
    assert not house.gate._visits


@pytest.fixture
def chance(monkeypatch):
    monkeypatch.setattr(Gate, "isPenalized", lambda *_: False)  # or few would be looked at
    return random.Random(11)


def login(user=b"user"):
    return NS(user) + NS(b"ssh-connection") + NS(b"password") + b"\0" + NS(b"pass")


def test_ssh(chance):
    """At the SSH door, with logins one behind the other, re-authentication and drops."""
    checker = Moody(chance)
    house = Pair([Key(ed25519.Ed25519PrivateKey.generate())], {IUsernamePassword: [checker]})
    house.lose()
    before = alive(KINDS)
    steps = [
        lambda pair: pair.client.sendPacket(SERVICE_REQUEST, NS(b"ssh-userauth")),
        lambda pair: pair.client.sendPacket(USERAUTH_REQUEST, login()),
        lambda pair: pair.client.sendPacket(USERAUTH_REQUEST, login()),
        lambda pair: checker.answer(),
        lambda pair: pair.client.rekey(),
        lambda pair: pair.clock.advance(1),
        lambda pair: pair.server.sendDisconnect(11, b"bye"),
    ]
    with logged():
        for _ in range(ROUNDS):
            pair = house.another()
            for step in [steps[0], *chance.choices(steps, (1, 5, 5, 5, 1, 3, 1), k=6)]:
                step(pair)
                pair.flush()
            pair.lose()
            checker.answer()
    del pair
    nothingIsLeft(house, before)


def test_line(chance):
    """At the line door."""
    checker = Moody(chance)
    house = Door({IUsernamePassword: [checker]})
    house.lose()
    before = alive(KINDS)
    steps = [
        lambda door: door.send(b"user pass\n"),
        lambda door: door.send(b"user "),
        lambda door: door.send(b"Hi\n" * 20),
        lambda door: checker.answer(),
        lambda door: door.clock.advance(1),
        lambda door: door.protocol.readConnectionLost(),
    ]
    with logged():
        for _ in range(ROUNDS):
            door = house.another()
            for step in chance.choices(steps, (5, 1, 5, 5, 3, 1), k=6):
                step(door)
            door.protocol.connectionLost(Failure(ConnectionLost()))
            checker.answer()
    del door
    nothingIsLeft(house, before)
