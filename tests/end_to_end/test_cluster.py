"""A cluster: a shared PostgreSQL, two nodes and HAProxy, and what becomes of it when parts go."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack, suppress
from itertools import takewhile
from pathlib import Path
from tempfile import mkdtemp

import pytest
from attacking.attacker import LOGGED_IN, receive
from clustering.balancer import PATH, configure
from clustering.cluster import cluster
from clustering.place import BALANCER, NODES, ClusterError, Ports
from helpers import eventually
from postgresql import PROGRAMS, freePort
from serving import PATIENCE, ROOT, environment

DENIED = b"Login denied, goodbye.\r\n"
PENALIZED = b"Too many failed logins, goodbye.\r\n"
ALICE = ("alice", "secret of alice")


def freePorts() -> Ports:
    return Ports(*(freePort() for _ in range(5)))


@pytest.fixture(scope="module")
def needed(need):
    """See to it that the programs are there."""
    need(str(PROGRAMS[-1] / "initdb") if PROGRAMS else "initdb")
    need(shutil.which("haproxy", path=PATH) or "haproxy")


@pytest.fixture(scope="module")
def said():
    """What the programs say."""
    return []


@pytest.fixture(scope="module")
def running(needed, said, tmp_path_factory, userKey):
    """A cluster with a user, who has a password and a key."""
    with cluster(freePorts(), said.append) as running:
        running.store.addUser(*ALICE)
        running.store.addKey(ALICE[0], userKey.public().toString("OPENSSH").decode())
        yield running
    assert not [line for line in said if "Traceback" in line]


@pytest.fixture
def command(running, need, write, userKey):
    """Return a function that makes the command line of an ssh, which has the user's key."""
    program = need("ssh")
    key = write("id", userKey.toString("OPENSSH"))

    def make(host, source, *arguments):
        return [
            *(program, "-F", "none", "-p", str(running.ports.ssh), "-b", source, "-i", str(key)),
            *("-o", f"UserKnownHostsFile={running.knownHosts}", "-o", "BatchMode=yes"),
            *("-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"),
            *("-o", "LogLevel=ERROR", "-l", ALICE[0], host, *arguments),
        ]

    return make


def run(command) -> bytes:
    """Return what an ssh prints; it has to succeed."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def connect(ports, host, source) -> socket.socket:
    """Return a connection to a line door."""
    where = (host, ports.line)
    connection = socket.create_connection(where, PATIENCE, source_address=(source, 0))
    connection.settimeout(PATIENCE)
    return connection


def login(ports, host, source="127.0.0.1", user=ALICE[0], password=ALICE[1]) -> bytes:
    """Return what a login at a line door gets."""
    with connect(ports, host, source) as connection, suppress(ConnectionResetError):
        connection.sendall(f"{user} {password}\n".encode())
        return receive(connection, len(LOGGED_IN))
    return b""


def events(running, name, event):
    """Return a node's events of a kind."""
    lines = running.nodes[name].audit.read_text().splitlines()
    return [found for found in map(json.loads, lines) if found["event"] == event]


def nodeOf(running, source) -> str:
    """Return the node that a source has logged in at."""
    [name] = {
        name
        for name in NODES
        for event in events(running, name, "login.ok")
        if event["peer"].startswith(f"{source}:")
    }
    return name


def test_users(running, command):
    """A user that is added once logs in through HAProxy and at each node, by password and key."""
    for host in (BALANCER, *NODES.values()):
        assert login(running.ports, host) == LOGGED_IN
        assert login(running.ports, host, password="wrong").startswith(DENIED[:10])
        assert run(command(host, "127.0.0.1", "Hi")) == b"Hi\n"
    running.store.addUser("bob", "secret of bob")
    for host in (BALANCER, *NODES.values()):
        assert login(running.ports, host, user="bob", password="secret of bob") == LOGGED_IN


def test_addresses(running, command):
    """Behind HAProxy inspect and the audit log have the client's own address."""
    for door, source in (("ssh", "127.0.0.5"), ("line", "127.0.0.6")):
        if door == "ssh":
            seen = json.loads(run(command(BALANCER, source, "-s", "inspect")))
            assert seen["peer"].startswith(f"{source}:")
            assert seen["host"] == f"{BALANCER}:{running.ports.ssh}"
        else:
            assert login(running.ports, BALANCER, source) == LOGGED_IN
        name = nodeOf(running, source)
        [told] = [
            event
            for event in events(running, name, "connection.open")
            if event["peer"].startswith(f"{source}:")
        ]
        assert told["door"] == door


def test_checks_are_no_visits(running):
    """No node tells of HAProxy's own connections."""
    for name in NODES:
        opened = events(running, name, "connection.open")
        assert not [event for event in opened if event["peer"].startswith(f"{BALANCER}:")]


def test_penalties(running):
    """Guesses are added up over the nodes, and each node refuses whoever has made too many."""
    source = "127.0.0.7"
    hosts = [BALANCER, *NODES.values()]
    for host in hosts * 3:
        answer = login(running.ports, host, source, password="wrong")
        assert answer[:10] in (DENIED[:10], PENALIZED[:10])

    def refused(host):
        return login(running.ports, host, source).startswith(PENALIZED[:10])

    for host in hosts:
        eventually(lambda host=host: refused(host), 4)
    assert login(running.ports, BALANCER, "127.0.0.8") == LOGGED_IN


class Session:
    """A session through HAProxy by a real ssh, from a source of its own."""

    def __init__(self, command, source):
        self.source = source
        self.process = subprocess.Popen(
            command(BALANCER, source),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def echoes(self) -> bool:
        """Whether a line comes back; not, once the session has ended."""
        try:
            self.process.stdin.write(b"Hi\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        return self.process.stdout.readline() == b"Hi\n"


class Load:
    """Logins one after the other, until the end of the block.

    Attributes:
        done: whether each went well.
    """

    def __init__(self, running, source):
        self.done = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(running, source))

    def _run(self, running, source):
        while not self._over.is_set():
            self.done.append(login(running.ports, BALANCER, source) == LOGGED_IN)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def test_killed_node(running, command):
    """A node that is killed under load takes its own sessions with it, and no others."""
    with ExitStack() as stack:
        load = stack.enter_context(Load(running, "127.0.2.1"))
        sessions = [stack.enter_context(Session(command, f"127.0.1.{n}")) for n in range(1, 7)]
        assert all(session.echoes() for session in sessions)
        nodes = {session.source: nodeOf(running, session.source) for session in sessions}
        assert set(nodes.values()) == set(NODES)
        running.nodes["node1"].kill()
        for session in sessions:
            assert session.echoes() is (nodes[session.source] == "node2")
        for _ in range(4):
            assert login(running.ports, BALANCER) == LOGGED_IN
        so_far = len(load.done)
        eventually(lambda: len(load.done) > so_far + 3)
        assert load.done.count(False) <= 1  # the one that was under way
        assert all(load.done[so_far:])
        before = len(events(running, "node1", "login.ok"))
        running.startNode("node1")
        eventually(lambda: len(events(running, "node1", "login.ok")) > before)
        assert all(s.echoes() for s in sessions if nodes[s.source] == "node2")


def test_without_the_database(running, command, said):
    """While PostgreSQL is away sessions go on and logins are denied; then all works again."""
    source = "127.0.0.9"
    with Session(command, "127.0.1.9") as session:
        assert session.echoes()
        running.store.server.stop()
        try:
            assert session.echoes()
            for _ in range(8):  # which are no guesses
                assert login(running.ports, BALANCER, source).startswith(DENIED[:10])
            assert session.echoes()
            for name in NODES:
                text = f"{name}: .* penalties are this node's own"
                eventually(lambda text=text: says(said, text))
        finally:
            running.store.server.start()
        eventually(lambda: login(running.ports, BALANCER, source) == LOGGED_IN)
        assert session.echoes()
        for name in NODES:
            eventually(lambda name=name: says(said, f"{name}: .* shared with other nodes again"))


def says(said, text) -> bool:
    return any(re.search(text, line) for line in said)


def test_no_example_is_left():
    """The configuration for trying out has loopback's addresses in place of all the examples'."""
    lines = configure(Ports()).splitlines()
    assert not [line for line in lines if "192.0.2." in line and not line.startswith("#")]


def test_another_configuration(monkeypatch, private):
    """A configuration that lacks an address is said to."""
    (private / "haproxy").mkdir()
    (private / "haproxy" / "haproxy.cfg").write_text("bind 192.0.2.10:2222\n")
    monkeypatch.setattr("clustering.balancer.DEPLOY", private)
    with pytest.raises(ClusterError, match=r"'bind 192\.0\.2\.10:8000' is not in it"):
        configure(Ports())


@pytest.fixture
def place():
    """A folder that other users can reach, as PostgreSQL's."""
    folder = Path(mkdtemp(prefix="sshecho-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_script(needed, place):
    """The script tells how to log in, and leaves nothing behind."""
    ports = freePorts()
    command = [
        *(ROOT / "scripts" / "deploy" / "cluster", "--ssh", str(ports.ssh)),
        *("--line", str(ports.line), "--proxied-ssh", str(ports.proxiedSSH)),
        *("--proxied-line", str(ports.proxiedLine), "--health", str(ports.health)),
    ]
    env = environment(TMPDIR=str(place))
    silent = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=silent, text=True, env=env
    ) as process:
        try:
            told = list(takewhile(lambda line: not line.startswith("Ctrl-C"), process.stdout))
            [add] = [line.split(":", 1)[1] for line in told if line.startswith("add a user:")]
            added = subprocess.run(add, shell=True, input=b"new\n", capture_output=True)
            assert b"'alice' is added" in added.stdout, added.stderr
            for user in (("alice", "new"), ("user", "pass")):
                assert login(ports, BALANCER, "127.0.0.1", *user) == LOGGED_IN
            assert left(place)
        finally:
            for _ in range(2):  # impatience leaves nothing behind either
                process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 130
    assert os.listdir(place) == []
    assert left(place) == []


def left(place) -> list[bytes]:
    """Return the command lines of processes that have to do with a folder."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            lines.append((process / "cmdline").read_bytes())
    return [line for line in lines if str(place).encode() in line]
