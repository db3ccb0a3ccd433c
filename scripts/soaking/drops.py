"""The drops: connections that are reset in the middle of something."""

from __future__ import annotations

import random
import select
import socket
from collections.abc import Callable, Mapping
from functools import partial

from attacking.attacker import PATIENCE, Target
from ssh2.error_codes import LIBSSH2_ERROR_EAGAIN

from soaking.sessions import LineSession, Session, SSHSession, handshake, newSession, reset

Drop = Callable[[Target, random.Random], None]

_MOST_STEPS = 4
_MOST_ECHO = 1 << 17


def _inKeyExchange(target: Target, chance: random.Random) -> None:
    connection, session = target.connect(target.sshPort), newSession()
    session.set_blocking(False)
    _begin(partial(session.handshake, connection), connection, chance)
    reset(connection)


def _inLogin(target: Target, chance: random.Random) -> None:
    connection, session = handshake(target)
    session.set_blocking(False)
    user, password = target.user.decode(), target.password.decode()
    _begin(partial(session.userauth_password, user, password), connection, chance)
    reset(connection)


def _begin(step: Callable[[], int], connection: socket.socket, chance: random.Random) -> None:
    """Go some steps of the way."""
    for _ in range(chance.randrange(_MOST_STEPS)):
        if step() != LIBSSH2_ERROR_EAGAIN:
            break
        select.select([connection], [], [], PATIENCE)


def _inLoginLine(target: Target, chance: random.Random) -> None:
    line = target.user + b" " + target.password + b"\n"
    with target.connect(target.linePort) as connection:
        connection.sendall(line[: chance.randint(1, len(line))])
        reset(connection)


def _inEcho(door: Callable[[Target], Session]) -> Drop:
    def drop(target: Target, chance: random.Random) -> None:
        session = door(target)
        try:
            session.write(chance.randbytes(chance.randrange(_MOST_ECHO)))
            reset(session.socket)
        finally:
            session.close()

    return drop


DROPS: Mapping[str, Drop] = {
    "in a key exchange": _inKeyExchange,
    "in a login, SSH": _inLogin,
    "in a login, line": _inLoginLine,
    "in an echo, SSH": _inEcho(SSHSession),
    "in an echo, line": _inEcho(LineSession),
}
"""By what they are in the middle of."""
