"""A machine that runs out of things, or loses files: who is in is served, and it recovers."""

import json
import os
import resource
import signal

import pytest
from attacking.attacker import Attacker, closedWithin, receive
from helpers import eventually
from watching import descriptors, echoes, target

DENIED = b"Login denied, goodbye.\r\n"


def said(server, text) -> bool:
    return any(text in line for line in server.lines)


def denied(server) -> bool:
    """Whether the right password gets nobody in."""
    with target(server).connect(server.line_port) as connection:
        connection.sendall(b"user pass\n")
        return receive(connection, len(DENIED)) == DENIED


@pytest.fixture
def sound():
    """See to it that a server has left no traceback."""
    servers = []
    yield servers.append
    for server in servers:
        assert not said(server, "Traceback"), server.lines


def test_descriptors(serve, sound):
    """Without a descriptor left it says so, and lets others in afterwards."""
    with serve() as server:
        sound(server)
        session = target(server).lineSession()
        pid = server.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(server), limits[1]))
        for _ in range(5):
            assert closedWithin(target(server).connect(server.line_port), 5)
        assert echoes(session)
        eventually(lambda: said(server, "no connection can be accepted"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert echoes(target(server).lineSession())


def test_users(serve, write, sound):
    """Without its file nobody is let in, and with it they are again."""
    users = write("users", "user:pass\n")
    with serve("--auth", f"file:{users}") as server:
        sound(server)
        session = target(server).lineSession()
        users.rename(f"{users}.away")
        assert denied(server)
        assert echoes(session)
        eventually(lambda: said(server, "No such file"))
        os.rename(f"{users}.away", users)
        assert echoes(target(server).lineSession())


def test_host_key(serve, private, sound):
    """A vanished host key is said at SIGHUP, and the old one stays in use."""
    with serve() as server:
        sound(server)
        session = target(server).lineSession()
        before = Attacker(target(server)).client.hostKey
        keys = private / "keys"
        key = keys / "ssh_host_ed25519_key"
        key.write_text("no key")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: said(server, "the old one stays"))
        assert echoes(session)
        assert Attacker(target(server)).client.hostKey == before


def test_full_disk(serve, private, sound):
    """An audit log that can't grow is said, and nothing is lost once it can again."""
    audit = private / "audit"
    with serve("--audit", str(audit)) as server:
        sound(server)
        session = target(server).lineSession()
        pid = server.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        most = audit.stat().st_size + 100  # which ends in the middle of a line
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, limits[1]))
        for _ in range(50):
            target(server).lineSession().close()
        assert echoes(session)
        eventually(lambda: said(server, "File too large"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        eventually(lambda: said(server, "it is written again, 0 events were lost"))
        assert sum(line["event"] == "login.ok" for line in records(audit)) == 51


def records(path):
    """Return the audit log's events."""
    return [json.loads(line) for line in path.read_text().splitlines()]
