"""The audit log, as real clients fill it."""

import json
import socket
import subprocess
import sys
from collections import Counter

import pytest
from attacking.attacker import LOGGED_IN, receive
from helpers import VISIT, eventually
from serving import PATIENCE, ROOT, environment
from watching import target

FIELDS = {"time", "event", "door", "connection", "peer"}


@pytest.fixture
def audited(serve, private):
    """A server with an audit log; yields it and a function that returns the events so far."""
    path = private / "audit"

    def events(*names):
        found = [json.loads(line) for line in path.read_text().splitlines()]
        return [event for event in found if not names or event["event"] in names]

    with serve("--audit", str(path)) as server:
        yield server, events
    assert [event["event"] for event in events()][-1] == "server.stop"
    kinds = Counter(event["event"] for event in events())
    assert kinds["connection.open"] == kinds["connection.close"]
    assert kinds["login.ok"] == kinds["logout"]
    assert kinds["session.open"] == kinds["session.close"]


def test_a_command(audited, runSSH):
    """OpenSSH's visit is told of under one name, in order, with what belongs to each step."""
    server, events = audited
    assert runSSH(server, "hello", "world").returncode == 0
    eventually(lambda: events("connection.close"))
    start, *told, closed = events()
    assert start["event"] == "server.start"
    assert {door["kind"] for door in start["doors"]} == {"ssh", "line"}
    assert [event["event"] for event in (*told, closed)] == VISIT
    assert all(event.keys() >= FIELDS for event in (*told, closed))
    assert len({(event["connection"], event["peer"]) for event in (*told, closed)}) == 1
    assert (told[1]["user"], told[1]["method"]) == ("user", "password")
    assert (told[2]["request"], told[2]["command"]) == ("exec", "hello world")
    assert (told[3]["exit_status"], told[3]["sent"]) == (0, len("hello world\n"))
    assert closed["seconds"] > 0
    assert closed["sent"] == len("hello world\n")


def test_refusals(audited, ssh):
    """What is not to be had here is told of, and the connection goes on."""
    server, events = audited
    command, env = ssh(server, options=("-N", "-R", "0:localhost:1"))
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as client:
        eventually(lambda: events("request.refused"))
        client.terminate()
    assert events("request.refused")[0]["request"] == "tcpip-forward"


def test_line(audited):
    """At the line door it is the same, and a denial says why."""
    server, events = audited
    with target(server).lineSession() as session:
        session.sendall(b"Hi")
        assert receive(session, 2) == b"Hi"
    with target(server).connect(server.line_port) as denied:
        denied.sendall(b"nobody wrong\n")
        assert receive(denied, 100)
    eventually(lambda: len(events("connection.close")) == 2)
    [login], [denial] = events("login.ok"), events("login.denied")
    assert (login["door"], login["user"], login["method"]) == ("line", "user", "password")
    assert (denial["user"], denial["why"]) == ("nobody", "no such user")
    assert [event["why"] for event in events("connection.close")] == [
        "the client has gone",
        "denied",
    ]
    assert events("session.close")[0]["received"] == 2


def test_standard_output(private):
    """`--audit -` writes to standard output, and short lines for people to standard error."""
    command = [sys.executable, "-m", "sshecho", "serve", "--ssh", "off", "--audit", "-"]
    command += ["--line", "tcp:0:interface=127.0.0.1"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        start = json.loads(process.stdout.readline())
        port = int(start["doors"][0]["address"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(b"user pass\n")
            assert receive(connection, len(LOGGED_IN)) == LOGGED_IN
        events = [json.loads(process.stdout.readline())["event"] for _ in range(6)]
        process.terminate()
        rest, said = process.communicate(timeout=PATIENCE)
    assert events == VISIT
    assert json.loads(rest)["event"] == "server.stop"
    assert "line: 'user' logged in by password from 127.0.0.1:" in said
    assert "{" not in said
