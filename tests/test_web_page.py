"""The page of the live sessions: who gets in, what it shows, and what its buttons do."""

import re

import pytest
from helpers import logged, told
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from webclient import ADMIN, PEER, WEB, Asking, Web, basic
from zope.interface import implementer

from sshecho.cred.outage import UncheckedLogin
from sshecho.cred.threads import SOURCE
from sshecho.people import plainName
from sshecho.web.guard import guarded
from sshecho.web.html import MOST, render
from sshecho.web.overview import Connection
from sshecho.web.site import MOST as CROWD
from sshecho.web.site import Site

LOCAL = f"localhost:{WEB}"


@implementer(IUsernamePassword)
class Slow:
    """A checker that answers when it is told to."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self):
        self.asked = []
        self.sources = []

    def requestAvatarId(self, credentials):
        self.asked.append(Deferred())
        self.sources.append(SOURCE.get())
        return self.asked[-1]


class BrokenPortal:
    """A portal that breaks."""

    def login(self, credentials, mind, *interfaces):
        return fail(ZeroDivisionError())


def buttons(page: str) -> list[tuple[str, str]]:
    """Return id and token of each button."""
    return re.findall(r'name="id" value="(\w+)"><input[^>]* name="token" value="(\w+)">', page)


def press(web, page, number=0, user=ADMIN, token=None, **more):
    """Return what a button gets."""
    id_, its = buttons(page)[number]
    body = f"id={id_}&token={its if token is None else token}".encode()
    return web.ask("/end", method="POST", user=user, body=body, **more)


def test_the_page():
    """An administrator sees who is there, escaped for HTML, and nothing can run or be framed."""
    web = Web()
    web.line(b"<b>x</b> pass\nHi\n")
    web.line(b"")
    response = web.ask("/", user=ADMIN)
    assert response.status == 200
    assert "<bdi>&lt;b&gt;x&lt;/b&gt;</bdi>" in response.body
    assert "<b>x</b>" not in response.body
    assert "not logged in" in response.body
    assert f"{PEER.host}:{PEER.port}" in response.body
    assert len(buttons(response.body)) == 2
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in response.body
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_odd_names_are_shown_harmlessly():
    """A name's control characters can't steer whoever looks at the page, nor its source."""
    name = plainName("\x1b[2J\u202e\r\n\x00\"'><&".encode() + b"\xff")
    connection = Connection("1", "line", "[::1]:5", name, 0, 5000, 3 << 30)
    page = render([connection], b"a", lambda id_: "t", 90000, "")
    assert page.replace("\n", "").isprintable()
    assert "\\x1b[2J\\u202e\\r\\n\\x00&quot;&#x27;&gt;&lt;&amp;\\xff" in page
    assert "4.9 KiB" in page
    assert "3.0 GiB" in page
    assert "1 d" in page


def test_a_crowd():
    """Of many connections the newest are shown, and the others counted."""
    crowd = [Connection(str(n), "ssh", "x", "u", n, 0, 0) for n in range(MOST + 1234)]
    page = render(crowd, b"a", lambda id_: "t", 0, "")
    assert len(buttons(page)) == MOST
    assert "and 1,234 older ones" in page
    assert 'value="1733"' in page
    assert 'value="1233"' not in page


def test_an_empty_house():
    """When nobody is there the page says so, and when it closes, too."""
    assert "Nobody is here." in render([], b"a", str, 0, "")
    assert "no worker" in render([], b"a", str, 0, "no worker is ready")


def test_one_answer_for_everybody_else():
    """Without a name, with a wrong password, an unknown name, or one that --admin doesn't name."""
    web = Web()
    users = (None, "ann:wrong", "nobody:x", "bob:bob", "bob:wrong", b"ann:\xff", "ann:")
    answers = [web.ask("/", user=user) for user in users]
    assert {answer.status for answer in answers} == {401}
    for answer in answers:
        answer.headers.pop("Date")
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].headers["WWW-Authenticate"] == 'basic realm="sshecho", charset="UTF-8"'


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic YQ",
        "Basic " + "A" * 8000,
        f"Basic !{basic(ADMIN).split()[1]}",
        "Bearer abc",
        "Digest username=ann",
        "\u00fc",
        " ",
    ],
)
def test_garbled_credentials(authorization):
    """What can't be read gets the same answer, and no traceback."""
    with logged() as events:
        assert Web().ask("/", Authorization=authorization).status == 401
    assert not [event for event in events if "log_failure" in event]


def test_names_and_passwords_are_utf_8():
    """A name and a password that are not ASCII get in, as UTF-8 only."""
    web = Web(admins=("\u00fcser",))
    assert web.ask("/", user="\u00fcser:p\u00e4").status == 200
    assert web.ask("/", user="\u00fcser:p\u00e4".encode("latin-1")).status == 401


def test_logins_are_told_and_logged_out():
    """Each request's login has its logout, and each denial says why, in the events alone."""
    web = Web()
    with logged() as events:
        web.ask("/")
        web.ask("/", user=ADMIN)
        web.ask("/", user="bob:bob")
        web.ask("/", user="ann:wrong")
    found = [(e["event"], e["door"], e["user"], e.get("why")) for e in told(events)]
    assert found == [
        ("login.ok", "web", "ann", None),
        ("logout", "web", "ann", None),
        ("login.denied", "web", "bob", "not one of --admin"),
        ("login.denied", "web", "ann", "wrong password"),
    ]
    assert {event["peer"] for event in told(events)} == {f"{PEER.host}:{PEER.port}"}


def test_guesses_cost():
    """Wrong passwords make their address wait at every door; to ask meanwhile costs no more."""
    web = Web()
    with logged() as events:
        for _ in range(6):
            assert web.ask("/", user="ann:wrong").status == 401
        owed = web.gate.penalties.owed(PEER.host, web.gate.seconds())
        for _ in range(3):
            assert web.ask("/", user=ADMIN).status == 429
    assert len(told(events, "login.denied")) == 6
    assert len(told(events, "limit.reached")) == 1
    assert web.gate.penalties.owed(PEER.host, web.gate.seconds()) == owed
    assert b"Too many failed logins" in web.line(b"")[1].value()
    asking = web.connect(peer=IPv4Address("TCP", "192.0.2.8", 1))
    asking.send(
        f"GET / HTTP/1.1\r\nHost: {LOCAL}\r\nAuthorization: {basic(ADMIN)}\r\n\r\n".encode()
    )
    assert asking.response.status == 200


def test_a_stranger_with_a_password_costs_the_same():
    """Who is not of --admin can't use the page to find out whether a password is right."""
    web = Web()
    for _ in range(6):
        web.ask("/", user="bob:bob")
    assert web.ask("/", user=ADMIN).status == 429


def test_a_slow_check():
    """A login that is checked elsewhere is checked for its source, and answered when that is."""
    checker = Slow()
    web = Web(checker=checker)
    asking = web.connect().send(request("nobody:x"))
    assert checker.sources == [PEER.host]
    assert not asking.transport.value()
    checker.asked[0].errback(UnauthorizedLogin())
    assert asking.response.status == 401


def test_those_who_wait_while_others_guess():
    """A login that is checked while its address comes to have to wait is denied."""
    checker = Slow()
    web = Web(checker=checker)
    late = web.connect().send(request("ann:x"))
    for _ in range(6):
        web.connect().send(request("ann:x"))
        checker.asked[-1].errback(UnauthorizedLogin())
    with logged() as events:
        checker.asked[0].callback(b"ann")
    assert late.response.status == 401
    assert told(events, "login.denied")[0]["why"] == "too many failed logins"


def test_whoever_has_to_wait_is_not_checked():
    """No password is checked for an address that has guessed too often."""
    checker = Slow()
    web = Web(checker=checker)
    for _ in range(6):
        web.connect().send(request("ann:x"))
        checker.asked[-1].errback(UnauthorizedLogin())
    assert web.connect().send(request("ann:x")).response.status == 429
    assert len(checker.asked) == 6


def test_a_store_that_can_not_be_asked():
    """A login that could not be checked costs nothing, and is counted apart."""
    checker = Slow()
    web = Web(checker=checker)
    for _ in range(9):
        web.connect().send(request("ann:x"))
        checker.asked[-1].errback(UncheckedLogin("the store is away"))
    asking = web.connect().send(request("ann:x"))
    checker.asked[-1].callback(b"ann")
    assert asking.response.status == 200
    assert 'door="web",method="password",result="unchecked"} 9.0' in web.ask("/metrics").body


def test_guesses_meanwhile():
    """A password that turns out right after others were wrong does not get in."""
    checker = Slow()
    web = Web(checker=checker)
    asking = [web.connect().send(request("ann:x")) for _ in range(7)]
    for answer in checker.asked[:-1]:
        answer.errback(UnauthorizedLogin())
    checker.asked[-1].callback(b"ann")
    assert [one.response.status for one in asking] == [401] * 7


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (lambda asked: asked.callback(b"ann"), ["login.ok", "logout"]),
        (lambda asked: asked.errback(UnauthorizedLogin()), ["login.denied"]),
    ],
    ids=["let in", "denied"],
)
def test_a_client_that_leaves_meanwhile(answer, seen):
    """Who leaves while the login is checked is logged out if let in, and nothing is logged."""
    checker = Slow()
    web = Web(checker=checker)
    asking = web.connect().send(request("ann:x"))
    with logged() as events:
        asking.lose()
        answer(checker.asked[0])
    assert [event["event"] for event in told(events)] == seen
    assert not [event for event in events if "log_failure" in event]


def test_a_login_that_breaks():
    """A login that breaks is denied, is no guess, and is logged."""
    gate = Web().gate
    site = Site({b"/": guarded(BrokenPortal(), gate, {b"ann"})}, Clock(), gate.turns)
    with logged() as events:
        assert Asking(site).send(request(ADMIN)).response.status == 401
    [denial] = told(events, "login.denied")
    assert (denial["why"], denial["checked"]) == ("an error", False)
    [failure] = [event for event in events if "log_failure" in event]
    assert failure["log_failure"].check(ZeroDivisionError)


def request(user):
    head = f"GET / HTTP/1.1\r\nHost: {LOCAL}\r\nAuthorization: {basic(user)}\r\n\r\n"
    return head.encode()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (LOCAL, 200),
        (f"LOCALHOST:{WEB}", 200),
        (f"localhost.:{WEB}", 200),
        (f"127.0.0.1:{WEB}", 200),
        (f"[::1]:{WEB}", 200),
        ("ops.example:443", 200),
        (f"names.example:{WEB}", 200),
        ("localhost", 421),
        ("localhost:80", 421),
        (f"evil.example:{WEB}", 421),
        (f"localhost.evil.example:{WEB}", 421),
        (f"192.0.2.1:{WEB}", 421),
        ("ops.example", 421),
        (f"ops.example:{WEB}", 421),
        ("names.example:443", 421),
        (f"ann@localhost:{WEB}", 421),
        (f"[::1:{WEB}", 421),
        (f"[zz]:{WEB}", 421),
        (f"localhost:{WEB}:1", 421),
        ("localhost:99999", 421),
        (" ", 421),
    ],
)
def test_whose_host_it_is(host, status):
    """Only names of this server are answered: not those that somebody's DNS moved here."""
    web = Web("--admin-host", "ops.example:443", "--admin-host", "names.example")
    assert web.ask("/", user=ADMIN, host=host).status == status


@pytest.mark.parametrize("name", ["Host", "Origin", "Sec-Fetch-Site"])
def test_headers_that_are_no_text(name):
    """A header of whatever bytes gets a refusal, and no traceback."""
    web = Web()
    head = f"POST /end HTTP/1.1\r\nHost: {LOCAL}\r\nContent-Length: 0\r\n".encode()
    if name == "Host":
        head = head.replace(LOCAL.encode(), b"\x80\xff")
    else:
        head += name.encode() + b": \x80\xff\r\n"
    with logged() as events:
        response = web.connect().send(head + b"\r\n").response
    assert response.status == (421 if name == "Host" else 403)
    assert not [event for event in events if "log_failure" in event]


def test_a_host_is_asked_for_once():
    """Without a Host header, or with two, nothing is shown."""
    web = Web()
    two = f"Host: {LOCAL}\r\nHost: {LOCAL}\r\n"
    for hosts in ("", two):
        head = f"GET / HTTP/1.1\r\n{hosts}Authorization: {basic(ADMIN)}\r\n\r\n"
        assert web.connect().send(head.encode()).response.status == 421


def test_other_addresses():
    """Where the request came to another address, that is the server's name, and localhost isn't."""
    web = Web()
    for here, host, status in (
        (IPv4Address("TCP", "192.0.2.1", WEB), f"192.0.2.1:{WEB}", 200),
        (IPv4Address("TCP", "192.0.2.1", WEB), LOCAL, 421),
        (IPv6Address("TCP", "2001:db8::1", WEB), f"[2001:DB8:0::1]:{WEB}", 200),
        (IPv6Address("TCP", "::ffff:127.0.0.1", WEB), LOCAL, 200),
    ):
        head = f"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: {basic(ADMIN)}\r\n\r\n"
        assert Asking(web.factories[WEB], host=here).send(head.encode()).response.status == status


def test_a_strange_host_tells_nothing_of_passwords():
    """For another's host no password is checked."""
    web = Web()
    with logged() as events:
        web.ask("/", user="ann:wrong", host="evil.example")
    assert not told(events)


def test_the_button():
    """The button ends one session, leads back, and it is told who ended which."""
    web = Web()
    _, first = web.line(b"bob bob\n")
    web.reactor.advance(1)
    _, second = web.line(b"ann secret\n")
    page = web.ask("/", user=ADMIN).body
    with logged() as events:
        response = press(web, page, 1, Origin=f"http://{LOCAL}", Sec_Fetch_Site="same-origin")
    assert (response.status, response.headers["Location"]) == (303, "/")
    assert first.value().endswith(b"Ended by an operator, goodbye.\r\n")
    assert not second.writeClosed
    [ended] = told(events, "connection.ended")
    assert (ended["door"], ended["user"], ended["ended"]) == ("web", "ann", buttons(page)[1][0])
    assert "'ann' ended the connection of bob from " in str([e.get("text") for e in events])
    after = web.ask("/", user=ADMIN).body
    assert "ending" in after
    assert len(buttons(after)) == 1
    with logged() as events:
        assert press(web, page, 1).status == 303  # it has ended already
    assert not told(events, "connection.ended")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": f"http://{LOCAL}"},
        {"Origin": f"http://{LOCAL}", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_our_own_page_asks(headers):
    """Our page's requests are taken, whatever a browser says of them, and a program's too."""
    web = Web()
    _, transport = web.line(b"bob bob\n")
    assert press(web, web.ask("/", user=ADMIN).body, **headers).status == 303
    assert transport.writeClosed


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Origin": f"https://{LOCAL}"},
        {"Origin": "http://localhost"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"host": f"evil.example:{WEB}"},
    ],
)
def test_another_page_asks(headers):
    """What another page has a browser send ends nothing, not even with a right token."""
    web = Web()
    _, transport = web.line(b"bob bob\n")
    assert press(web, web.ask("/", user=ADMIN).body, **headers).status in (403, 421)
    assert not transport.writeClosed


def test_tokens():
    """A button's token is for one session and one user, and of this server."""
    web, other = Web(admins=("ann", "bob")), Web()
    for one in (web, other):
        one.line(b"bob bob\n")
    _, transport = web.line(b"ann secret\n")
    page = web.ask("/", user=ADMIN).body
    tokens = [token for _, token in buttons(page)]
    others = [buttons(other.ask("/", user=ADMIN).body)[0][1], "", "\u00fc", tokens[0] + "0"]
    with logged() as events:
        for token in [tokens[1], *others]:
            assert press(web, page, 0, token=token).status == 403
        assert press(web, page, 0, user="bob:bob").status == 403
        assert press(web, page, 0, user="bob:wrong").status == 401
    assert not transport.writeClosed
    assert len(told(events, "request.refused")) == 6


@pytest.mark.parametrize("body", [b"", b"id", b"&&&&&&&&&&", b"\xff=\xfe", b"id=1&id=2&token=3"])
def test_forms_that_are_none(body):
    """A form that can't be read ends nothing."""
    with logged() as events:
        assert Web().ask("/end", method="POST", user=ADMIN, body=body).status == 403
    assert not [event for event in events if "log_failure" in event]


def test_methods():
    """The page can't be posted to, and a session is not ended by following a link."""
    web = Web()
    _, transport = web.line(b"bob bob\n")
    [(id_, token)] = buttons(web.ask("/", user=ADMIN).body)
    assert web.ask(f"/end?id={id_}&token={token}", user=ADMIN).status == 405
    assert web.ask("/", method="POST", user=ADMIN).status == 405
    assert web.ask("/", method="HEAD", user=ADMIN).body == ""
    assert not transport.writeClosed


def test_no_page_without_admin():
    """Where nobody is named there is no page."""
    web = Web(admins=())
    assert web.ask("/").status == 404
    assert web.ask("/end", method="POST").status == 404


def test_absolute_form():
    """A request may name its page as to a proxy (RFC 9112, section 3.2.2)."""
    web = Web()
    for target in (b"http://localhost:9222/healthz", b"HTTP://localhost:9222/healthz"):
        head = b"GET " + target + b" HTTP/1.1\r\nHost: localhost:9222\r\n\r\n"
        assert web.connect().send(head).response.status == 200
    head = b"GET http://localhost:9222 HTTP/1.1\r\nHost: localhost:9222\r\n\r\n"
    assert web.connect().send(head).response.status == 401


def test_room():
    """Too many connections push out the oldest of the address that has most, and no other's."""
    web = Web()
    mine = web.connect(peer=IPv4Address("TCP", "192.0.2.8", 1))
    flood = [
        web.connect(peer=IPv4Address("TCP", "192.0.2.9", port)) for port in range(1, CROWD + 5)
    ]
    gone = [each.transport.disconnected for each in flood]
    assert not mine.transport.disconnected
    assert gone == [True] * 5 + [False] * (CROWD - 1)


def test_no_http2():
    """TLS agrees on HTTP/1.1 alone, whatever else Twisted could speak."""
    assert Web().factories[WEB].acceptableProtocols() == [b"http/1.1"]
