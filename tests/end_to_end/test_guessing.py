"""Clients that guess, and what they and the logs learn of it."""

import json
import random
from contextlib import suppress
from pathlib import Path

import bcrypt
import pytest
from attacking.attacker import LOGGED_IN, Attacker, closedWithin, receive
from helpers import eventually
from sshpair import (
    DISCONNECT,
    SERVICE_REQUEST,
    USERAUTH_FAILURE,
    USERAUTH_REQUEST,
    USERAUTH_SUCCESS,
)
from twisted.conch.ssh.common import NS
from watching import OTHER, echoes, target

DENIED = b"Login denied, goodbye.\r\n"
PENALIZED = b"Too many failed logins, goodbye.\r\n"
SECRET = b"hunter2-is-the-secret"


def kinds(attacker) -> list[int]:
    """Read to the end; return the numbers of what has come."""
    with suppress(OSError):
        while True:
            attacker.read()
    return [number for number, _ in attacker.packets]


def test_five_hundred_at_once(server):
    """Of five hundred guesses in one write six are answered; a right one behind them is none."""
    attacker = Attacker(target(server)).userauth()
    wrong = [attacker.guess(b"wrong") for _ in range(6)]
    attacker.socket.sendall(b"".join([*wrong, *(attacker.guess(b"pass") for _ in range(494))]))
    answered = kinds(attacker)
    assert answered.count(USERAUTH_FAILURE) <= 6
    assert USERAUTH_SUCCESS not in answered
    assert answered[-1] == DISCONNECT


@pytest.mark.parametrize("door", ["ssh", "line"])
def test_guesses_slow_an_address_down(serve, door):
    """After wrong passwords from an address neither door opens for it; for others both do."""
    with serve("--penalize-loopback") as server:
        if door == "ssh":
            attackers = [Attacker(target(server, OTHER)).userauth() for _ in range(3)]
            for attacker in attackers:
                guesses = [attacker.guess(b"wrong") for _ in range(6)]
                attacker.socket.sendall(b"".join(guesses))
            for attacker in attackers:
                assert kinds(attacker)[-1] == DISCONNECT
        else:
            for _ in range(6):
                connection = target(server, OTHER).connect(server.line_port)
                connection.sendall(b"user wrong\n")
                assert receive(connection, 100) == DENIED
        for port in (server.ssh_port, server.line_port):
            assert receive(target(server, OTHER).connect(port), 100) == PENALIZED
        assert echoes(target(server).lineSession())
        Attacker(target(server)).login()


def test_guesses_hold_up_nobody(serve, write):
    """While hashes are computed for one address's guesses, a login from another has its turn."""
    hashed = bcrypt.hashpw(b"pass", bcrypt.gensalt(10))
    users = write("users", b"user:" + hashed + b"\n")
    with serve("--auth", f"file:{users}") as server:
        flood = [target(server, OTHER).connect(server.line_port) for _ in range(90)]
        for connection in flood:
            connection.sendall(b"user wrong\n")
        assert echoes(target(server).lineSession())
        still = [connection for connection in flood if not closedWithin(connection, 0.001)]
        assert len(still) > 50


def test_penalties_are_over(serve):
    """An address that waits gets in again."""
    with serve("--penalize-loopback") as server:
        for _ in range(6):
            connection = target(server, OTHER).connect(server.line_port)
            connection.sendall(b"user wrong\n")
            assert receive(connection, 100) == DENIED

        def getsIn():
            with target(server, OTHER).connect(server.line_port) as connection:
                connection.sendall(b"user pass\n")
                return receive(connection, len(LOGGED_IN)) == LOGGED_IN

        assert not getsIn()
        eventually(getsIn, 10)


def test_secrets(serve, private, write):
    """No password, in no order of messages, comes into a log or the list of processes."""
    users, audit = write("users", b"user:" + SECRET + b"\n"), private / "audit"
    with serve("--auth", f"file:{users}", "--audit", str(audit), "--max-auth-tries", "3") as server:
        chance = random.Random(3)
        for _ in range(60):
            misuse(target(server, password=SECRET), chance)
        for line in (SECRET, b"user" + SECRET, b"user  " + SECRET, b" " + SECRET, SECRET * 200):
            connection = target(server).connect(server.line_port)
            connection.sendall(line + b"\n" + SECRET + b"\n")
            assert closedWithin(connection, 10)
        with target(server, password=SECRET).lineSession() as session:
            assert echoes(session)
        eventually(lambda: audit.read_text().count('"connection.open"') > 60)
        process = Path(f"/proc/{server.process.pid}")
        shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    said = "\n".join(server.lines).encode() + audit.read_bytes() + shown
    assert b"denied" in said
    assert b"hunter2" not in said
    assert b"Traceback" not in said
    assert all(json.loads(line)["time"] for line in audit.read_text().splitlines())


def misuse(aim, chance) -> None:
    """Send passwords where they do and don't belong, in any order."""
    attacker = Attacker(aim)
    head = NS(b"user") + NS(b"ssh-connection")
    messages = [
        (SERVICE_REQUEST, NS(b"ssh-userauth")),
        (SERVICE_REQUEST, NS(SECRET)),
        (USERAUTH_REQUEST, head + NS(b"password") + b"\0" + NS(SECRET)),
        (USERAUTH_REQUEST, head + NS(b"password") + b"\0" + NS(SECRET + b"x")),
        (USERAUTH_REQUEST, head + NS(b"password") + b"\1" + NS(SECRET) + NS(SECRET)),
        (USERAUTH_REQUEST, head + NS(b"password") + b"\0" + SECRET),
        (USERAUTH_REQUEST, head + NS(b"keyboard-interactive") + NS(b"") + NS(SECRET)),
        (61, b"\0\0\0\1" + NS(SECRET)),
        (USERAUTH_REQUEST, head + NS(SECRET)),
        (80, NS(b"x") + b"\1" + SECRET),
        (192, SECRET),
    ]
    with attacker.socket, suppress(OSError):
        attacker.socket.settimeout(0.5)
        attacker.userauth()
        for message in chance.sample(messages, 5):
            attacker.send(*message)
        while True:
            attacker.read()
