"""The records, as they were sent and as people read them."""

from sshecho.testing.records import Session, readConnection, readLogin, readSession

SEEN = {
    "connection": "c",
    "door": "ssh",
    "user": "bob",
    "request": "exec",
    "command": "uptime",
    "env": {},
    "input": "\x00\xff",
    "bytes_in": 2,
    "bytes_out": 3,
    "eof": False,
    "open": True,
}


def test_session():
    """Bytes are bytes again, pairs are pairs, and what a door does not have is as usual."""
    session = readSession({**SEEN, "requests": [["exec", True]], "windows": [[80, 24], [81, 25]]})
    assert session.input == b"\x00\xff"
    assert session.requests == [("exec", True)]
    assert session.window == (81, 25)
    assert readSession(SEEN).window is None
    assert readSession(SEEN).signals == ()


def test_session_in_a_line():
    """A session is told in a line, with what is worth it."""
    assert str(readSession(SEEN)) == "ssh exec 'uptime' of bob: 2 bytes in, 3 out, open"
    more = {"eof": True, "open": False, "exit_status": 0, "term": "xterm", "signals": ["INT"]}
    assert str(readSession({**SEEN, **more, "request": "shell", "command": None})) == (
        "ssh shell of bob: 2 bytes in, 3 out, terminal 'xterm', signals INT, EOF, exit status 0, "
        "closed"
    )
    more = {"request": "subsystem", "subsystem": "inspect", "exit_signal": "KILL"}
    assert str(readSession({**SEEN, **more})) == (
        "ssh subsystem 'inspect' of bob: 2 bytes in, 3 out, exit signal KILL, open"
    )
    assert str(readSession({**SEEN, "request": None})).startswith("ssh no program of bob: ")


def test_repr_without_bulk():
    """The input, which may be long, is not in the text of a session that a failed assert shows."""
    assert "input" not in repr(readSession(SEEN))
    assert "uptime" in repr(readSession(SEEN))
    assert isinstance(readSession(SEEN), Session)


def test_login():
    """A login is read from its event, where what it did not show is missing."""
    event = {"event": "login.denied", "time": "t", "door": "ssh", "connection": "c"}
    login = readLogin({**event, "user": "bob", "method": "password", "why": "wrong"})
    assert (login.ok, login.why, login.key, login.user) == (False, "wrong", None, "bob")
    login = readLogin(
        {**event, "event": "login.ok", "user": "bob", "method": "publickey", "key": "SHA256:x"}
    )
    assert (login.ok, login.why, login.key) == (True, "", "SHA256:x")


def test_connection():
    """A connection to the line door has none of what belongs to SSH."""
    seen = {"id": "c", "door": "line", "peer": "p", "user": None, "open": True, "why": ""}
    connection = readConnection({**seen, "bytes_in": 0, "bytes_out": 0})
    assert connection.algorithms is connection.offered is connection.client_version is None
