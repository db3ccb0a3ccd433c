"""The web endpoint: metrics and health, and whatever else is asked of it."""

import sys

import pytest
from helpers import logged, result, turn
from prometheus_client.parser import text_string_to_metric_families
from sshpair import Channel, Pair
from twisted.conch.ssh.keys import Key
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from webclient import WEB, Asking, Web

from sshecho import __version__
from sshecho.service.gate import Gate
from sshecho.service.limits import Limits
from sshecho.service.measures import Measures
from sshecho.service.start import StartError
from sshecho.service.turns import Turns
from sshecho.web.exposition import Exposition
from sshecho.web.overview import GateOverview, Report
from sshecho.web.site import LARGEST_BODY, LIFETIME, MOST, QUIET, Page, Site
from sshecho.web.timing import timeEchoes


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return each sample's value, by its name and the values of its labels in their order."""
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_counted():
    """Connections, logins, sessions, bytes, limits and penalties are there, live ones included."""
    web = Web()
    web.line(b"ann secret\nHi\n")
    web.line(b"ann wrong\n")[0].connectionLost()
    for _ in range(8):
        web.line(b"bob wrong\n")
    web.line(b"")
    response = web.ask("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = samples(response.body)
    assert found["sshecho_info", __version__] == 1
    assert found["sshecho_connections_total", "line"] == 7
    assert found["sshecho_connections_total", "ssh"] == 0
    assert found["sshecho_connections_open", "line"] == 6
    assert found["sshecho_logins_open", "line"] == 1
    assert found["sshecho_logins_total", "line", "password", "ok"] == 1
    assert found["sshecho_logins_total", "line", "password", "denied"] == 6
    assert found["sshecho_sessions_total", "line", "shell"] == 1
    assert found["sshecho_data_bytes_total", "received", "line"] == 3
    assert found["sshecho_data_bytes_total", "sent", "line"] == 3
    assert found["sshecho_penalty_seconds_total",] == 30
    assert found["sshecho_limits_reached_total", "penalties"] == 4


def test_bytes_count_once():
    """A connection's bytes are counted as they come, and not again when it ends."""
    web = Web()
    protocol, _ = web.line(b"ann secret\nHi\n")

    def count():
        return samples(web.ask("/metrics").body)["sshecho_data_bytes_total", "sent", "line"]

    assert count() == 3
    protocol.dataReceived(b"more")
    assert count() == 7
    protocol.dataReceived(b"last")
    protocol.connectionLost()
    assert count() == count() == 11


def test_the_handshake_and_the_echo(userKey):
    """At the SSH door the first keys and each echo are timed, and a login's bytes are none."""
    pair = Pair([Key.fromString(userKey.toString("openssh"))])
    timeEchoes([pair.factory])
    pair = pair.another().login()
    channel = Channel(pair)
    channel.request(b"shell").take()
    channel.data(b"Hi")
    channel.data(b"Hi")
    measures = pair.gate.measures
    [(labels, handshakes, _)] = measures.times("handshake")
    assert (labels, sum(handshakes)) == (("ssh",), 2)
    [(labels, echoes, seconds)] = measures.times("echo")
    assert (labels, sum(echoes)) == (("ssh",), 2)
    assert 0 < seconds < 10
    assert dict(measures.counts("sessions")) == {("ssh", "shell"): 1}


def test_no_echo_is_timed_unless_it_is_asked_for(userKey):
    """The doors' own protocols time no echo."""
    pair = Pair([userKey]).login()
    channel = Channel(pair)
    channel.request(b"shell").take()
    channel.data(b"Hi")
    assert list(pair.gate.measures.times("echo")) == []


def test_an_echo_that_waits_is_not_timed(userKey):
    """What waits for the client's window says nothing of the server."""
    pair = Pair([userKey])
    timeEchoes([pair.factory])
    channel = Channel(pair.another().login(), window=0)
    channel.request(b"shell").take()
    channel.data(b"Hi")
    channel.grant(100)
    assert channel.takeData() == b"Hi"
    assert list(pair.gate.measures.times("echo")) == []


def test_labels_are_escaped():
    """Whatever a label's value is, the text can be read back."""
    measures = Measures()
    measures.count("limits", ('a"b\\c\nd',))
    text = Exposition().write(Report(measures, [])).decode()
    assert samples(text)["sshecho_limits_reached_total", 'a"b\\c\nd'] == 1


def test_a_missing_library(monkeypatch):
    """Without the library the server does not start, and says what to install."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(StartError) as caught:
        Web()
    assert str(caught.value.why) == (
        "--metrics: the package prometheus-client is missing: pip install 'sshecho[metrics]'"
    )


def test_health():
    """It is well while the doors are open, and says why not when the server goes down."""
    web = Web()
    _, transport = web.line(b"ann secret\n")
    assert (web.ask("/healthz").status, web.ask("/healthz").body) == (200, "ok\n")
    web.gate.close()
    assert not transport.aborted
    response = web.ask("/healthz")
    assert (response.status, response.body) == (503, "the server is going down\n")


def test_it_closes_last():
    """The web endpoint listens until the last session has ended, and its connections are cut."""
    web = Web()
    protocol, _ = web.line(b"ann secret\n")
    asking = web.connect()
    stopped = web.house.stopService()
    assert web.ask("/healthz").status == 503
    assert not asking.transport.disconnected
    assert not stopped.called
    protocol.connectionLost()
    assert asking.transport.disconnected
    assert stopped.called


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
        (b"GET //metrics HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics/x HTTP/1.1\r\n\r\n", 404),
        (b"GET * HTTP/1.1\r\n\r\n", 404),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", 404),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", 405),
        (b"POST /healthz HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5000\r\n\r\n", 413),
        (b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n", 413),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"\xff\xfe\xfd\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 501 + b"\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"b" * 20000 + b"\r\n\r\n", 400),
        (b"GET /%ff%00 HTTP/1.1\r\n\r\n", 404),
    ],
)
def test_what_is_not_answered(request_, status):
    """Anything else gets a short answer, and nothing of it is logged."""
    with logged() as events:
        asking = Web().connect().send(request_)
    if b"b" * 20000 in request_:  # Twisted closes without a word behind a line so long
        assert asking.closed
    else:
        assert asking.response.status == status
        assert len(asking.transport.value()) < 700
    assert asking.closed
    assert not [event for event in events if "log_failure" in event]


def test_the_head():
    """HEAD gets the head of the answer alone, with the headers that are always there."""
    web = Web()
    got, head = web.ask("/healthz"), web.ask("/healthz", method="HEAD")
    assert (head.status, head.body) == (200, "")
    assert got.headers == head.headers
    assert head.headers["Server"] == "sshecho"
    assert head.headers["X-Content-Type-Options"] == "nosniff"
    assert head.headers["Cache-Control"] == "no-store"


def test_one_request_a_connection():
    """What comes behind a request is dropped."""
    asking = Web().connect().send(b"GET /healthz HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n")
    assert asking.response.body == "ok\n"
    assert asking.response.headers["Connection"] == "close"
    assert asking.closed


def test_a_silent_client():
    """Who says nothing is left."""
    web = Web()
    asking = web.connect()
    web.reactor.advance(QUIET)
    assert asking.closed


def test_a_slow_client():
    """Who says a little now and then is left, too."""
    web = Web()
    asking = web.connect()
    for _ in range(LIFETIME * 2):
        asking.send(b"G")
        web.reactor.advance(0.5)
    assert asking.transport.disconnected


def test_a_client_that_does_not_take_its_answer():
    """Who has asked and never reads is cut in the end."""
    web = Web()
    asking = web.connect().send(b"GET /healthz HTTP/1.1\r\n\r\n")
    assert not asking.transport.disconnected
    web.reactor.advance(LIFETIME)
    assert asking.transport.disconnected


def test_many_clients():
    """A newcomer takes the place of the oldest, and nothing is left of those that have gone."""
    web = Web()
    asking = [web.connect() for _ in range(MOST + 1)]
    assert [one.transport.disconnected for one in asking] == [True] + [False] * MOST
    for one in asking:
        one.lose()
    assert not web.factories[WEB].open


class Dear(Page):
    """A page that costs three milliseconds."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    async def respond(self, request):
        self.clock.advance(0.003)
        request.answer(200, "ok")


def test_requests_take_turns():
    """Many requests at once are answered a few in a turn; who has left meanwhile is not."""
    clock = Clock()
    turns = Turns(clock)
    site = Site({b"/": Dear(clock)}, clock, turns)
    asking = [Asking(site).send(b"GET / HTTP/1.1\r\n\r\n") for _ in range(6)]
    assert [bool(one.transport.value()) for one in asking] == [True] * 2 + [False] * 4
    asking[2].lose()
    turn(clock)
    assert [bool(one.transport.value()) for one in asking] == [True, True, False, True, True, False]
    turn(clock)
    assert asking[5].response.status == 200


def test_a_large_report_takes_turns():
    """With many connections a report leaves others their turn, and is whole."""
    gate = Gate(Limits(maxStartups=2000), clock := Clock())
    for number in range(1200):
        gate.enter("ssh", IPv4Address("TCP", f"192.0.2.{number % 200}", 1)).begin(Silent())
    report = Deferred.fromCoroutine(GateOverview(gate).report())
    assert not report.called
    turn(clock)
    turn(clock)
    found = result(report)
    assert len(found.connections) == 1200
    assert dict(found.measures.counts("bytes"))["ssh", "received"] == 1200


class Silent:
    """A guest that has received a byte."""

    def dataSoFar(self):
        return 1, 0


def test_a_body_of_the_largest_size():
    """A small body is read, though there is no use for it."""
    request_ = b"POST /healthz HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % LARGEST_BODY
    asking = Web().connect().send(request_)
    assert not asking.closed
    assert asking.send(b"x" * LARGEST_BODY).response.status == 405


def test_ending_a_connection():
    """The overview ends a connection once; its client hears it."""
    web = Web()
    _, transport = web.line(b"ann secret\n")
    overview = GateOverview(web.gate)
    [connection] = answer(overview.report()).connections
    assert (connection.user, connection.door, connection.received) == ("ann", "line", 0)
    assert answer(overview.end(connection.id))
    assert transport.value().endswith(b"Ended by an operator, goodbye.\r\n")
    assert transport.writeClosed
    assert answer(overview.report()).connections[0].ending
    assert not answer(overview.end(connection.id))
    assert not answer(overview.end("nobody"))


def test_ending_an_ssh_connection(userKey):
    """An SSH client is told by DISCONNECT."""
    pair = Pair([userKey]).login()
    overview = GateOverview(pair.gate)
    [connection] = answer(overview.report()).connections
    assert answer(overview.end(connection.id))
    [(number, payload)] = pair.flush().take()
    assert number == 1
    assert b"ended by an operator" in payload


def answer(coroutine):
    """Return what a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")
