"""The line door."""

import pytest
from helpers import logged
from hypothesis import given
from hypothesis import strategies as st
from linedoor import LIMITS, Door
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.logger import formatEvent

from sshecho.line import (
    ACCEPTED,
    DENIED,
    MAX_LOGIN_LINE,
    MAX_WAITING,
    TOO_LONG,
)
from sshecho.service.closing import MOST_DROPPED
from sshecho.service.limits import LINGER
from sshecho.telnet import DO, IAC, SB, SE, WILL, WONT


class SlowChecker:
    """A checker that answers when the test tells it to."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self):
        self.asked = []

    def requestAvatarId(self, credentials):
        self.asked.append((credentials.username, credentials.password))
        self.answer = Deferred()
        return self.answer


def test_as_in_the_chapter():
    """The right pair is told so, and then each line comes back."""
    door = Door().send(b"user pass\r\n", b"Hi\r\n", b"Quit\r\n")
    assert door.received == b"Login successful, please proceed.\r\nHi\r\nQuit\r\n"
    assert door.log == [(b"user", "login")]
    assert not door.closed


@pytest.mark.parametrize(
    "line",
    [
        b"foo bar",
        b"user",
        b"user wrong",
        b"",
        b" ",
        b" pass",
        b"user ",
        b"user  pass",
        b"user pass ",
    ]
    + [b"USER pass", b"user\tpass", b"user\0 pass", b"\xff \xfe", b"anonymous x", b"root\n", b"\r"],
)
def test_denied(line):
    """Whatever else the first line is gets one and the same answer, and the door closes."""
    door = Door().send(line + b"\r\n")
    assert door.received == b"Login denied, goodbye.\r\n"
    assert door.closed
    assert door.log == []
    assert door.send(b"user pass\r\n").received == DENIED


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("line", "user"),
    [(b"user pass", b"user"), ("f\u00fc\u00fc  a b ".encode(), "f\u00fc\u00fc".encode())]
    + [(b"anonymous", b"anonymous")],
)
def test_line_ends(line, user, end):
    """LF and CR LF end the first line; names may be anything and passwords hold spaces."""
    door = Door().send(line + end)
    assert door.received == ACCEPTED
    assert door.log == [(user, "login")]


def test_only_one_carriage_return_ends_a_line():
    """A CR that belongs to the password stays in it."""
    assert Door().send(b"c \r\r\n").received == ACCEPTED


@given(st.binary(max_size=300), st.lists(st.integers(1, 40)))
def test_any_pieces(data, sizes):
    """The first line may come in pieces, or with the first bytes to echo: none is lost."""
    stream = b"user pass\r\n" + data
    pieces = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    door = Door().send(*filter(None, [*pieces, stream]))
    assert door.received == ACCEPTED + data


@pytest.mark.parametrize("newline", [b"", b"\n", b"\r\n"])
def test_too_long(newline):
    """A first line of more than 1 KiB is told so, and that is the end."""
    door = Door().send(b"x" * (MAX_LOGIN_LINE + 2) + newline)
    assert door.received == TOO_LONG
    assert door.closed


def test_what_comes_behind_a_goodbye():
    """Who is told goodbye and goes on and on is not read from any more."""
    door = Door().send(b"user wrong\n").send(bytes(MOST_DROPPED))
    assert door.transport.producerState == "producing"
    door.send(b"x")
    assert door.transport.producerState == "paused"


def test_just_fits():
    """A first line of exactly 1 KiB is a login like another, CR LF in pieces included."""
    line = b"user " + b"x" * (MAX_LOGIN_LINE - 5)
    assert Door().send(line, b"\r", b"\n").received == DENIED
    assert Door().send(line, b"\r", b"x").received == TOO_LONG


def test_too_slow():
    """Who has not logged in when the grace is over is cut, however busy they seem."""
    door = Door().send(b"user ")
    door.clock.advance(LIMITS.loginGrace - 1)
    assert not door.transport.aborted
    door.send(b"pa")
    door.clock.advance(1)
    assert door.transport.aborted


def test_not_too_slow():
    """Who is in may be silent."""
    door = Door().send(b"user pass\n")
    door.clock.advance(LIMITS.loginGrace * 10)
    assert not door.transport.aborted


def test_goodbye_arrives():
    """After a denial our side is closed and the client's bytes are dropped for a while."""
    door = Door().send(b"foo bar\n")
    assert door.transport.writeClosed
    assert not door.transport.disconnecting
    door.send(b"more" * 1000)
    door.endInput()
    assert door.transport.disconnecting
    assert door.received == DENIED


def test_goodbye_does_not_last():
    """A client that is told goodbye and stays is cut."""
    door = Door().send(b"foo bar\n")
    door.clock.advance(LINGER)
    assert door.transport.aborted


def test_half_close():
    """A client that closes its side still gets its answer and all of its echo."""
    door = Door().send(b"user pass\nHi").endInput()
    assert door.received == ACCEPTED + b"Hi"
    assert door.transport.disconnecting


@pytest.mark.parametrize(("sent", "answer"), [(b"", b""), (b"user pass", DENIED)])
def test_half_close_before_the_end_of_the_line(sent, answer):
    """A line that was not ended is not a login."""
    door = Door().send(*filter(None, [sent])).endInput()
    assert door.received == answer
    assert door.transport.disconnecting
    assert door.log == []


def slowDoor():
    checker = SlowChecker()
    return Door({IUsernamePassword: [checker]}), checker


def test_waiting_for_the_checker():
    """While a checker takes its time, what comes is kept, and not read for ever."""
    door, checker = slowDoor()
    door.send(b"user pass\nHi")
    assert door.transport.producerState == "producing"
    waiting = b"x" * MAX_WAITING
    door.send(waiting)
    assert door.transport.producerState == "paused"
    assert door.received == b""
    checker.answer.callback(b"user")
    assert door.transport.producerState == "producing"
    door.endInput()
    assert door.received == ACCEPTED + b"Hi" + waiting
    assert door.transport.disconnecting


def test_gone_before_the_answer():
    """Who leaves while a checker takes its time is never in, and the checker may stop."""
    door, checker = slowDoor()
    with logged() as seen:
        door.send(b"user pass\n").lose()
        assert checker.answer.called  # cancelled
        checker.answer.callback(b"user")
    assert door.log == []
    assert [event["audit"]["event"] for event in seen] == ["connection.close"]
    assert door.received == b""


def test_gone_before_the_denial():
    """A denial that nobody waits for is not sent."""
    door, checker = slowDoor()
    door.send(b"user pass\n").lose()
    checker.answer.errback(UnauthorizedLogin())
    assert door.received == b""
    assert door.log == []


@pytest.mark.parametrize("ending", [lambda d: d, lambda d: d.endInput(), lambda d: d.send(b"x")])
def test_one_logout(ending):
    """However a connection ends, each login has one logout."""
    door = ending(Door().send(b"user pass\n")).lose()
    assert door.log == [(b"user", "login"), (b"user", "logout")]


class Broken(Protocol):
    """An application that breaks when it is told that it is over."""

    def connectionLost(self, reason):
        raise ZeroDivisionError


def test_logout_behind_a_broken_application():
    """An application that breaks does not keep its user logged in."""
    door = Door(application=Broken).send(b"user pass\n")
    with pytest.raises(ZeroDivisionError):
        door.lose()
    assert door.log == [(b"user", "login"), (b"user", "logout")]


def brokenApplication():
    raise ZeroDivisionError


def test_broken_application():
    """An application that can't be made ends its session, and its user is logged out."""
    door = Door(application=brokenApplication).send(b"user pass\nHi\n")
    assert door.received == ACCEPTED
    assert door.transport.writeClosed
    door.clock.advance(LINGER)
    assert door.transport.aborted
    assert door.lose().log == [(b"user", "login"), (b"user", "logout")]


def test_application_without_half_close():
    """An application that knows nothing of half closed connections is closed at their end."""
    door = Door(application=Protocol).send(b"user pass\n").endInput()
    assert door.transport.disconnecting


def test_session():
    """The application can ask who it serves, and where from."""
    seen = []

    class Asking(Protocol):
        def connectionMade(self):
            seen.append(self.transport.session)
            self.transport.writeSequence([b"a", b"b"])
            self.transport.getPeer()

    door = Door(application=Asking).send(b"user pass\n")
    assert door.received == ACCEPTED + b"ab"
    [session] = seen
    assert (session.user, session.door, session.peer) == (b"user", "line", "192.0.2.2:5555")


def test_application_that_waits():
    """An application that waits as it begins gets what had come, and the end, when it goes on."""
    received = []

    class Sleepy(Protocol):
        def connectionMade(self):
            sleepy.append(self)
            self.transport.pauseProducing()

        def dataReceived(self, data):
            received.append(data)

    sleepy = []
    door = Door(application=Sleepy).send(b"user pass\nearly").endInput()
    assert (received, door.transport.disconnecting) == ([], False)
    assert door.transport.producerState == "paused"
    sleepy[0].transport.resumeProducing()
    assert (received, door.transport.disconnecting) == ([b"early"], True)


def test_paced():
    """A client that does not read is not read from, before the login and after it."""
    door = Door()
    assert door.transport.producer is not None
    door.send(b"user pass\n")
    door.transport.producer.pauseProducing()
    assert door.transport.producerState == "paused"


def test_telnet():
    """A client that begins with IAC is spoken Telnet to, from the login on."""
    door = Door().send(bytes((IAC, DO, 3, IAC, WILL, 24)) + b"user pass\r\n")
    refusals = bytes((IAC, WONT, 3, IAC, 254, 24))
    assert door.received == refusals + ACCEPTED
    door.transport.clear()
    door.send(b"a\xff\xffb\r\0c" + bytes((IAC, SB, 1, IAC, SE)))
    assert door.received == b"a\xff\xffb\rc"


def test_raw():
    """Every other client gets its bytes back as they are, 0xFF and CR NUL too."""
    door = Door().send(b"user pass\n\xff\xff\r\0\xff\xfb\x01")
    assert door.received == ACCEPTED + b"\xff\xff\r\0\xff\xfb\x01"


def test_bad_telnet():
    """A subnegotiation without an end is told so, before the login and after it."""
    for beginning in (b"", b"user pass\n"):
        door = Door().send(bytes((IAC, 241)) + beginning, bytes((IAC, SB)) + b"x" * 2000)
        assert door.received.endswith(b"Telnet subnegotiation too long, goodbye.\r\n")
        assert door.closed
        login = [(b"user", "login"), (b"user", "logout")] if beginning else []
        assert door.lose().log == login


def test_goodbye_before_the_answer():
    """Who is told goodbye while a checker takes its time does not get in behind that."""
    door, checker = slowDoor()
    door.send(bytes((IAC, 241)) + b"user pass\n", bytes((IAC, SB)) + b"x" * 2000)
    goodbye = door.received
    checker.answer.callback(b"user")
    assert door.received == goodbye != b""
    assert door.log == [(b"user", "login"), (b"user", "logout")]


def test_said_without_the_password():
    """Logins and denials are said with user and address, and never with the password."""
    with logged() as seen:
        Door().send(b"user pass\n")
        Door().send(b"us\x1ber hunter2\n")
        Door().send(b"hunter2\n")
    texts = [formatEvent(event) for event in seen if "login." in event["audit"]["event"]]
    assert texts == [
        "line: 'user' logged in by password from 192.0.2.2:5555",
        r"line: 'us\x1ber' denied by password from 192.0.2.2:5555: no such user",
        "line: somebody denied by password from 192.0.2.2:5555: no password",
    ]
    assert "hunter2" not in repr(seen)
