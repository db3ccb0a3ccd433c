"""A probe of the line door, against servers in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing import Probing, Says, Wire, lineServer
from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import IAnonymous, IUsernamePassword
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Protocol

from sshecho.probe.attempt import Attempt
from sshecho.probe.echocheck import EchoCheck
from sshecho.probe.identity import Identity
from sshecho.probe.target import parseTarget

LINE = "line://user@localhost"
ACCEPTED = b"Login successful, please proceed.\r\n"


def test_echo():
    """A login ends with an echo, and what SSH would have is not there."""
    report = Probing(Wire(lineServer()), LINE).report
    assert report.error is None
    assert report.attempt.auth_method == "password"
    assert list(report.attempt.steps) == ["tcp", "auth", "echo"]
    assert report.attempt.host_key is report.attempt.negotiated is None


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_password_of_two_lines(end):
    """A password that would end the line is not sent."""
    server = Says()
    identity = Identity(password=b"pass" + end + b"word")
    probing = Probing(Wire(lambda: server), LINE, identity)
    assert probing.error == "the line door takes no password with a line end in it"
    assert server.got == b""


def test_denied():
    """A wrong password is denied."""
    probing = Probing(Wire(lineServer()), LINE, Identity(password=b"wrong"))
    assert (probing.step, probing.error) == ("auth", "denied")


def test_anonymous():
    """Without a password the line is the name alone."""
    server = lineServer({IAnonymous: [AllowAnonymousAccess()]})
    report = Probing(Wire(server), "line://anonymous@h", Identity()).report
    assert report.error is None
    assert report.attempt.auth_method == "none"


def test_names_and_passwords_of_any_bytes():
    """Name and password go as they are, a space in the password too."""
    wire = Wire(Says)
    Probing(wire, "line://\udcff\u00fc@h", Identity(password=b"pa ss\xfe"))
    assert wire.server.got == b"\xff\xc3\xbc pa ss\xfe\r\n"


@pytest.mark.parametrize("plainText", [False, True])
def test_plain_text(plainText):
    """A password leaves this machine only when that is wanted; who has none may go anywhere."""
    wire = Wire(Says, peer="192.0.2.1")
    probing = Probing(wire, LINE, plainText=plainText)
    if plainText:
        assert wire.server.got == b"user pass\r\n"
    else:
        assert wire.server.got == b""
        assert "192.0.2.1 as plain text: give --plain-text" in probing.error
        assert probing.report.error.final
    wire = Wire(Says, peer="192.0.2.1")
    Probing(wire, "line://anonymous@h", Identity())
    assert wire.server.got == b"anonymous\r\n"


class Greets(Protocol):
    """An application that greets before it echoes."""

    def connectionMade(self):
        self.transport.write(b"Welcome, stranger")


class Asked:
    """A checker that never answers."""

    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials):
        return Deferred()


@pytest.mark.parametrize(
    ("server", "step", "error"),
    [
        (Says, "auth", "no answer to the login within 10 s"),
        (lineServer({IUsernamePassword: [Asked()]}), "auth", "no answer to the login within 10 s"),
        (lambda: Says(b"Login succ"), "auth", "no answer to the login within 10 s"),
        (lambda: Says(ACCEPTED), "echo", "no echo within 10 s"),
    ],
)
def test_nothing_hangs(server, step, error):
    """A server that falls silent is given up after a while, and not before."""
    probing = Probing(Wire(server), LINE).advance(9.9)
    assert probing.report is None
    probing.advance(1.2)
    assert (probing.step, probing.error) == (step, error)


@pytest.mark.parametrize(
    ("server", "step", "error"),
    [
        (lambda: Says(b"SSH-2.0-x\r\n"), "auth", "not let in: the server says 'SSH-2.0-x'"),
        (lambda: Says(b"x" * 2000), "auth", f"not let in: the server says '{'x' * 80}'"),
        (lambda: Says(b"\xff\xfd\x18\r\n"), "auth", "not let in: the server says '\\xff\\xfd\x18'"),
        (lambda: Says(ACCEPTED + b"more"), "echo", "no echo: 4 bytes came that were not sent"),
        (lineServer(application=Greets), "echo", "no echo: 17 bytes came that were not sent"),
    ],
)
def test_other_servers(server, step, error):
    """What else a server says, Telnet too, is no login or no echo."""
    probing = Probing(Wire(server), LINE)
    assert (probing.step, probing.error) == (step, error)


def test_a_server_that_goes():
    """A server that closes is said."""
    wire = Wire(Says)
    probing = Probing(wire, LINE)
    wire.server.transport.loseConnection()
    probing.flush()
    assert (probing.step, probing.error) == ("auth", "the server closed the connection")


def attempt(steps=("tcp", "auth")):
    begun = Attempt(parseTarget(LINE), lambda: 0.0)
    for step in steps:
        begun.finish(step)
    begun.done.addErrback(lambda reason: succeed(str(reason.value)))
    return begun


@given(st.data())
def test_any_pieces(data):
    """The echo counts in whatever pieces it comes, and with one byte changed it never does."""
    good, bad = attempt(), attempt()
    check, other = EchoCheck(good), EchoCheck(bad)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(check.line) - 1))))
    for begin, end in zip([0, *cuts], [*cuts, None], strict=True):
        assert not good.over
        check.received(check.line[begin:end])
    assert "echo" in good.steps
    at = data.draw(st.integers(0, len(check.line) - 1))
    other.received(other.line[:at] + bytes([other.line[at] ^ 1]) + other.line[at + 1 :])
    assert bad.over
    assert "echo" not in bad.steps


def test_lines_differ():
    """No two probes send the same line, so an old echo is none."""
    assert EchoCheck(attempt()).line != EchoCheck(attempt()).line
