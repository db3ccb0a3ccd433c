"""What one client may ask of the SSH door, how long it may be silent, and how all of them leave."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import logged, told, turn
from sshpair import (
    CLOSE,
    DATA,
    DISCONNECT,
    EOF,
    GLOBAL_REQUEST,
    LIMITS,
    OPEN,
    OPEN_FAILURE,
    REQUEST,
    REQUEST_FAILURE,
    SERVICE_ACCEPT,
    SERVICE_REQUEST,
    USERAUTH_FAILURE,
    USERAUTH_REQUEST,
    USERAUTH_SUCCESS,
    Channel,
    Pair,
)
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import MSG_IGNORE
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol

from sshecho.service.closing import MOST_DROPPED
from sshecho.service.limits import DRAIN
from sshecho.ssh.hostkeys import HostKey
from sshecho.ssh.userauth import PASSWORD_DELAY

KEEPALIVE = GLOBAL_REQUEST, NS(b"keepalive@openssh.com") + b"\1"


def makeKey():
    return Key(ed25519.Ed25519PrivateKey.generate())


@pytest.fixture(scope="module")
def hostKey() -> Key:
    return makeKey()


@pytest.fixture
def pair(hostKey) -> Pair:
    return Pair([hostKey])


def limited(hostKey, **limits) -> Pair:
    return Pair([hostKey], limits=replace(LIMITS, **limits))


def goodbyes(packets):
    """Return code and text of each DISCONNECT."""
    return [
        (struct.unpack(">L", payload[:4])[0], getNS(payload[4:])[0])
        for number, payload in packets
        if number == DISCONNECT
    ]


# Turns.


def test_others_have_their_turn(pair):
    """Of many messages that come at once only some are handled before others have their turn."""
    pair.login()
    said = []
    pair.serverTCP.write = said.append
    for _ in range(1000):
        pair.client.sendPacket(*KEEPALIVE)
    pair.pump.flush()
    first = sum(map(len, said))
    turn(pair.clock)
    assert 0 < first < sum(map(len, said)) / 10


def test_nothing_is_lost_in_turns(pair):
    """What comes in many small packets is echoed whole, in order, also by what comes meanwhile."""
    channel = Channel(pair.login()).request(b"shell")
    pair.take()
    sent = bytes(range(256)) * 4
    for byte in sent:
        pair.client.sendPacket(DATA, struct.pack(">L", channel.theirs) + NS(bytes([byte])))
    pair.flush()
    assert channel.takeData() == sent


def test_gone_in_the_middle_of_a_turn(pair):
    """A client that leaves with much unread is logged out, and no timer is left."""
    pair.login()
    for _ in range(1000):
        pair.client.sendPacket(*KEEPALIVE)
    pair.pump.flush()
    pair.lose()
    pair.clock.advance(0)
    assert pair.log == [(b"user", "login"), (b"user", "logout")]
    assert pair.clock.getDelayedCalls() == []


def test_newcomers_have_their_turn(pair):
    """While those not logged in ask for much, each has its turn, and who is in does not wait."""
    channel = Channel(pair.login()).request(b"shell")
    pair.take()
    newcomers = [pair.another() for _ in range(3)]
    pair.gate.turns.later("somebody", lambda: None)
    for each in newcomers:
        each.client.sendPacket(SERVICE_REQUEST, NS(b"ssh-userauth"))
        each.pump.flush()
    assert [each.take() for each in newcomers] == [[]] * 3
    channel.data(b"Hi")
    assert channel.takeData() == b"Hi"
    pair.clock.advance(0)
    for each in newcomers:
        each.flush()
        assert each.take() == [(SERVICE_ACCEPT, NS(b"ssh-userauth"))]


def test_what_comes_behind_a_goodbye(pair):
    """Who is told goodbye and goes on and on is not read from any more."""
    pair.login().server.close = lambda: None
    pair.server.sendDisconnect(11, b"bye")
    paused = []
    pair.serverTCP.pauseProducing = lambda: paused.append(True)
    pair.server.dataReceived(bytes(MOST_DROPPED))
    assert not paused
    pair.server.dataReceived(b"x")
    assert paused


# Floods.


@pytest.mark.parametrize("stage", ["keys", "userauth"])
def test_too_much_before_the_login(pair, stage):
    """A client that sends a MiB and does not log in is told to go."""
    if stage == "userauth":
        pair.requestUserAuth()
    for _ in range(33):
        pair.client.sendPacket(MSG_IGNORE, NS(bytes(32_000)))
        pair.flush()
    assert goodbyes(pair.take()) == [(2, b"too much before the login")]


def test_extensions(pair):
    """What a client tells of itself is little, and told before the login."""
    told = struct.pack(">L", 64) + (NS(b"a") + NS(b"b")) * 64
    pair.send(7, told)
    assert pair.take() == []
    pair.login().send(7, told)
    assert goodbyes(pair.take()) == [(2, b"extensions are not due any more")]


def test_too_many_extensions(pair):
    """More of that is more than there are."""
    pair.send(7, struct.pack(">L", 65) + (NS(b"a") + NS(b"b")) * 65)
    assert goodbyes(pair.take()) == [(2, b"too many extensions")]


@pytest.mark.parametrize("number", [91, 92, 99, 100])
def test_answers_to_nothing(pair, number):
    """We ask for no channel, and nothing of one: an answer ends the connection."""
    Channel(pair.login()).send(number, bytes(12))
    assert goodbyes(pair.take()) == [(2, b"nothing was asked")]


def rekey(pair):
    pair.client.rekey()
    pair.flush()


def test_a_storm_of_key_exchanges(pair):
    """Who exchanges keys again and again, for nothing, is told to go."""
    pair.login()
    for _ in range(20):
        rekey(pair)
    assert goodbyes(pair.take()) == []
    rekey(pair)
    assert goodbyes(pair.take()) == [(2, b"too many key exchanges")]


def test_key_exchanges_that_are_due(pair):
    """Keys may be changed each second, or whenever they have carried something."""
    channel = Channel(pair.login()).request(b"shell")
    pair.take()
    for _ in range(30):
        rekey(pair)
        pair.clock.advance(1)
    for _ in range(60):
        channel.data(b"x" * 10_000)
        channel.grant(10_000)
        rekey(pair)
    assert goodbyes(pair.take()) == []
    assert pair.client.exchanges == 91


def test_sessions(hostKey):
    """No more sessions are open at once than may be; it is told once."""
    pair = limited(hostKey, maxSessions=2).login()
    with logged() as seen:
        for mine in range(2000):
            pair.send(OPEN, NS(b"session"), struct.pack(">3L", mine, 1 << 20, 1 << 15))
    failures = [payload for number, payload in pair.take() if number == OPEN_FAILURE]
    assert len(failures) == 1998
    assert len(pair.server.service.channels) == 2
    assert [event["limit"] for event in told(seen)] == ["max-sessions"]


# Silence.


def test_probes(pair):
    """A silent client is asked each minute whether it is there, and stays while it says so."""
    pair.login()
    for _ in range(100):
        pair.clock.advance(59)
        assert pair.take() == []
        pair.clock.advance(1)
        pair.flush()
        assert pair.take() == [KEEPALIVE]
        pair.send(REQUEST_FAILURE)
    assert goodbyes(pair.take()) == []


def test_dead(pair):
    """Who leaves three probes unanswered is dead, and logged out."""
    pair.login()
    for _ in range(3):
        pair.clock.advance(60)
        pair.flush()
        assert pair.take() == [KEEPALIVE]
    pair.clock.advance(59)
    assert pair.log == [(b"user", "login")]
    pair.clock.advance(1)
    pair.flush()
    assert goodbyes(pair.take()) == [(10, b"no answer")]
    assert pair.log == [(b"user", "login"), (b"user", "logout")]


def test_whoever_speaks_is_not_asked(pair):
    """A client that sends anything is there."""
    pair.login()
    for _ in range(10):
        pair.clock.advance(59)
        pair.send(MSG_IGNORE, NS(b""))
    assert pair.take() == []


def test_an_answer_to_nothing(pair):
    """An answer that nobody asked for ends the connection."""
    pair.login().send(REQUEST_FAILURE)
    assert goodbyes(pair.take()) == [(2, b"malformed message")]


def test_idle(hostKey):
    """Sessions without a byte for so long end; probes and their answers are no such bytes."""
    pair = limited(hostKey, idleTimeout=100, keepalive=30).login()
    channel = Channel(pair).request(b"shell")
    for _ in range(5):
        channel.data(b"x")
        for _ in range(3):
            pair.clock.advance(30)
            pair.flush()
            pair.send(REQUEST_FAILURE)
    assert goodbyes(pair.take()) == []
    pair.clock.advance(9.9)
    pair.flush()
    assert goodbyes(pair.take()) == []
    pair.clock.advance(0.2)
    pair.flush()
    assert goodbyes(pair.take()) == [(11, b"idle")]
    assert pair.clock.getDelayedCalls() == []


def test_idle_without_a_session(hostKey):
    """Who logs in and asks for nothing is idle too."""
    pair = limited(hostKey, idleTimeout=10).login()
    pair.clock.advance(10)
    pair.flush()
    assert goodbyes(pair.take()) == [(11, b"idle")]


@pytest.mark.parametrize("grace", [0.5, 7])
def test_grace(hostKey, grace):
    """The time to log in is the option's."""
    pair = limited(hostKey, loginGrace=grace).requestUserAuth()
    pair.clock.advance(grace - 0.1)
    assert pair.take() == []
    pair.clock.advance(0.1)
    pair.flush()
    assert goodbyes(pair.take()) == [(11, b"too slow to log in")]


# Guessing.


def guess(pair, password=b"wrong"):
    head = NS(b"user") + NS(b"ssh-connection") + NS(b"password") + b"\0"
    pair.client.sendPacket(USERAUTH_REQUEST, head + NS(password))


def none(pair):
    head = NS(b"user") + NS(b"ssh-connection") + NS(b"none")
    pair.client.sendPacket(USERAUTH_REQUEST, head)


def service(pair):
    pair.client.sendPacket(SERVICE_REQUEST, NS(b"ssh-userauth"))


@pytest.mark.parametrize("tries", [1, 6])
@pytest.mark.parametrize("behind", [None, none, service])
@pytest.mark.parametrize("atOnce", [False, True])
def test_guesses(hostKey, tries, behind, atOnce):
    """However guesses are sent, no more are answered than may be; a right one is none then."""
    pair = limited(hostKey, maxAuthTries=tries).requestUserAuth()
    packets = []
    for number in range(20):
        guess(pair, b"pass" if number >= tries else b"wrong")
        if behind is not None:
            behind(pair)
        if not atOnce:
            pair.flush()
            pair.clock.advance(PASSWORD_DELAY)
    for _ in range(30):
        pair.flush()
        pair.clock.advance(PASSWORD_DELAY)
        packets += pair.take()
    kinds = [number for number, _ in packets]
    assert USERAUTH_SUCCESS not in kinds
    # The first "none" is a question and no try.
    assert kinds.count(USERAUTH_FAILURE) <= tries
    assert len(goodbyes(packets)) == 1
    assert pair.log == []


class Late:
    """A checker that answers when the test tells it to."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self):
        self.answers = []

    def requestAvatarId(self, credentials):
        answer = Deferred()
        self.answers.append((answer, credentials.username))
        return answer


def test_a_right_guess_among_many(hostKey):
    """Of guesses on many connections at once, the right one is denied behind too many wrong."""
    checker = Late()
    pair = Pair([hostKey], {IUsernamePassword: [checker]})
    pairs = [pair, *(pair.another() for _ in range(7))]
    for each in pairs:
        each.requestUserAuth().password()
    for answer, _ in checker.answers[:-1]:
        answer.errback(UnauthorizedLogin())
    answer, user = checker.answers[-1]
    answer.callback(user)
    pair.clock.advance(PASSWORD_DELAY)
    for each in pairs:
        each.flush()
    assert goodbyes(pairs[-1].take()) == [(14, b"too many authentication failures")]
    assert pairs[-1].log == [(b"user", "login"), (b"user", "logout")]


# The end.


class Stays(Protocol):
    """An application that does not end when its input does, nor writes anything."""


def leave(pair):
    pair.server.leave()
    pair.clock.advance(0.05)
    pair.clock.advance(0.05)
    pair.flush()
    return pair.take()


TERM = NS(b"exit-signal") + b"\0" + NS(b"TERM") + b"\0" + NS(b"") + NS(b"")


def test_going_down(pair):
    """Each session ends with the signal TERM, and then the connection, with a reason."""
    first = Channel(pair.login())
    second, third = Channel(pair, mine=8), Channel(pair, mine=9)
    for channel in (first, second):
        channel.request(b"shell")
    pair.take()
    first.data(b"Hi")
    packets = leave(pair)
    for channel in (first, second, third):
        number = struct.pack(">L", channel.mine)
        ours = [packet for packet in packets if packet[1][:4] == number and packet[0] != DATA]
        assert ours == [(REQUEST, number + TERM), (EOF, number), (CLOSE, number)]
    assert packets[-1][0] == DISCONNECT
    assert goodbyes(packets) == [(11, b"server is going down")]


def test_going_down_owes_nothing(pair):
    """What has come, and what comes at once, is echoed before the end."""
    channel = Channel(pair.login()).request(b"shell")
    channel.data(b"one")
    pair.server.leave()
    pair.clock.advance(0.03)
    channel.data(b"two")
    pair.clock.advance(0.03)
    channel.data(b"three")
    assert b"".join(getNS(p[4:])[0] for n, p in pair.take() if n == DATA) == b"onetwothree"
    for _ in range(3):
        pair.clock.advance(0.05)
    pair.flush()
    assert goodbyes(pair.take()) == [(11, b"server is going down")]


def test_going_down_on_a_talker(pair):
    """A client that never stops sending is not waited for."""
    channel = Channel(pair.login()).request(b"shell")
    pair.server.leave()
    for _ in range(60):
        pair.clock.advance(0.02)
        pair.flush()
        if not pair.server.closing:
            channel.data(b"x")
    assert goodbyes(pair.take()) == [(11, b"server is going down")]


def test_going_down_with_a_full_window(pair):
    """A client that reads late gets all that it is owed before the end."""
    channel = Channel(pair.login(), window=10).request(b"shell")
    channel.data(b"x" * 100)
    pair.take()
    assert leave(pair) == []
    packets = channel.grant(200).pair.take()
    assert getNS(packets[0][1][4:])[0] == b"x" * 90
    assert [number for number, _ in packets[1:]] == [REQUEST, EOF, CLOSE, DISCONNECT]


def test_going_down_behind_the_end_of_the_input(pair):
    """So does one that had sent its end of the input, while its session still had to wait."""
    channel = Channel(pair.login(), window=10).request(b"shell")
    channel.data(b"x" * 100)
    channel.data(b"y" * 100)
    channel.send(EOF)
    pair.take()
    assert leave(pair) == []
    packets = channel.grant(300).pair.take()
    shown = b"".join(getNS(payload[4:])[0] for number, payload in packets if number == DATA)
    assert shown == b"x" * 90 + b"y" * 100
    assert (REQUEST, struct.pack(">L", channel.mine) + TERM) in packets
    assert packets[-1][0] == DISCONNECT


def test_going_down_in_a_key_exchange(pair):
    """What waits for new keys is sent before the end."""
    channel = Channel(pair.login())
    pair.take()
    pair.server.rekey()  # which the client does not know of yet
    channel.pair.client.sendPacket(
        REQUEST, struct.pack(">L", channel.theirs) + NS(b"exec") + b"\1" + NS(b"hello")
    )
    pair.server.dataReceived(pair.clientTCP.getOutBuffer())
    pair.clientTCP.stream.clear()
    pair.server.leave()
    pair.clock.advance(0.05)
    pair.clock.advance(0.05)
    pair.flush()
    packets = pair.take()
    assert (DATA, struct.pack(">L", channel.mine) + NS(b"hello\n")) in packets
    assert packets[-1][0] == DISCONNECT


def test_going_down_before_the_login(pair):
    """Who is not logged in yet is told too."""
    pair.requestUserAuth()
    assert goodbyes(leave(pair)) == [(11, b"server is going down")]


def test_going_down_under_a_terminal(pair):
    """A terminal is left as it was found."""
    channel = Channel(pair.login()).pty()
    channel.request(b"shell").data(b"abc")
    pair.take()
    packets = leave(pair)
    shown = b"".join(getNS(p[4:])[0] for n, p in packets if n == DATA)
    assert b"\x1b[?2004l" in shown
    assert (REQUEST, struct.pack(">L", channel.mine) + TERM) in packets


def test_no_session_any_more(pair):
    """While sessions end no new ones begin."""
    channel = Channel(pair.login(), window=1).request(b"shell")
    channel.data(b"xx")
    pair.take()
    leave(pair)
    pair.send(OPEN, NS(b"session"), struct.pack(">3L", 9, 1 << 20, 1 << 15))
    [(number, payload)] = pair.take()
    assert (number, payload[4:8]) == (OPEN_FAILURE, struct.pack(">L", 1))


def test_the_gate_closes(hostKey):
    """Whoever hangs is cut in the end, and everybody is logged out."""
    pair = Pair([hostKey], application=Stays).login()
    channel = Channel(pair, window=1).request(b"shell")
    channel.data(b"xx")
    closed = []
    pair.gate.close().addCallback(closed.append)
    for _ in range(DRAIN * 10):
        pair.clock.advance(0.1)
        pair.flush()
    assert closed
    assert pair.log == [(b"user", "login"), (b"user", "logout")]
    assert pair.clock.getDelayedCalls() == []


def test_gone_before_the_end(pair):
    """A client that leaves while the server ends leaves no timer."""
    pair.login()
    pair.server.leave()
    pair.lose()
    assert pair.clock.getDelayedCalls() == []


# New host keys.


def test_new_host_keys(hostKey):
    """New connections are shown the new host keys; the others go on with what they know."""
    pair = Pair([hostKey]).login()
    new = makeKey()
    pair.factory.useHostKeys([HostKey(Path(), new)])
    other = pair.another()
    assert pair.client.hostKey == hostKey.public().blob()
    assert other.client.hostKey == new.public().blob()
    rekey(pair)
    pair.send(*KEEPALIVE)
    assert pair.take() == [(REQUEST_FAILURE, b"")]
    assert pair.client.hostKey == hostKey.public().blob()


# What is told.


def test_a_visit(pair):
    """From accept to close a connection is told of under one name, in order."""
    with logged() as seen:
        pair.login()
        channel = Channel(pair).request(b"exec", NS(b"a\x1bb"))
        channel.send(CLOSE)
        pair.send(DISCONNECT, struct.pack(">L", 11), NS(b"bye\n"), NS(b""))
    events = told(seen)
    assert [event.pop("event") for event in events] == [
        "login.ok",
        "session.open",
        "session.close",
        "logout",
        "connection.close",
    ]
    assert len({event.pop("connection") for event in events}) == 1
    assert {event.pop("door") for event in events} == {"ssh"}
    assert {event.pop("peer") for event in events} == {"192.0.2.2:5555"}
    asked = {"request": "exec", "command": "a\\x1bb"}
    assert events[:4] == [
        {"user": "user", "method": "password"},
        asked,
        {**asked, "exit_status": 0, "received": 0, "sent": 4},
        {"user": "user"},
    ]
    assert events[4] == {
        "seconds": 0,
        "received": 0,
        "sent": 4,
        "why": "the client says: bye\\n",
    }


def test_refusals(pair):
    """What is not to be had here is told of."""
    pair.login()
    with logged() as seen:
        channel = Channel(pair)
        channel.request(b"x11-req").request(b"auth-agent-req@openssh.com")
        channel.request(b"subsystem", NS(b"sf\ntp")).request(b"eow@openssh.com")
        pair.send(GLOBAL_REQUEST, NS(b"tcpip-forward"), b"\1")
        pair.send(OPEN, NS(b"direct-tcpip"), struct.pack(">3L", 1, 1, 1))
        pair.send(OPEN, NS(b"odd\xff"), struct.pack(">3L", 1, 1, 1))
        pair.send(*KEEPALIVE)
    assert [event["request"] for event in told(seen, "request.refused")] == [
        "x11-req",
        "auth-agent-req@openssh.com",
        "the subsystem sf\\ntp",
        "tcpip-forward",
        "direct-tcpip",
        "a channel odd\\xff",
    ]


def test_broken(pair):
    """Who breaks the protocol is told of, and why the connection ended."""
    with logged() as seen:
        pair.send(DATA, b"x")
    assert [event["why"] for event in told(seen, "protocol.error", "connection.close")] == [
        "nothing of that before the login",
        "nothing of that before the login",
    ]


def test_denials(pair):
    """A denied login is told of with user, method and reason, but without what was shown."""
    pair.requestUserAuth()
    with logged() as seen:
        pair.password(b"us\x1ber", b"hunter2")
        pair.clock.advance(PASSWORD_DELAY)
    [event] = told(seen, "login.denied")
    assert {name: event[name] for name in ("user", "method", "why")} == {
        "user": "us\\x1ber",
        "method": "password",
        "why": "no such user",
    }
    assert "hunter2" not in repr(seen)
