"""Each message of a good login and session: cut short at every byte, too long, twice, spoiled."""

import struct

import pytest
from certificates import PlainKey
from cryptography.hazmat.primitives.asymmetric import ed25519
from fuzzing.house import House
from fuzzing.visitor import Visitor
from fuzzing.watch import Watch
from fuzzmachine import bounded, ran, welcome
from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS

from sshecho.cred.authorizedkeys import AuthorizedKey
from sshecho.cred.keyoptions import KeyOptions
from sshecho.ssh.packets import negotiation

KEXINIT, KEX_INIT, SERVICE_REQUEST, USERAUTH_REQUEST, INFO_RESPONSE = 20, 30, 5, 50, 61
PROTOCOL_ERROR, KEY_EXCHANGE_FAILED = 2, 3
KEY = PlainKey(ed25519.Ed25519PrivateKey.generate())
LISTED = [AuthorizedKey(KEY.blob, KeyOptions())]
VERSION, EXCHANGE, SECURE, USERAUTH, QUESTION, LOGGED_IN, SESSION, SHELL = range(8)
"""How far a client has come: it has said its version; has begun a key exchange; has keys; may log
in; is asked for its password; is in; has a session; and a shell."""


def login(method, data):
    return NS(b"user") + NS(b"ssh-connection") + NS(method) + data


def request(name, data):
    return bytes(4) + NS(name) + b"\1" + data


def signed():
    head = b"\1" + NS(KEY.name) + NS(KEY.blob)
    return head + NS(KEY.sign(b"something else"))


OFFER = negotiation.Offer(
    (b"curve25519-sha256",),
    (b"ssh-ed25519",),
    *(((name,), (name,)) for name in (b"aes128-ctr", b"hmac-sha2-256-etm@openssh.com", b"none")),
)
TERMINAL = NS(b"xterm") + struct.pack(">4L", 80, 24, 0, 0) + NS(b"\1\0\0\0\3\0")
STRICT = {
    "key exchange": (VERSION, KEXINIT, negotiation.write(OFFER)),
    "share": (EXCHANGE, KEX_INIT, NS(b"\x09" + bytes(31))),
    "extensions": (SECURE, 7, b"\0\0\0\1" + NS(b"a") + NS(b"b")),
    "not understood": (SECURE, 3, bytes(4)),
    "debug": (SECURE, 4, b"\1" + NS(b"text") + NS(b"en")),
    "no method": (USERAUTH, USERAUTH_REQUEST, login(b"none", b"")),
    "question": (USERAUTH, USERAUTH_REQUEST, login(b"keyboard-interactive", NS(b"") * 2)),
    "service": (SECURE, SERVICE_REQUEST, NS(b"ssh-userauth")),
    "password": (USERAUTH, USERAUTH_REQUEST, login(b"password", b"\0" + NS(b"pass"))),
    "key": (USERAUTH, USERAUTH_REQUEST, login(b"publickey", b"\0" + NS(KEY.name) + NS(KEY.blob))),
    "signed key": (USERAUTH, USERAUTH_REQUEST, login(b"publickey", signed())),
    "answer": (QUESTION, INFO_RESPONSE, b"\0\0\0\1" + NS(b"pass")),
    "window": (SHELL, 93, bytes(4) + b"\0\0\1\0"),
    "data": (SHELL, 94, bytes(4) + NS(b"data")),
    "errors": (SHELL, 95, bytes(4) + b"\0\0\0\1" + NS(b"data")),
    "end": (SHELL, 96, bytes(4)),
    "close": (SHELL, 97, bytes(4)),
}
"""Those of which all is read: each shorter or longer one breaks the protocol."""
ANSWERED = {
    "terminal": (SESSION, 98, request(b"pty-req", TERMINAL)),
    "variable": (SESSION, 98, request(b"env", NS(b"LANG") + NS(b"C"))),
    "command": (SESSION, 98, request(b"exec", NS(b"date"))),
    "subsystem": (SESSION, 98, request(b"subsystem", NS(b"inspect"))),
    "shell": (SESSION, 98, request(b"shell", b"")),
    "signal": (SHELL, 98, request(b"signal", NS(b"TERM"))),
}
"""Requests of a session: who can't tell what it asks for is refused, and may go on."""
LAX = {
    "goodbye": (SECURE, 1, struct.pack(">L", 11) + NS(b"bye") + NS(b"en")),
    "nothing": (SECURE, 2, NS(b"nothing")),
    "are you there": (LOGGED_IN, 80, NS(b"keepalive@openssh.com") + b"\1"),
    "open": (LOGGED_IN, 90, NS(b"session") + struct.pack(">3L", 5, 1 << 20, 1 << 15)),
    "size": (SHELL, 98, request(b"window-change", struct.pack(">4L", 80, 24, 0, 0))),
    "break": (SHELL, 98, request(b"break", bytes(4))),
}
"""Those of which not all matters."""
MESSAGES = STRICT | ANSWERED | LAX


def reach(house, stage):
    """Return a client that has come so far."""
    if stage <= EXCHANGE:
        visitor = Visitor(house, begin=False).deliver(b"SSH-2.0-x\r\n")
        if stage == EXCHANGE:
            visitor.send(KEXINIT, negotiation.write(OFFER))
    elif stage <= QUESTION:
        visitor = Visitor(house)
        if stage >= USERAUTH:
            visitor.requestUserAuth()
        if stage == QUESTION:
            visitor.send(USERAUTH_REQUEST, login(b"keyboard-interactive", NS(b"") * 2))
    else:
        visitor = Visitor(house).login()
        if stage >= SESSION:
            visitor.open(0, 1 << 20, 1 << 15)
        if stage == SHELL:
            visitor.send(98, request(b"shell", b""))
    visitor.take()
    assert not visitor.wire.closing
    return visitor


def answers(house, stage, *messages):
    """Return what comes of messages: the numbers of the answers, and why the server left."""
    visitor = reach(house, stage)
    for number, payload in messages:
        visitor.send(number, payload)
    house.clock.advance(1)  # what a wrong password takes
    visitor.settle()
    numbers = [number for number, _ in visitor.take()]
    visitor.leave()
    ran["messages"] += 1
    return numbers, visitor.code


@pytest.fixture
def house():
    with Watch() as watch:
        house = House(LISTED)
        yield house
        welcome(house)
        watch.check()
        watch.checkPairs()


@pytest.mark.parametrize("name", MESSAGES)
def test_whole(house, name):
    """Each of them, as it is, is taken."""
    stage, number, payload = MESSAGES[name]
    assert answers(house, stage, (number, payload))[1] is None


@pytest.mark.parametrize("name", MESSAGES)
def test_cut_short(house, name):
    """A message that is cut short is refused, or ends the connection as an error of the client."""
    stage, number, payload = MESSAGES[name]
    for length in range(len(payload)):
        numbers, code = answers(house, stage, (number, payload[:length]))
        assert code in (None, PROTOCOL_ERROR), length
        assert code or name not in STRICT, length
        assert code or name not in ANSWERED or 99 not in numbers, length


@pytest.mark.parametrize("name", MESSAGES)
def test_too_long(house, name):
    """A message that goes on is refused, or ends the connection, or what follows is passed over."""
    stage, number, payload = MESSAGES[name]
    for extra in (b"\0", b"\xff", payload, bytes(30_000)):
        numbers, code = answers(house, stage, (number, payload + extra))
        assert code in (None, PROTOCOL_ERROR)
        assert code or name not in STRICT
        assert 99 not in numbers or name not in ANSWERED


@pytest.mark.parametrize("name", MESSAGES)
def test_twice(house, name):
    """A message that comes again is taken again, refused, or ends the connection."""
    stage, number, payload = MESSAGES[name]
    assert answers(house, stage, *[(number, payload)] * 2)[1] in (None, PROTOCOL_ERROR, 7)


@bounded(600)
@given(
    st.integers(0, SHELL),
    st.lists(st.sampled_from(sorted(MESSAGES)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4), st.integers(0, 8)), max_size=4),
)
def test_spoiled(stage, names, edits):
    """Messages at the wrong time, with bytes changed in them, bring about nothing unforeseen."""
    with Watch() as watch:
        house = House(LISTED)
        messages = []
        for name in names:
            _, number, payload = MESSAGES[name]
            for at, inserted, removed in edits:
                at %= len(payload) + 1
                payload = payload[:at] + inserted + payload[at + removed :]
            messages.append((number, payload))
        assert answers(house, stage, *messages)[1] in (None, PROTOCOL_ERROR, KEY_EXCHANGE_FAILED, 7)
        watch.check()
        watch.checkPairs()
