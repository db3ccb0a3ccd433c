"""The attacks: each goes on for some seconds, again and again if it is cut off."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import MSG_GLOBAL_REQUEST
from twisted.conch.ssh.transport import (
    MSG_DEBUG,
    MSG_IGNORE,
    MSG_SERVICE_REQUEST,
    MSG_UNIMPLEMENTED,
)

from attacking.attacker import KEEPALIVE, PACKET, Attacker, Target, closedWithin, offer

Attack = Callable[[Target, float], None]

BATCH: Final = 500
"""Messages that a storm seals at once."""
_CROWD = 400
_NOISE = random.Random(7).randbytes(1 << 20)  # noqa: S311 - anything would do
_VERSION = b"SSH-2.0-attacker\r\n"


def _rounds(seconds: float) -> Iterator[float]:
    """Yield how many seconds are left, as long as there are some."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield left


def _again(attack: Callable[[Target, float], object]) -> Attack:
    """Return an attack that comes again when it is cut off."""

    def run(target: Target, seconds: float) -> None:
        for left in _rounds(seconds):
            with suppress(OSError):
                attack(target, left)

    return run


# Who sends and never reads.


def _neverReadsLines(target: Target, seconds: float) -> None:
    with target.lineSession() as connection:
        offer(connection, _NOISE, 64 << 20)
        time.sleep(seconds)


def _neverReads(target: Target, seconds: float) -> None:
    attacker = Attacker(target).login().shell()
    piece = _NOISE[: PACKET // 2]
    with attacker.socket:
        for _ in range(attacker.window // len(piece)):
            attacker.socket.sendall(attacker.data(piece))
        asked = b"".join(attacker.sealed(*KEEPALIVE) for _ in range(100_000))
        offer(attacker.socket, asked, len(asked))
        time.sleep(seconds)


def _windowOfNothing(target: Target, seconds: float) -> None:
    attacker = Attacker(target).login().shell(0)
    piece = _NOISE[: PACKET // 2]
    with attacker.socket:
        for _ in range(attacker.window // len(piece)):
            attacker.socket.sendall(attacker.data(piece))
        time.sleep(seconds)


def _unfinishedExchange(target: Target, seconds: float) -> None:
    attacker = Attacker(target).login()
    attacker.client.answers = False
    with attacker.socket:
        attacker.client.sendKexInit()  # and never a share
        attacker.flush()
        for _ in _rounds(seconds):
            attacker.client._held = None
            attacker.storm(b"".join(attacker.sealed(*KEEPALIVE) for _ in range(BATCH)))


def _noSSH(target: Target, _: float) -> None:
    with target.connect(target.sshPort) as connection:
        offer(connection, _NOISE, 64 << 20)


# Who is silent, or comes again and again.


def _silence(target: Target, seconds: float) -> None:
    with ExitStack() as stack:
        doors = [port for port in (target.sshPort, target.linePort) if port is not None]
        for at in range(_CROWD):
            stack.enter_context(target.connect(doors[at % len(doors)]))
        time.sleep(seconds)


def _comings(target: Target, _: float) -> None:
    with target.connect(target.sshPort) as connection:
        connection.sendall(_VERSION)


def _handshakes(target: Target, _: float) -> None:
    """Have keys exchanged, on connection upon connection: it costs the client nothing."""
    first = Attacker(target)
    first.socket.close()
    with ExitStack() as stack:
        for _nth in range(_CROWD):
            connection = stack.enter_context(target.connect(target.sshPort))
            connection.sendall(first.greeting)


# Who says much.


def _storm(messageType: int, payload: bytes) -> Attack:
    def attack(target: Target, seconds: float) -> None:
        attacker = Attacker(target).login()
        with attacker.socket:
            for _ in _rounds(seconds):
                sealed = [attacker.sealed(messageType, payload) for _ in range(BATCH)]
                attacker.storm(b"".join(sealed))

    return _again(attack)


def _earlyRequests(target: Target, _: float) -> None:
    with target.connect(target.sshPort) as connection:
        connection.sendall(_VERSION)
        request = bytes([MSG_SERVICE_REQUEST]) + NS(b"ssh-userauth")
        padding = 16 - (5 + len(request)) % 8
        body = bytes([padding]) + request + bytes(padding)
        packet = len(body).to_bytes(4, "big") + body
        offer(connection, packet * 10_000, 500_000 * len(packet))


def _channels(target: Target, _: float) -> None:
    attacker = Attacker(target).login()
    with attacker.socket:
        for at in range(2000):
            attacker.open(at)


def _exchanges(target: Target, seconds: float) -> None:
    attacker = Attacker(target).login()
    with attacker.socket:
        for _ in _rounds(seconds):
            done = attacker.client.exchanges
            attacker.client.rekey()
            while attacker.client.exchanges == done:
                attacker.flush().read()


def _keys(target: Target, seconds: float) -> None:
    """Write a long line, and kill and yank it: each key is much work for the editor."""
    attacker = Attacker(target).login().terminal()
    with attacker.socket:
        attacker.storm(b"".join(attacker.data(b"word " * 4000) for _ in range(3)))
        for _ in _rounds(seconds):
            attacker.storm(attacker.data(b"\x15\x19\x01\x05" * 16))
            attacker.grant(1 << 20)


# Who guesses, or talks nonsense.


def _guesses(target: Target, seconds: float) -> None:
    attacker = Attacker(target).userauth()
    with attacker.socket:
        none = (attacker.request(b"none") for _ in range(BATCH))
        guesses = (attacker.guess(b"wrong") + next(none) for _ in range(BATCH))
        offer(attacker.socket, b"".join(guesses), 1 << 20, 0.2)
        closedWithin(attacker.socket, min(seconds, 2))


def _lineGuesses(target: Target, seconds: float) -> None:
    with target.connect(target.linePort) as connection:
        connection.sendall(target.user + b" wrong\n")
        closedWithin(connection, min(seconds, 2))


def _nonsense(target: Target, _: float) -> None:
    """Say at random what may be a message, before the keys, before the login and behind it."""
    chance = random.Random()  # noqa: S311 - likewise
    kind = chance.choice(("clear", "keys", "user"))
    if kind == "clear":
        with target.connect(target.sshPort) as connection:
            connection.sendall(_VERSION)
            connection.sendall(_NOISE[: chance.randrange(4096)])
            closedWithin(connection, 0.1)
        return
    attacker = Attacker(target)
    with attacker.socket:
        if kind == "user":
            attacker.login().shell()
        for _nth in range(50):
            messageType = chance.choice((*range(1, 8), *range(50, 67), *range(80, 101)))
            attacker.send(messageType, chance.randbytes(chance.randrange(64)))
        closedWithin(attacker.socket, 0.1)


ATTACKS: Final[Mapping[str, Attack]] = {
    "never-reads": _again(_neverReads),
    "never-reads-lines": _again(_neverReadsLines),
    "window-of-nothing": _again(_windowOfNothing),
    "unfinished-key-exchange": _again(_unfinishedExchange),
    "no-ssh": _again(_noSSH),
    "silence": _again(_silence),
    "connections": _again(_comings),
    "handshakes": _again(_handshakes),
    "early-requests": _again(_earlyRequests),
    "global-requests": _storm(*KEEPALIVE),
    "ignores": _storm(MSG_IGNORE, NS(b"")),
    "debugs": _storm(MSG_DEBUG, b"\0" + NS(b"") + NS(b"")),
    "unimplementeds": _storm(MSG_UNIMPLEMENTED, bytes(4)),
    "unknown-messages": _storm(192, b""),
    "forwardings": _storm(MSG_GLOBAL_REQUEST, NS(b"tcpip-forward") + b"\1" + NS(b"") + bytes(4)),
    "channels": _again(_channels),
    "key-exchanges": _again(_exchanges),
    "keys": _again(_keys),
    "guesses": _again(_guesses),
    "line-guesses": _again(_lineGuesses),
    "nonsense": _again(_nonsense),
}
"""By name; those with lines in theirs go for the line door."""
