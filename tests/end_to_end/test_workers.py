"""Several processes behind the doors."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest
from attacking.attacker import LOGGED_IN, Attacker, receive
from helpers import eventually
from serving import PATIENCE
from watching import OTHER, echoes, target

DENIED = b"Login denied, goodbye.\r\n"
PENALIZED = b"Too many failed logins, goodbye.\r\n"
TOO_MANY = b"Too many connections, goodbye.\r\n"


def workers(server) -> list[int]:
    """Return the processes of a server's workers that serve, oldest first."""
    shown = subprocess.run(
        ["ps", "--ppid", str(server.process.pid), "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return [int(line.split()[0]) for line in shown.splitlines() if "sshecho.workers" in line]


def read(audit: Path, *names: str) -> list[dict[str, object]]:
    """Return the events of an audit log, by their names."""
    found = [json.loads(line) for line in audit.read_text().splitlines()]
    return [event for event in found if not names or event["event"] in names]


def said(server, text: str) -> bool:
    """Whether a server has said something."""
    return any(text in line for line in server.lines)


@pytest.fixture
def audit(private) -> Path:
    """Where an audit log is to be."""
    return private / "audit"


@pytest.fixture
def crew(serve, audit):
    """A server with two workers and an audit log."""
    with serve("--workers", "2", "--audit", str(audit)) as server:
        yield server
    assert not any("Traceback" in line for line in server.lines), server.lines
    logins = Counter(event["event"] for event in read(audit, "login.ok", "logout"))
    assert logins["login.ok"] == logins["logout"]


def pids(audit: Path) -> dict[int, int]:
    """Return the process of each worker that was started."""
    return {event["worker"]: event["worker_pid"] for event in read(audit, "worker.start")}


def whose(audit: Path, session: socket.socket) -> int:
    """Return the number of the worker that has a session."""
    peer = "{}:{}".format(*session.getsockname())

    def found() -> list[object]:
        return [event["worker"] for event in read(audit, "login.ok") if event["peer"] == peer]

    eventually(lambda: bool(found()))
    [worker] = found()
    return worker


def test_balance(crew, audit):
    """Workers have as many connections as each other, at most one apart, at both doors."""
    aim = target(crew)
    sessions = [aim.lineSession() for _ in range(7)]
    shells = [Attacker(aim).login().shell() for _ in range(4)]
    held = Counter(whose(audit, each) for each in [*sessions, *(each.socket for each in shells)])
    assert sorted(held.values()) == [5, 6]
    assert all(echoes(session) for session in sessions)
    for shell in shells:
        shell.socket.sendall(shell.data(b"Hi"))
        assert shell.readData(2) == b"Hi"


def test_told_apart(crew, audit):
    """Processes have names, numbers and logs of their own, and no secret in the list of them."""
    assert echoes(target(crew).lineSession())
    first, second = workers(crew)
    shown = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in (first, second)]
    assert sorted(each[-2] for each in shown) == [b"1", b"2"]
    names = {Path(f"/proc/{pid}/comm").read_text() for pid in (first, second)}
    assert names == {"sshecho:1\n", "sshecho:2\n"}
    assert said(crew, "worker 1 is process ")
    eventually(lambda: said(crew, "line: 'user' logged in"))
    [line] = [line for line in crew.lines if "'user' logged in" in line]
    assert re.search(r"^\d\d:\d\d:\d\d worker [12]: line: 'user' logged in by password", line)
    assert set(pids(audit).values()) == {first, second}


def test_death(crew, audit):
    """When a worker dies its sessions alone end, each with its logout, and it is replaced."""
    aim = target(crew)
    sessions = [aim.lineSession() for _ in range(6)]
    homes = [whose(audit, session) for session in sessions]
    os.kill(pids(audit)[1], signal.SIGKILL)
    for session, home in zip(sessions, homes, strict=True):
        if home == 1:
            with suppress(ConnectionResetError):
                assert session.recv(1) == b""
        else:
            assert echoes(session)
    eventually(lambda: len(pids(audit)) == 3)
    assert echoes(aim.lineSession())
    assert len(read(audit, "logout")) == 3
    whys = [event["why"] for event in read(audit, "connection.close")]
    assert whys[:3] == ["worker 1 has died"] * 3
    again = [aim.lineSession() for _ in range(4)]
    assert Counter(whose(audit, session) for session in again)[3] >= 3


def test_all_die(crew, audit):
    """When all workers are dead, clients wait for the next ones, and get in."""
    eventually(lambda: len(workers(crew)) == 2)
    for pid in workers(crew):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: sum("has ended" in line for line in crew.lines) == 2)
    assert echoes(target(crew).lineSession())


def test_one_is_sent_away(crew, audit):
    """A worker that is told to end gives its clients their echo, and another takes its place."""
    session = target(crew).lineSession()
    home = whose(audit, session)
    session.sendall(b"last words")
    os.kill(pids(audit)[home], signal.SIGTERM)
    assert receive(session, 100) == b"last words"
    eventually(lambda: len(pids(audit)) == 3)
    eventually(lambda: len(read(audit, "worker.end")) == 1)
    assert read(audit, "worker.end")[0]["worker"] == home
    assert echoes(target(crew).lineSession())


def test_limits(serve):
    """Limits hold for all workers together."""
    options = ["--workers", "2", "--max-connections", "12", "--max-startups", "3"]
    with serve(*options) as server:
        aim, other = target(server), target(server, OTHER)
        sessions = [aim.lineSession() for _ in range(11)]  # nine tenths, for one source
        assert receive(aim.connect(server.line_port), 100) == TOO_MANY
        assert receive(aim.connect(server.ssh_port), 100) == TOO_MANY
        while sessions:
            sessions.pop().close()
        eventually(lambda: sum("ended a session" in line for line in server.lines) == 11)
        time.sleep(0.2)  # the parent hears of it a moment later
        waiting = [other.connect(server.line_port)]
        waiting += [aim.connect(server.line_port) for _ in range(3)]
        with suppress(ConnectionResetError):
            assert waiting[1].recv(1) == b""  # of the source with the most, the oldest
        for connection in (waiting[0], *waiting[2:]):
            connection.sendall(b"user pass\n")
            assert receive(connection, len(LOGGED_IN)) == LOGGED_IN


def test_penalties(serve):
    """Guesses at one worker slow their source down at all of them, new ones too."""
    with serve("--workers", "2", "--penalize-loopback") as server:
        guesser = target(server, OTHER)
        early = [guesser.connect(server.line_port) for _ in range(4)]
        for _ in range(6):
            connection = guesser.connect(server.line_port)
            connection.sendall(b"user wrong\n")
            assert receive(connection, 100) == DENIED
        for port in (server.ssh_port, server.line_port):
            eventually(lambda port=port: receive(guesser.connect(port), 100) == PENALIZED)
        for connection in early:  # which both workers have
            connection.sendall(b"user pass\n")
            assert receive(connection, 100) == DENIED
        for pid in workers(server):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: sum("has ended" in line for line in server.lines) == 2)
        assert echoes(target(server).lineSession())
        assert receive(guesser.connect(server.line_port), 100) == PENALIZED


def test_behind_a_proxy(serve, audit):
    """Behind a proxy, too, the parent counts each connection for the client that is named."""
    options = ["--workers", "2", "--audit", str(audit), "--auth", "memory:user:pass"]
    options += ["--trusted-proxy", "127.0.0.1", "--ssh", "off"]
    door = ["--line", "haproxy:tcp:0:interface=127.0.0.1"]
    with serve(*options, *door) as server:

        def login(host: str, line: bytes) -> bytes:
            connection = target(server).connect(server.line_port)
            header = f"PROXY TCP4 {host} 192.0.2.9 5000 22\r\n".encode()
            connection.sendall(header + line)
            return receive(connection, len(LOGGED_IN))

        assert login("192.0.2.1", b"user pass\n") == LOGGED_IN
        for _ in range(6):
            assert login("192.0.2.2", b"user wrong\n") == DENIED
        assert login("192.0.2.2", b"user pass\n") == PENALIZED
        assert login("192.0.2.1", b"user pass\n") == LOGGED_IN
        assert receive(target(server, OTHER).connect(server.line_port), 1) == b""
    assert {event["peer"] for event in read(audit, "login.ok")} == {"192.0.2.1:5000"}
    assert not any("Traceback" in line for line in server.lines), server.lines


def test_orphans(serve):
    """When the parent is killed the workers say goodbye to their clients, and end."""
    with serve("--workers", "2") as server:
        sessions = [target(server).lineSession() for _ in range(2)]
        for session in sessions:
            session.sendall(b"last words")
        left = workers(server)
        server.process.kill()
        for session in sessions:
            assert receive(session, 100) == b"last words"
        for pid in left:
            eventually(lambda pid=pid: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_hang(serve):
    """A worker that hangs is killed at the end, which comes all the same, with status 0."""
    with serve("--workers", "2") as server:
        sessions = [target(server).lineSession() for _ in range(2)]
        hanging = workers(server)[0]
        os.kill(hanging, signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        assert not _lives(hanging)
        assert len(sessions) == 2
    assert said(server, "hangs, and is killed")
    assert server.lines[-1].endswith("sshecho is closed")


def test_new_ones_cannot_start(serve, write, private):
    """If fresh workers can't start, that is said and the old ones serve on."""
    banner = write("banner", "hello\n")
    with serve("--workers", "2", "--banner", str(banner)) as server:
        session = target(server).lineSession()
        before = workers(server)
        banner.rename(private / "gone")
        server.process.send_signal(signal.SIGUSR2)
        eventually(lambda: said(server, "fresh workers can't start"))
        assert any(f"--banner {banner}: No such file" in line for line in server.lines)
        eventually(lambda: workers(server) == before)
        assert echoes(session)
        assert echoes(target(server).lineSession())
        (private / "gone").rename(banner)
        server.process.send_signal(signal.SIGUSR2)
        eventually(lambda: said(server, "fresh workers have the doors"))
        assert echoes(session)


def test_no_workers(serve):
    """Without workers SIGUSR2 is answered with a word, and the sessions go on."""
    with serve() as server:
        session = target(server).lineSession()
        server.process.send_signal(signal.SIGUSR2)
        eventually(lambda: said(server, "no workers to replace"))
        assert echoes(session)


class Repeating(threading.Thread):
    """Does something again and again, until it is told to stop or that fails."""

    def __init__(self, do) -> None:
        super().__init__()
        self.do = do
        self.stopping = threading.Event()
        self.error: BaseException | None = None
        self.count = 0

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self.do()
                self.count += 1
        except BaseException as error:
            self.error = error


def test_ten_restarts(serve, audit):
    """New workers take the doors ten times under load; nobody is refused or cut, no byte lost."""
    with serve("--workers", "2", "--audit", str(audit)) as server:
        aim = target(server)

        def line() -> None:
            with closing(aim.lineSession()) as session:
                assert echoes(session)

        def shell() -> None:
            attacker = Attacker(aim).login().shell()
            with attacker.socket:
                attacker.socket.sendall(attacker.data(b"are you there?"))
                assert attacker.readData(14) == b"are you there?"

        def noise(session: socket.socket) -> None:
            piece = os.urandom(5000)
            session.sendall(piece)
            assert receive(session, len(piece)) == piece

        sessions = [aim.lineSession() for _ in range(4)]
        staying = [Repeating(partial(noise, session)) for session in sessions]
        coming = [Repeating(line), Repeating(line), Repeating(shell)]
        for thread in (*staying, *coming):
            thread.start()
        for restart in range(1, 11):
            server.process.send_signal(signal.SIGUSR2)
            eventually(lambda due=restart: _takeovers(server) == due)
        for thread in (*staying, *coming):
            thread.stopping.set()
            thread.join(PATIENCE)
            assert thread.error is None
        assert all(thread.count > 10 for thread in (*staying, *coming))
        # Those that stay are in the first workers still, and all between have gone.
        for session in sessions:
            assert echoes(session)
        eventually(lambda: len(workers(server)) == 4)
        for session in sessions:
            session.close()
        eventually(lambda: len(workers(server)) == 2)
    logins = Counter(event["event"] for event in read(audit))
    assert logins["login.ok"] == logins["logout"]
    assert logins["connection.open"] == logins["connection.close"]
    assert logins["login.denied"] == logins["limit.reached"] == 0


def _takeovers(server) -> int:
    return sum("fresh workers have the doors" in line for line in server.lines)


@pytest.mark.parametrize("kind", ["unix", "ssl", "tcp6"])
def test_endpoints(serve, private, certificate, kind):
    """Workers serve whatever endpoint the parent listens at."""
    path = private / "socket"
    endpoint = {
        "unix": f"unix:{path}",
        "ssl": f"ssl:0:interface=127.0.0.1:privateKey={certificate}",
        "tcp6": "tcp6:0:interface=\\:\\:1",
    }[kind]
    options = ["--workers", "2", "--auth", "memory:user:pass", "--ssh", "off", "--line", endpoint]
    with serve(*options) as server:
        [line] = [line for line in server.lines if "line door at" in line]
        port = int((re.findall(r":(\d+): ", line) or ["0"])[-1])
        for _ in range(3):
            if kind == "unix":
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(str(path))
            elif kind == "tcp6":
                connection = socket.create_connection(("::1", port))
            else:
                context = ssl.create_default_context(cafile=str(certificate))
                connection = context.wrap_socket(
                    socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
                )
            connection.sendall(b"user pass\n")
            assert receive(connection, len(LOGGED_IN)) == LOGGED_IN
            assert echoes(connection)
    assert not any("Traceback" in line for line in server.lines), server.lines


def test_twistd(serve, private):
    """Under twistd, too, there are workers, whose words are in its log."""
    command = [
        sys.executable,
        "-c",
        "import sys; from twisted.scripts.twistd import run; run()",
        *("-n", "--pidfile=", "sshecho"),
    ]
    with serve("--workers", "2", command=command) as server:
        session = target(server).lineSession()
        assert echoes(session)
        eventually(lambda: said(server, "worker 1: ") or said(server, "worker 2: "))
        before = set(workers(server))
        server.process.send_signal(signal.SIGUSR2)
        eventually(lambda: said(server, "fresh workers have the doors"))
        assert echoes(session)
        session.close()
        eventually(lambda: not before & set(workers(server)))
        left = workers(server)
    for pid in left:
        eventually(lambda pid=pid: not _lives(pid))
