"""Behind a real HAProxy: clients are who they are, and not the proxy."""

import json
import random
import re
import socket
import subprocess
from contextlib import suppress
from dataclasses import replace

import pytest
from haproxy import haproxy, proxying
from helpers import VISIT, eventually
from serving import PATIENCE, ROOT

ACCEPTED = b"Login successful, please proceed.\r\n"
DENIED = b"Login denied, goodbye.\r\n"
PENALIZED = b"Too many failed logins, goodbye.\r\n"
CLIENT, OTHER, PROXY = "127.0.0.5", "127.0.0.6", "127.0.0.1"
DOOR = "haproxy:tcp:0:interface=127.0.0.1"
VERSIONS = {"one": "send-proxy", "two": "send-proxy-v2"}


@pytest.fixture
def proxied(serve, private):
    """Return a function that runs a server whose doors are for proxies on loopback."""

    def run(*options, trusted=PROXY, auth="memory:user:pass"):
        doors = [
            part for door in ("--ssh", "--line") if door not in options for part in (door, DOOR)
        ]
        audit = str(private / "audit.log")
        return serve(*doors, *options, "--auth", auth, "--trusted-proxy", trusted, "--audit", audit)

    return run


@pytest.fixture
def audited(private):
    """Return a function that reads the audit log: the events of connections, or of one kind."""

    def read(*kinds):
        lines = (private / "audit.log").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        wanted = [event for event in events if "connection" in event or kinds]
        return [event for event in wanted if not kinds or event["event"] in kinds]

    return read


def talk(port: int, data: bytes, source: str = CLIENT) -> bytes:
    """Send data from an address, close our side, and return all that comes."""
    with socket.create_connection((PROXY, port), PATIENCE, (source, 0)) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def hear(port: int, source: str = CLIENT) -> bytes:
    """Return what is said first to a client that says nothing, from an address."""
    with socket.create_connection((PROXY, port), PATIENCE, (source, 0)) as connection:
        return connection.recv(len(PENALIZED))


def hosts(events) -> set[str]:
    """Return the addresses that events are about, without their ports."""
    return {event["peer"].rpartition(":")[0] for event in events}


@pytest.mark.parametrize("version", VERSIONS)
def test_openssh(proxied, need, private, runSSH, audited, version):
    """Ssh logs in, and the server sees it where it is, and where it wanted to go."""
    with (
        proxied() as server,
        proxying(need, private, ssh=(server.ssh_port, VERSIONS[version])) as ports,
    ):
        behind = replace(server, ssh_port=ports["ssh"])
        done = runSSH(behind, "inspect", options=("-b", CLIENT, "-s"))
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert seen["peer"].startswith(f"{CLIENT}:")
        assert seen["host"] == f"{PROXY}:{ports['ssh']}"
        eventually(lambda: audited("connection.close") != [])
        assert [event["event"] for event in audited()] == VISIT
        assert hosts(audited()) == {CLIENT}
    assert any(f"for the proxies of {PROXY}" in line for line in server.lines)


def test_keys_from_an_address(proxied, need, private, write, runSSH):
    """A key that is for one address lets in from there, as the header says, and from no other."""
    key = private / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run([need("ssh-keygen"), *make[1:]], check=True, timeout=PATIENCE)
    keys = write("authorized", f'from="{CLIENT}" {key.with_suffix(".pub").read_text()}')
    with (
        proxied("--line", "off", auth=f"keys:user={keys}") as server,
        proxying(need, private, ssh=(server.ssh_port, "send-proxy-v2")) as ports,
    ):
        behind = replace(server, ssh_port=ports["ssh"])
        for source, status in [(CLIENT, 0), (OTHER, 255)]:
            done = runSSH(behind, "hello", key=key, options=("-b", source))
            assert (done.returncode, done.stdout) == (status, b"" if status else b"hello\n")


@pytest.mark.parametrize("sending", [*VERSIONS.values(), "send-proxy-v2 proxy-v2-options crc32c"])
def test_line_door(proxied, need, private, audited, sending):
    """A client that closes its side at once gets its login's answer and all of its echo."""
    noise = random.Random(5).randbytes(1 << 18)
    with (
        proxied() as server,
        proxying(need, private, line=(server.line_port, sending)) as ports,
    ):
        assert talk(ports["line"], b"user pass\n" + noise) == ACCEPTED + noise
        nc = [need("nc"), "-N", "-s", CLIENT, PROXY, str(ports["line"])]
        done = subprocess.run(
            nc, input=b"user pass\nHi", capture_output=True, timeout=PATIENCE, check=True
        )
        assert done.stdout == ACCEPTED + b"Hi"
        eventually(lambda: len(audited("connection.close")) == 2)
        assert hosts(audited()) == {CLIENT}


def test_guesses(proxied, need, private, audited):
    """Guesses close the doors to the address that they come from, and not to the proxy's others."""
    with (
        proxied("--penalize-loopback") as server,
        proxying(
            need,
            private,
            line=(server.line_port, "send-proxy"),
            ssh=(server.ssh_port, "send-proxy-v2"),
        ) as ports,
    ):
        for _ in range(6):
            assert talk(ports["line"], b"user wrong\n") == DENIED
        for port in ports.values():
            assert hear(port) == PENALIZED
        assert talk(ports["line"], b"user pass\n.", OTHER) == ACCEPTED + b"."
        assert hear(ports["ssh"], OTHER).startswith(b"SSH-2.0-sshecho")
        assert [event["source"] for event in audited("limit.reached")] == [CLIENT]


def test_tls(proxied, need, private, certificate, audited):
    """Where HAProxy passes TLS through, its header comes before that, and the rest behind it."""
    door = f"haproxy:ssl:0:privateKey={certificate}:interface=127.0.0.1"
    with (
        proxied("--ssh", "off", "--line", door, "--penalize-loopback") as server,
        proxying(need, private, line=(server.line_port, "send-proxy-v2")) as ports,
    ):

        def client(line: bytes, due: int) -> bytes:
            command = [need("openssl"), "s_client", "-quiet", "-verify_quiet", "-bind", CLIENT]
            with subprocess.Popen(
                [*command, "-connect", f"{PROXY}:{ports['line']}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as running:
                running.stdin.write(line)
                running.stdin.flush()
                received = running.stdout.read(due)
                running.kill()
            return received

        echo = ACCEPTED + b"Hi\r\n"
        assert client(b"user pass\r\nHi\r\n", len(echo)) == echo
        for _ in range(6):
            assert client(b"user wrong\r\n", len(DENIED)) == DENIED
        assert client(b"user pass\r\n", 1) == b""
        assert hosts(audited()) == {CLIENT}
        assert [event["limit"] for event in audited("limit.reached")] == ["penalties"]


@pytest.mark.parametrize("version", VERSIONS)
def test_health_checks(proxied, need, private, audited, version):
    """HAProxy's own checks find our version, stand for HAProxy, and never make it wait."""
    check = f"{VERSIONS[version]} check inter 20ms"
    expect = "option tcp-check\n    tcp-check expect rstring ^SSH-2.0-sshecho"
    with (
        proxied("--penalize-loopback") as server,
        proxying(need, private, ssh=(server.ssh_port, check, expect)) as ports,
    ):
        eventually(lambda: len(audited("connection.close")) > 5)
        assert hosts(audited()) == {PROXY}
        assert hear(ports["ssh"]).startswith(b"SSH-2.0-sshecho")
        assert audited("limit.reached", "protocol.error") == []


def test_unix_client(proxied, need, private):
    """A client at a socket of HAProxy's machine gets in too."""
    path = str(private / "socket")
    with (
        proxied() as server,
        proxying(need, private, line=(server.line_port, "send-proxy-v2", f"bind unix@{path}")),
        socket.socket(socket.AF_UNIX) as connection,
    ):
        eventually(lambda: (private / "socket").exists())
        connection.connect(path)
        connection.sendall(b"user pass\nHi")
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(1000), b""))
        assert received == ACCEPTED + b"Hi"


def test_readme(need, private):
    """HAProxy has nothing to say against the lines for it in the README."""
    [lines] = re.findall(
        r"^    defaults\n(?:    .*\n)+", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    (private / "haproxy.cfg").write_text(lines)
    command = [haproxy(need), "-c", "-f", str(private / "haproxy.cfg")]
    checked = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    said = (checked.stdout + checked.stderr).decode()
    assert checked.returncode == 0, said
    assert "WARNING" not in said, said


def test_pretender(proxied, audited):
    """Whoever is no trusted proxy is closed whatever it says, and nothing of it is believed."""
    with proxied(trusted="127.0.0.9") as server:
        for port in (server.ssh_port, server.line_port):
            with (
                socket.create_connection((PROXY, port), PATIENCE) as connection,
                suppress(ConnectionError),  # it is closed before that is read
            ):
                connection.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nuser pass\n")
                assert connection.recv(100) == b""
        [event] = audited("limit.reached")
        assert (event["limit"], event["source"]) == ("trusted-proxy", PROXY)
        assert audited() == []


def test_proxy_without_a_header(proxied, need, private, audited):
    """A proxy that is not told to send a header gets nobody in, and it is said why."""
    with proxied() as server, proxying(need, private, line=(server.line_port, "")) as ports:
        with suppress(ConnectionError):  # which HAProxy may pass on
            assert talk(ports["line"], b"user pass\n") == b""
        eventually(lambda: audited("connection.close") != [])
        [event] = audited("protocol.error")
        assert event["why"] == "no PROXY header"
        assert hosts([event]) == {PROXY}
