"""Waiting for what a server has seen, with one that is made up; no time passes."""

import pytest

from sshecho.testing.errors import NeverSeen
from sshecho.testing.waiting import waitForEvent, waitUntil


class Server:
    """A server that has seen more each time one looks.

    Args:
        looks: the events at each look, of which the last ones stay.
    """

    def __init__(self, *looks):
        self._looks = list(looks)
        self.sessions = []
        self.log = ""

    @property
    def events(self):
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]


@pytest.fixture(autouse=True)
def noPause(monkeypatch):
    """Let no time pass between looks."""
    monkeypatch.setattr("sshecho.testing.waiting._PAUSE", 0)


def event(name, **fields):
    return {"event": name, **fields}


def test_event():
    """An event is found when it comes: the first that has what it has to have."""
    bob, eve = event("logout", user="bob"), event("logout", user="eve")
    server = Server([], [event("login.ok")], [bob, eve])
    assert waitForEvent(server, "logout", 60, {"user": "eve"}) is eve
    assert waitForEvent(server, "logout", 0, {}) is bob


def test_looked_at_once():
    """Without time to wait one looks once, and what has happened is found."""
    assert waitForEvent(Server([event("logout")]), "logout", 0, {}) == event("logout")
    with pytest.raises(NeverSeen, match="nothing has happened: no client has come"):
        waitForEvent(Server([]), "logout", 0, {})


def test_field_that_is_missing():
    """A field that an event does not have is None."""
    server = Server([event("session.close", exit_status=0), event("session.close")])
    found = waitForEvent(server, "session.close", 0, {"exit_status": None})
    assert found == event("session.close")


def test_near_misses():
    """Events of that name are told of with what they have instead, the same ones once."""
    server = Server([event("logout", user="bob")] * 3 + [event("logout"), event("other")])
    with pytest.raises(NeverSeen) as caught:
        waitForEvent(server, "logout", 0, {"user": "eve"})
    assert str(caught.value) == (
        "the event 'logout' with user='eve': not seen within 0 s\n"
        "  it came with user='bob'\n"
        "  it came with user=None\n"
        "events: logout (4), other (1)"
    )


def test_much_has_happened():
    """Of much that has happened, the last of it is told, and how much there was before."""
    server = Server([event("logout")])
    server.log = "".join(f"line {number}\n" for number in range(100))
    with pytest.raises(NeverSeen) as caught:
        waitForEvent(server, "login.ok", 0.0, {})
    lines = str(caught.value).splitlines()
    assert lines[1:5] == ["events: logout (1)", "log:", "  ... 80 more", "  line 80"]
    assert lines[-1] == "  line 99"


def test_callable():
    """A callable is called until it returns something true, which is returned."""
    found = iter([None, 0, "", [], "found"])
    assert waitUntil(Server([]), lambda server: next(found), 60) == "found"


def test_callable_that_finds_nothing():
    """What a callable is called, and where it stands, is in the complaint."""

    def hasLeft(server):
        return False

    with pytest.raises(NeverSeen, match=r"^hasLeft \(line \d+ of .*\): not seen within 0 s"):
        waitUntil(Server([]), hasLeft, 0)


def test_callable_that_raises():
    """IndexError means not yet, and is shown when it stays so; all else is the test's."""
    server = Server([])

    def first(server):
        return server.sessions[0]

    with pytest.raises(NeverSeen) as caught:
        waitUntil(server, first, 0)
    assert isinstance(caught.value.__cause__, IndexError)
    server.sessions.append("first")
    assert waitUntil(server, first, 0) == "first"
    with pytest.raises(KeyError):
        waitUntil(server, lambda server: {}["x"], 60)
