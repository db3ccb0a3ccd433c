"""What operators look at: metrics, health and the page, over real sockets."""

import base64
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from contextlib import suppress

import pytest
from browser import browser
from helpers import eventually
from prometheus_client.parser import text_string_to_metric_families
from serving import PATIENCE, ROOT, environment

METRICS = ("--metrics", "tcp:0:interface=127.0.0.1")
SCRIPT = "<script>alert(1)</script>"
USERS = ("--auth", f"memory:ann:secret:user:pass:{SCRIPT}:pass", "--admin", "ann")


processes = pytest.mark.parametrize(
    "workers", [(), ("--workers", "2")], ids=["one process", "workers"]
)


def ask(server, path, user=None, port=None, context=None, **headers):
    """Return status and text of what is asked for."""
    port = port or server.web_port
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    else:
        connection = http.client.HTTPSConnection(
            "localhost", port, timeout=PATIENCE, context=context
        )
    if user is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def samples(server) -> dict[tuple[str, ...], float]:
    """Return each sample's value, by its name and the values of its labels in their order."""
    status, text = ask(server, "/metrics")
    assert status == 200
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@processes
def test_metrics(serve, runSSH, workers):
    """After real visits the numbers are what has happened, and live sessions are among them."""
    with serve(*METRICS, *workers) as server:
        assert runSSH(server, "-T", input=b"x" * 1000).returncode == 0
        assert runSSH(server, "hello").returncode == 0
        assert runSSH(server, "hello", password="wrong").returncode == 255
        with server.connect() as connection:
            connection.sendall(b"user pass\nHello\n")
            received = b""
            while not received.endswith(b"Hello\n"):
                received += connection.recv(1000)
            eventually(lambda: samples(server)["sshecho_connections_open", "ssh"] == 0)
            found = samples(server)
    assert found["sshecho_connections_total", "ssh"] == 3
    assert found["sshecho_logins_total", "ssh", "password", "ok"] == 2
    assert found["sshecho_logins_total", "ssh", "password", "denied"] == 1
    assert found["sshecho_sessions_total", "ssh", "shell"] == 1
    assert found["sshecho_sessions_total", "ssh", "exec"] == 1
    assert found["sshecho_data_bytes_total", "received", "ssh"] == 1000
    assert found["sshecho_data_bytes_total", "sent", "ssh"] == 1006
    assert found["sshecho_logins_open", "line"] == 1
    assert found["sshecho_data_bytes_total", "sent", "line"] == 6
    assert found["sshecho_handshake_seconds_count", "ssh"] == 3
    assert found["sshecho_echo_seconds_count", "ssh"] >= 1
    assert found["sshecho_echo_seconds_count", "line"] == 1


def test_a_worker_dies(serve):
    """What a worker has counted by then stays counted when it dies."""
    with serve(*METRICS, "--workers", "2") as server:
        for _ in range(4):
            with server.connect() as connection:
                connection.sendall(b"user pass\n")
                assert connection.recv(100)
        eventually(lambda: samples(server)["sshecho_connections_open", "line"] == 0)
        before = samples(server)
        assert before["sshecho_logins_total", "line", "password", "ok"] == 4
        [pid] = [int(line.split()[-1]) for line in server.lines if "worker 1 is process" in line]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: any("worker 1 has ended" in line for line in server.lines))
        after = samples(server)
    assert all(after[name] >= value for name, value in before.items() if "total" in name[0])


@processes
def test_health_while_it_ends(serve, workers):
    """While somebody is given what they are owed the server is not well, and then it is gone."""
    with serve(*METRICS, *workers) as server, server.connect() as connection:
        connection.sendall(b"user pass\n")
        assert connection.recv(100)
        assert ask(server, "/healthz") == (200, "ok\n")
        connection.setblocking(False)
        with suppress(BlockingIOError):
            while True:  # it sends, and never reads
                connection.send(bytes(1 << 16))
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: ask(server, "/healthz") == (503, "the server is going down\n"))
        connection.close()
        assert server.process.wait(PATIENCE) == 0
    assert "".join(server.lines).count("Traceback") == 0


def test_tls(serve, certificate):
    """The page over TLS, on all addresses, by names that were given, and by no others."""
    context = ssl.create_default_context(cafile=certificate)
    endpoint = ("--metrics", f"ssl:0:privateKey={certificate}:interface=0.0.0.0")
    with serve(*USERS, *endpoint, "--admin-host", "localhost") as server:
        eventually(lambda: any("web door" in line for line in server.lines))
        [said] = [line for line in server.lines if "web door" in line]
        port = int(said.partition("web door at 0.0.0.0:")[2].partition(":")[0])
        for user, status in (("ann:secret", 200), ("ann:wrong", 401), ("user:pass", 401)):
            assert ask(server, "/", user, port, context)[0] == status
        host = f"evil.example:{port}"
        assert ask(server, "/", "ann:secret", port, context, Host=host)[0] == 421


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            (*USERS, "--metrics", "tcp:0"),
            "sshecho: the web door at tcp:0: --admin needs an ssl: endpoint,"
            " unless it is on loopback",
        ),
        (("--metrics", "bogus"), "sshecho: the web door at bogus: not a Twisted server endpoint"),
    ],
)
def test_refused(private, options, why):
    """What may not be, or can't, is said in one line, and nothing is opened."""
    closed = ("--line", "tcp:0:interface=127.0.0.1", "--ssh", "off")
    done = subprocess.run(
        [sys.executable, "-m", "sshecho", "serve", *closed, *options],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(why)
    assert done.stderr.count("\n") == 1


@processes
def test_a_browser(serve, ssh, need, private, workers):
    """In a browser an administrator sees who is there, harmlessly, and ends a session."""
    audit = private / "audit"
    options = (*USERS, *METRICS, "--audit", str(audit), *workers)
    with serve(*options) as server, server.connect() as line:
        line.sendall(f"{SCRIPT} pass\n".encode())
        assert line.recv(100)
        command, env = ssh(server, "-T")
        client = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with client, browser(need, private) as window:
            client.stdin.write(b"Hi\n")
            client.stdin.flush()
            assert client.stdout.readline() == b"Hi\n"
            window.open(f"http://127.0.0.1:{server.web_port}/")
            assert "Live sessions" not in window.text()
            window.open(f"http://ann:secret@127.0.0.1:{server.web_port}/")
            assert "sshecho: live sessions" in window.run("return document.title")
            assert window.run("return document.scripts.length") == 0
            style = "return getComputedStyle(document.querySelector('dl')).display"
            assert window.run(style) == "flex"  # our policy lets our own style through
            [name, port] = line.getsockname()
            row = window.text(f"//tr[contains(., '{SCRIPT}')]")
            assert f"{name}:{port} line" in row
            assert "3 B" in window.text("//tr[contains(., 'ssh')]")
            assert window.screenshot().startswith(b"\x89PNG")
            window.click("//tr[contains(., 'ssh')]//button")
            assert client.wait(PATIENCE) == 255
            assert b"ended by an operator" in client.stderr.read()
            window.open(f"http://127.0.0.1:{server.web_port}/")
            assert not window.find("//tr[contains(., 'ssh')]//button")
            window.click(f"//tr[contains(., '{SCRIPT}')]//button")
            assert line.recv(100) == b"Ended by an operator, goodbye.\r\n"
    events = [json.loads(text) for text in audit.read_text().splitlines()]
    ended = [event for event in events if event["event"] == "connection.ended"]
    assert [event["user"] for event in ended] == ["ann", "ann"]
    visits = {event["connection"] for event in events if event["event"] == "connection.open"}
    assert {event["ended"] for event in ended} == visits
    logins = [event["event"] for event in events if event.get("door") == "web"]
    assert logins.count("login.ok") == logins.count("logout") > 0
