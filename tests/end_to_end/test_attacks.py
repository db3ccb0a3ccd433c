"""Clients that flood or never read: what they cost the server, and whether others notice."""

import random
import socket
import time

import pytest
from attacking.attacker import KEEPALIVE, Attacker, closedWithin, offer, receive
from attacking.attacks import ATTACKS
from helpers import eventually
from sshpair import DISCONNECT, OPEN_FAILURE, REQUEST_FAILURE
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.transport import MSG_IGNORE
from watching import MIB, OTHER, cheap, descriptors, echoes, target

OFFERED = 64 * MIB
NOISE = random.Random(7).randbytes(MIB)
PIECE = NOISE[: 16 * 1024]


def fill(attacker) -> int:
    """Send all that the session takes without a word; return how many bytes that is."""
    count = attacker.window // len(PIECE)
    for _ in range(count):
        attacker.socket.sendall(attacker.data(PIECE))
    return count * len(PIECE)


def came(attacker, count) -> bool:
    """Whether the session sends back what it was filled with."""
    return attacker.readData(count) == PIECE * (count // len(PIECE))


# Who sends and never reads.


def test_line_that_is_not_read(server):
    """A client of the line door that never reads is not read from; all comes once it reads."""
    with cheap(server):
        connection = target(server).lineSession()
        sent = offer(connection, NOISE, OFFERED)
        time.sleep(0.5)
    assert 0 < sent < OFFERED
    connection.shutdown(socket.SHUT_WR)
    back = receive(connection, sent + 1)
    assert len(back) == sent
    assert back == (NOISE * (sent // MIB + 1))[:sent]


def test_connection_that_is_not_read(server):
    """So too an SSH client with a huge window that never takes what comes, and goes on sending."""
    attacker = Attacker(target(server)).login().shell()
    ignored = NS(bytes(30 * 1024))
    with cheap(server):
        sent = fill(attacker)
        packets = b"".join(attacker.sealed(MSG_IGNORE, ignored) for _ in range(OFFERED // 30720))
        assert offer(attacker.socket, packets, len(packets), 10) == len(packets)
    assert came(attacker, sent)


def test_window_of_nothing(server):
    """A session that may not be sent anything keeps one window's worth, and gives it back."""
    attacker = Attacker(target(server)).login().shell(0)
    with cheap(server):
        sent = fill(attacker)
        attacker.send(*KEEPALIVE).until(REQUEST_FAILURE)
    attacker.grant(sent)
    assert came(attacker, sent)


def test_unfinished_key_exchange(serve):
    """Who leaves a key exchange unfinished has nothing lost, once that ends."""
    with serve("--rekey-limit", "1K") as server:
        attacker = Attacker(target(server)).login()
        attacker.client.answers = False
        attacker.shell()
        with cheap(server):
            sent = fill(attacker)
            while not attacker.client.unanswered:
                attacker.read()
        attacker.client.answers = True
        attacker.client.ssh_KEXINIT(attacker.client.unanswered)
        assert came(attacker, sent)


def test_what_waits_for_keys(serve):
    """Who has more and more wait for new keys, which never come, is told to go."""
    with serve("--rekey-limit", "1K") as server:
        attacker = Attacker(target(server)).login()
        attacker.client.answers = False
        with cheap(server):
            packets = b"".join(attacker.sealed(*KEEPALIVE) for _ in range(50_000))
            offer(attacker.socket, packets, len(packets))
            assert closedWithin(attacker.socket, 10)


def test_no_ssh_at_all(server):
    """A client that speaks no SSH is told to go, whatever it goes on to send."""
    connection = target(server).connect(server.ssh_port)
    with cheap(server):
        assert offer(connection, NOISE, OFFERED) < OFFERED
        assert closedWithin(connection, 10)


# Floods.


def test_a_flood_of_silent_connections(serve):
    """Hundreds of silent connections keep nobody from another address out."""
    with serve("--max-startups", "20") as server:
        session = target(server).lineSession()
        doors = (server.ssh_port, server.line_port) * 200
        flood = [target(server, OTHER).connect(port) for port in doors]
        Attacker(target(server)).login()
        target(server).lineSession()
        assert echoes(session)
        eventually(lambda: descriptors(server) < 60)
        assert any("--max-startups" in line for line in server.lines)
        for connection in flood:
            connection.close()


def test_too_many_connections(serve):
    """One address can't have all connections, though it has logins, and it is said."""
    with serve("--max-connections", "20") as server:
        held = [target(server, OTHER).lineSession() for _ in range(18)]
        refused = target(server, OTHER).connect(server.line_port)
        assert receive(refused, 100) == b"Too many connections, goodbye.\r\n"
        assert echoes(target(server).lineSession())
        assert echoes(held[0])
        assert any("--max-connections" in line for line in server.lines)


def test_a_flood_of_channels(server):
    """Of two thousand channels ten are opened, and others go on."""
    session = target(server).lineSession()
    attacker = Attacker(target(server)).login()
    for mine in range(2000):
        attacker.open(mine)
    for _ in range(1990):
        attacker.until(OPEN_FAILURE)
    attacker.send(*KEEPALIVE).until(REQUEST_FAILURE)
    assert echoes(session)


@pytest.mark.parametrize("name", ATTACKS)
def test_others(serve, name):
    """Whatever a client does, a session from another address goes on, and a login gets in."""
    with serve("--max-startups", "50") as server:
        with target(server).lineSession() as session:
            ATTACKS[name](target(server, OTHER), 0.5)
            assert echoes(session)
        with target(server).lineSession() as another:
            assert echoes(another)
        with Attacker(target(server)).login().shell().socket:
            pass
        eventually(lambda: descriptors(server) < 60)
    assert not any("Traceback" in line for line in server.lines), server.lines[-30:]
    assert server.process.returncode == 0


def exchange(attacker):
    """Have keys exchanged."""
    done = attacker.client.exchanges
    attacker.client.rekey()
    while attacker.client.exchanges == done:
        attacker.flush().read()


def test_too_many_key_exchanges(server):
    """Who has keys exchanged again and again, for nothing, is told to go."""
    attacker = Attacker(target(server)).login()
    for _ in range(20):
        exchange(attacker)
    with pytest.raises(OSError, match=r"closed|reset|pipe"):
        exchange(attacker)
    assert attacker.packets[-1][0] == DISCONNECT
