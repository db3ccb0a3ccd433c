"""The end of a server, and reading its files again, with a hundred sessions in mid-echo."""

import os
import random
import signal
import subprocess
import time

import pytest
from attacking.attacker import Attacker, offer, receive
from helpers import eventually
from serving import PATIENCE
from sshpair import CLOSE, DISCONNECT, REQUEST
from twisted.conch.ssh.common import NS, getNS
from watching import echoes, target

EACH = 50
NOISE = random.Random(5).randbytes(30_000)
TERM = NS(b"exit-signal") + b"\0" + NS(b"TERM") + b"\0" + NS(b"") + NS(b"")


def fill(server):
    """Return sessions at both doors, in mid-echo."""
    lines = [target(server).lineSession() for _ in range(EACH)]
    shells = [Attacker(target(server)).login().shell() for _ in range(EACH)]
    for line in lines:
        line.sendall(NOISE)
    for shell in shells:
        shell.socket.sendall(shell.data(NOISE))
    return lines, shells


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_end(serve, stop):
    """Each gets all of its echo and is told; then it is over, with status 0, in a few seconds."""
    with serve() as server:
        lines, shells = fill(server)
        began = time.monotonic()
        server.process.send_signal(stop)
        server.process.send_signal(stop)  # Ctrl-C is often pressed twice
        for line in lines:
            assert receive(line, len(NOISE) + 1) == NOISE
        for shell in shells:
            assert shell.readData(len(NOISE)) == NOISE
            assert shell.until(REQUEST)[4:] == TERM
            shell.until(CLOSE)
            code = shell.until(DISCONNECT)
            assert (code[:4], getNS(code[4:])[0]) == (bytes(3) + b"\x0b", b"server is going down")
        assert server.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < 5
    assert not any("Traceback" in line for line in server.lines), server.lines
    assert server.lines[-1].endswith("sshecho is closed")


def test_end_of_who_hangs(serve):
    """Whoever does not read is cut, and it is over as soon."""
    with serve() as server:
        _, shells = fill(server)
        stuck = target(server).lineSession()
        assert offer(stuck, NOISE, 1 << 30) < 1 << 30
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for shell in shells:
            assert shell.readData(len(NOISE)) == NOISE
        assert server.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < 5


def test_reload_at_the_end(serve, private):
    """SIGHUP while clients leave, as from a log's rotation, changes nothing."""
    audit = private / "audit"
    with serve("--audit", str(audit)) as server:
        stuck = target(server).lineSession()
        offer(stuck, NOISE, 1 << 30)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(PATIENCE) == 0
    assert '"server.stop"' in audit.read_text().splitlines()[-1]


def test_late_reader(serve):
    """A client that begins to read when the server ends gets all that the server had taken."""
    with serve() as server:
        line = target(server).lineSession()
        sent = offer(line, NOISE, 1 << 30)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        back = receive(line, sent + 1)
        assert len(back) == sent
        assert back == (NOISE * (sent // len(NOISE) + 1))[:sent]


def test_small_packets(serve):
    """What comes in thousands of packets at once is echoed whole before the end."""
    with serve() as server:
        shells = [Attacker(target(server)).login().shell() for _ in range(8)]
        packets = [b"".join(shell.data(b"x") for _ in range(2000)) for shell in shells]
        for shell, each in zip(shells, packets, strict=True):
            shell.socket.sendall(each)
        time.sleep(0.02)
        server.process.send_signal(signal.SIGTERM)
        for shell in shells:
            assert shell.readData(2000) == b"x" * 2000


def test_end_of_ssh(need, ssh, serve):
    """OpenSSH's client is told how its session ended."""
    with serve() as server:
        command, env = ssh(server, options=("-T",))
        client = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        client.stdin.write(b"Hi")
        client.stdin.flush()
        assert client.stdout.read(2) == b"Hi"
        server.process.send_signal(signal.SIGTERM)
        assert client.wait(PATIENCE) == 255
        assert client.stdout.read() == b""


def test_reload(serve, write):
    """At SIGHUP a hundred sessions go on, and users, banner and audit log are new for the next."""
    users, banner = write("users", "user:pass\n"), write("banner", "old\n")
    audit = users.parent / "audit"
    options = ["--auth", f"file:{users}", "--banner", str(banner), "--audit", str(audit)]
    with serve(*options) as server:
        lines, shells = fill(server)
        write("users", "user:new\n")
        write("banner", "new\n")
        os.rename(audit, f"{audit}.1")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: any("have been read again" in line for line in server.lines))
        for line in lines:
            assert receive(line, len(NOISE)) == NOISE
            assert echoes(line)
        for shell in shells:
            assert shell.readData(len(NOISE)) == NOISE
            shell.socket.sendall(shell.data(b"Hi"))
            assert shell.readData(2) == b"Hi"
        target(server, password=b"new").lineSession().close()
        with pytest.raises(ConnectionError):
            target(server).lineSession()
        eventually(lambda: '"login.denied"' in audit.read_text())
        assert "login.denied" not in (audit.parent / "audit.1").read_text()


def test_reload_of_host_keys(serve, private, need):
    """At SIGHUP host keys are read again: who comes is shown the new one, who is in goes on."""
    with serve() as server:
        shell = Attacker(target(server)).login().shell()
        key = private / "keys" / "ssh_host_ed25519_key"
        for path in (key, key.with_suffix(".pub")):
            path.unlink()
        subprocess.run([need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: sum("read again" in line for line in server.lines) == 1)
        shell.client.rekey()
        shell.flush().socket.sendall(shell.data(b"Hi"))
        assert shell.readData(2) == b"Hi"
        assert Attacker(target(server)).client.hostKey != shell.client.hostKey
