"""A probe's time-outs, its pauses, and what it measures."""

import json

import pytest
from probing import Probing, Says, Wire, lineServer
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError

from sshecho.probe.identity import Identity

LINE = "line://user@localhost"
REFUSED = ConnectError(osError=111)
WRONG = Identity(password=b"wrong")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (REFUSED, "unreachable: Connection refused"),
        (DNSLookupError("x"), "unreachable: there is no such host"),
        (ValueError("invalid hostname: x\nmore"), "unreachable: invalid hostname: x"),
    ],
)
def test_unreachable(error, why):
    """What can't be connected to is said in one line, after one attempt."""
    probing = Probing(Wire(error), LINE)
    assert (probing.step, probing.error, probing.wire.times) == ("tcp", why, 1)


def test_connecting_without_end():
    """Connecting is given up after a while, and cancelled."""
    cancelled = []
    probing = Probing(Wire(Deferred(cancelled.append)), LINE, timeout=3).advance(2.9)
    assert probing.report is None
    probing.advance(0.2)
    assert probing.error == "unreachable: no connection within 3 s"
    assert len(cancelled) == 1


def test_wait_for_a_server():
    """With --wait it tries until the server is there."""
    probing = Probing(Wire(REFUSED, REFUSED, lineServer()), LINE, wait=60)
    assert probing.report is None
    probing.advance(0.7)
    assert probing.report.error is None
    assert probing.report.attempts == 3


def test_wait_in_vain():
    """The time of --wait is kept, and the last failure is what counts."""
    probing = Probing(Wire(ValueError("first"), REFUSED), LINE, wait=5).advance(4)
    assert probing.report is None
    probing.advance(1)
    assert probing.error == "unreachable: Connection refused"
    assert probing.report.attempts == probing.wire.times
    assert 5 <= probing.wire.times <= 8


def test_pause_that_takes_too_long():
    """A pause that ends behind the time of --wait is the end, with the last failure."""
    probing = Probing(Wire(REFUSED), LINE, wait=0.5)
    probing.clock.advance(10)
    assert probing.error == "unreachable: Connection refused"
    assert probing.report.attempts == probing.wire.times == 1


def test_wait_cuts_the_last_attempt():
    """An attempt does not outlast --wait, whatever --timeout is."""
    probing = Probing(Wire(Says), LINE, wait=5, timeout=60).advance(4.9)
    assert probing.report is None
    probing.advance(1.2)
    assert probing.error == "no answer to the login within 5 s"


def test_a_short_last_attempt():
    """An attempt that --wait cuts short hides nothing of what those before have found."""
    probing = Probing(Wire(REFUSED, Says), LINE, wait=5).advance(6.1)
    assert probing.error == "unreachable: Connection refused"
    assert probing.report.attempts == 2
    probing = Probing(Wire(REFUSED, Says), LINE, wait=5, timeout=2).advance(4)
    assert probing.report is None
    probing.advance(3)
    assert probing.error == "no answer to the login within 2 s"


def test_denied_again_and_again():
    """A login that is denied is tried again, but gently."""
    probing = Probing(Wire(lineServer()), LINE, WRONG, wait=10).advance(11)
    assert probing.error == "denied"
    assert 8 <= probing.wire.times <= 11


def test_what_no_retry_can_mend():
    """What can't get better is not tried again."""
    probing = Probing(Wire(Says, peer="192.0.2.1"), LINE, wait=60)
    assert "--plain-text" in probing.error
    assert probing.wire.times == 1


def test_steps_are_measured():
    """Each step's seconds are its own, and a pause is none."""
    wire = Wire(REFUSED, Says)
    probing = Probing(wire, LINE, wait=60).advance(0.3)
    server = wire.server
    probing.advance(2)
    server.transport.write(b"Login successful, please proceed.\r\n")
    probing.flush()
    probing.advance(3)
    server.transport.write(server.got.split(b"\r\n")[1])
    probing.flush()
    steps = probing.report.attempt.steps
    assert steps["tcp"] == 0
    assert steps["auth"] == pytest.approx(2.1)
    assert steps["echo"] == pytest.approx(3)
    shown = json.loads(probing.report.asJSON())
    assert shown["seconds"] == pytest.approx(5.1)
    assert shown["attempts"] == 2
