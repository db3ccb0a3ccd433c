"""Clients that say nothing, or won't go."""

import socket
import time

from attacking.attacker import KEEPALIVE, Attacker, closedWithin, offer
from helpers import eventually
from sshpair import DISCONNECT, GLOBAL_REQUEST
from test_attacks import NOISE, OFFERED
from watching import cheap, descriptors, echoes, target

VERSION = b"SSH-2.0-x\r\n"


def test_silence(serve):
    """Whoever is not logged in in time is sent away, at whatever step, counted from accept."""
    with serve("--login-grace", "2") as server:
        began = time.monotonic()
        silent = [target(server).connect(server.ssh_port) for _ in range(2)]
        silent += [target(server).connect(server.line_port) for _ in range(2)]
        silent[1].sendall(VERSION + b"\0\0\1")
        silent[2].sendall(b"user ")
        agreed = Attacker(target(server))
        asked = Attacker(target(server)).userauth()
        time.sleep(max(0.0, began + 1.5 - time.monotonic()))
        asked.socket.sendall(asked.guess(b"wrong"))
        silent += [agreed.socket, asked.socket]
        assert not closedWithin(silent[0], 0.1)
        for connection in silent:
            assert closedWithin(connection, 1.5)
        assert time.monotonic() - began >= 2


def test_idle(serve):
    """Sessions without a byte are ended, at both doors; a busy one goes on."""
    with serve("--idle-timeout", "1") as server:
        busy, idle = target(server).lineSession(), target(server).lineSession()
        attacker = Attacker(target(server)).login().shell()
        for _ in range(15):
            assert echoes(busy)
            time.sleep(0.1)
        assert closedWithin(idle, 5)
        attacker.until(DISCONNECT)


def test_dead_peers(serve):
    """A client that leaves probes unanswered is dead, and its descriptor is free."""
    with serve("--keepalive", "0.3") as server:
        session = target(server).lineSession()  # it has said where it is before it runs
        before = descriptors(server)
        attacker = Attacker(target(server)).login()
        attacker.until(GLOBAL_REQUEST)
        eventually(lambda: descriptors(server) <= before)
        assert any("no answer" in line for line in server.lines)
        assert echoes(session)


def test_goodbyes_that_are_not_taken(server):
    """Whoever is told to go and stays has no descriptor a while later."""
    with cheap(server):
        pass
    before = descriptors(server)
    line = target(server).connect(server.line_port)
    line.sendall(b"user wrong\n")
    unread = target(server).lineSession()
    # No more than the server takes, or it would not hear of the end; and it is not taken back.
    unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    unread.sendall(NOISE[:50_000])
    unread.shutdown(socket.SHUT_WR)
    broken = target(server).connect(server.ssh_port)
    broken.sendall(b"no SSH\r\n")
    attacker = Attacker(target(server))
    attacker.send(99, b"")
    full = Attacker(target(server)).login().shell()
    asked = b"".join(full.sealed(*KEEPALIVE) for _ in range(9000))
    offer(full.socket, asked, OFFERED)  # from its second round on nobody can open it
    eventually(lambda: descriptors(server) <= before, 15)
