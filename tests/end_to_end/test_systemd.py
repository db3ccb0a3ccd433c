"""The units for systemd, and what they rest on: sockets that somebody else has opened."""

import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from handingover import end, notifications, start
from helpers import eventually
from sandbox import settings
from serving import PATIENCE, ROOT, environment

UNITS = ROOT / "scripts" / "deploy" / "systemd"
PROGRAM = "/opt/sshecho/bin/sshecho"
CLAIM = re.compile(r"systemd-analyze security`[^.]*?\b(\d\.\d)\b")
SERVE = [sys.executable, "-m", "sshecho", "serve"]
TWISTD = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "sshecho"]
ECHO = b"Login successful, please proceed.\r\nHi\n"


@pytest.fixture
def analyze(need):
    """Return a function that runs systemd-analyze."""
    program = need("systemd-analyze")

    def run(*arguments):
        command = [program, "--no-pager", "--man=no", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    return run


def test_units(analyze, tmp_path):
    """Systemd finds nothing wrong with the units; only the program is not where they expect it."""
    units = []
    for name in ("sshecho.socket", "sshecho.service"):
        units.append(tmp_path / name)
        text = (UNITS / name).read_text()
        units[-1].write_text(text.replace(PROGRAM, sys.executable))
    done = analyze("verify", *units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("page", ["README.md", "scripts/deploy/README.md"])
def test_score(analyze, page):
    """Systemd's score for what the service could do is what the pages say."""
    done = analyze("security", "--offline=true", UNITS / "sshecho.service")
    [score] = re.findall(r"Overall exposure level for sshecho.service: ([\d.]+)", done.stdout)
    [claim] = CLAIM.findall((ROOT / page).read_text())
    assert float(score) <= float(claim)


def test_user(need, tmp_path):
    """The service's user is one that systemd-sysusers makes."""
    service = settings(UNITS / "sshecho.service")
    (tmp_path / "etc").mkdir()
    command = [need("systemd-sysusers"), f"--root={tmp_path}", "-"]
    text = (UNITS / "sshecho.sysusers").read_bytes()
    subprocess.run(command, input=text, check=True, capture_output=True, timeout=PATIENCE)
    [user] = (tmp_path / "etc" / "passwd").read_text().splitlines()
    assert user.split(":")[0] == service["User"][0] == service["Group"][0]
    assert user.endswith("/nologin")


def freePort() -> int:
    with socket.socket(socket.AF_INET6) as free:
        free.bind(("::", 0))
        return free.getsockname()[1]


@contextmanager
def activated(need, folder, notify):
    """Run the units as they are, but for folders and ports, until the end of the block."""
    doors, service = (settings(UNITS / f"sshecho.{kind}") for kind in ("socket", "service"))
    ports = {"2222": freePort(), "127.0.0.1:8000": freePort()}
    addresses = [name.replace(name[-4:], str(ports[name])) for name in doors["ListenStream"]]
    line = service["ExecStart"][0].replace(PROGRAM, shlex.join([sys.executable, "-m", "sshecho"]))
    for place in ("/var/lib/sshecho", "/var/log/sshecho", "/etc/sshecho"):
        (folder / place[1:]).mkdir(parents=True, mode=0o700, exist_ok=True)
        line = line.replace(place, str(folder / place[1:]))
    names = ":".join(["sshecho"] * len(addresses))  # as systemd names them by the unit
    process = subprocess.Popen(
        [
            need("systemd-socket-activate"),
            *(f"--listen={address}" for address in addresses),
            f"--fdname={names}",
            f"--setenv=NOTIFY_SOCKET={notify}",
            *(sys.executable, str(ROOT / "tests" / "end_to_end" / "sandbox.py")),
            str(UNITS / "sshecho.service"),
            *shlex.split(line),
        ],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    known_hosts = folder / "known_hosts"
    try:
        yield SimpleNamespace(
            process=process,
            ssh_port=ports["2222"],
            line_port=ports["127.0.0.1:8000"],
            known_hosts=known_hosts,
        )
    finally:
        end(process)


def talk(connection) -> bytes:
    """Log in at the line door, say something, and return all that comes back."""
    begin(connection)
    return rest(connection)


def begin(connection) -> None:
    connection.settimeout(PATIENCE)
    connection.sendall(b"user pass\nHi\n")
    connection.shutdown(socket.SHUT_WR)


def rest(connection) -> bytes:
    back = b""
    while data := connection.recv(4096):
        back += data
    return back


def connect(port) -> socket.socket:
    """Connect to a port that is about to be opened."""
    found = []

    def opened():
        try:
            found.append(socket.create_connection(("127.0.0.1", port), PATIENCE))
        except ConnectionRefusedError:
            return False
        return True

    eventually(opened)
    return found[0]


def test_the_service(need, private, write, userKey, runSSH):
    """The service starts with its first client, does its work within its bounds, and is told of."""
    etc = private / "etc" / "sshecho"
    (etc / "keys").mkdir(parents=True, mode=0o700)
    write("etc/sshecho/users.txt", "user:pass\n")
    write("etc/sshecho/keys/user", userKey.public().toString("openssh"))
    key = write("key", userKey.toString("openssh"))
    with (
        notifications(private) as told,
        activated(need, private, told.address) as server,
    ):
        with connect(server.line_port) as first:
            assert talk(first) == ECHO
        status = told.await_("READY=1", server.process.pid)
        assert f"ssh door at [::]:{server.ssh_port}" in status[1]
        [public] = (private / "var" / "lib" / "sshecho" / "keys").glob("*.pub")
        server.known_hosts.write_text(f"* {public.read_text()}")
        for more in ({}, {"key": key}):
            done = runSSH(server, "hello", **more)
            assert (done.stdout, done.returncode) == (b"hello\n", 0), done.stderr
        server.process.send_signal(signal.SIGTERM)
        told.await_("STOPPING=1", server.process.pid)
        assert server.process.wait(PATIENCE) == 0
    audit = (private / "var" / "log" / "sshecho" / "audit.log").read_text()
    # The SSH door is one socket for IPv6 and IPv4.
    assert re.search(r'"login.ok", "door": "ssh".*"peer": "127.0.0.1:\d+"', audit)


@pytest.fixture(params=["IPv4", "IPv6", "UNIX"])
def held(request, private):
    """Two listening sockets of a kind, which this process holds, and their domain."""
    family, domain, address = {
        "IPv4": (socket.AF_INET, "INET", lambda door: ("127.0.0.1", 0)),
        "IPv6": (socket.AF_INET6, "INET6", lambda door: ("::", 0)),
        "UNIX": (socket.AF_UNIX, "UNIX", lambda door: str(private / door)),
    }[request.param]
    sockets = []
    for door in ("ssh", "line"):
        sockets.append(socket.socket(family))
        if family == socket.AF_INET6:
            sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sockets[-1].bind(address(door))
        sockets[-1].listen(50)
    yield sockets, domain
    for one in sockets:
        one.close()


def options(private, domain) -> list[str]:
    doors = [
        f"--{door}=systemd:domain={domain}:index={n}" for n, door in enumerate(("ssh", "line"))
    ]
    return [*doors, f"--host-keys={private / 'keys'}", "--auth=memory:user:pass"]


def client(listener) -> socket.socket:
    """Connect to a listening socket; over IPv4 where it takes both."""
    family = socket.AF_UNIX if listener.family == socket.AF_UNIX else socket.AF_INET
    name = listener.getsockname()
    connection = socket.socket(family)
    connection.settimeout(PATIENCE)
    connection.connect(name if family == socket.AF_UNIX else ("127.0.0.1", name[1]))
    return connection


@pytest.mark.parametrize("command", [SERVE, TWISTD], ids=["serve", "twistd"])
def test_a_restart(need, private, held, ssh, command):
    """Who comes while one server has gone and the next is not there yet gets in, at both doors."""
    sockets, domain = held
    audit = private / "audit"
    line = [*command, *options(private, domain), f"--audit={audit}"]
    with notifications(private) as told:
        first = start(line, sockets, told.address)
        second = None
        try:
            told.await_("READY=1", first.pid)
            with client(sockets[1]) as before:
                assert talk(before) == ECHO
            first.send_signal(signal.SIGTERM)
            told.await_("STOPPING=1", first.pid)
            waiting = [client(sockets[1]) for _ in range(20)]
            for connection in waiting:
                begin(connection)
            shell = sshAt(need, ssh, private, sockets[0])
            first.wait(PATIENCE)  # twistd would stumble over a second signal
            second = start(line, sockets, told.address)
            told.await_("READY=1", second.pid)
            for connection in waiting:
                assert rest(connection) == ECHO
                connection.close()
            output, error = shell.communicate(timeout=PATIENCE)
            assert (output, shell.returncode) == (b"hello\n", 0), error
        finally:
            said = [end(process)[1] for process in (first, second) if process]
    assert not any("Traceback" in text for text in said), said
    peer = "unix" if domain == "UNIX" else r"127\.0\.0\.1:\d+"
    assert len(re.findall(rf'"login.ok".*"peer": "{peer}"', audit.read_text())) == 22


def sshAt(need, ssh, private, listener):
    """Start an ssh that says hello at a socket."""
    name = listener.getsockname()
    [public] = (private / "keys").glob("*.pub")
    (private / "known_hosts").write_text(f"* {public.read_text()}")
    place = SimpleNamespace(ssh_port=1, known_hosts=private / "known_hosts")
    more = ()
    if listener.family == socket.AF_UNIX:
        more = ("-o", f"ProxyCommand={need('nc')} -U {shlex.quote(name)}")
    else:
        place.ssh_port = name[1]
    words, env = ssh(place, "hello", options=more)
    return subprocess.Popen(
        words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_nothing_handed_over(private):
    """Without a socket from systemd there is one line that says so, and exit status 1."""
    done = subprocess.run(
        [*SERVE, *options(private, "INET")],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    [line] = done.stderr.splitlines()
    start = "sshecho: the ssh door at systemd:domain=INET:index=0: no such socket was handed over"
    assert line.startswith(start)
    assert done.returncode == 1
