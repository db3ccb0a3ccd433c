"""A server for people who test SSH clients: real, ready in no time, watchful, and bad on demand.

With pytest, ask for the fixture ``sshecho``; without it::

    with sshecho.testing.Server() as server:
        ...  # log in to server.port as server.user

This side of it imports nothing of Twisted: the server is a process of its own.

- `plugin`, `matrix`: pytest's fixtures, and a test for each algorithm.
- `server`, `running`, `options`, `answer`, `records`, `errors`: what a test has in hand.
- `seen`, `waiting`: what was seen, as it comes from the server, and how to wait for it.
- `process`, `link`: how the server's process is started, asked, and ended.
- `faults`: what can go wrong on purpose, one file each.

And in the server's process, or under ``sshecho serve --fault``:

- `faulty`: doors that show faults.
- `inside`: the process, and what it sees and answers.
- `algorithms`, `oldalgorithms`: what a server can offer.
"""

from sshecho.testing.algorithms import ALGORITHMS
from sshecho.testing.answer import Answer
from sshecho.testing.errors import NeverSeen, ServerError
from sshecho.testing.matrix import matrix
from sshecho.testing.options import Options
from sshecho.testing.records import Connection, Login, Session
from sshecho.testing.server import Misbehaviour, Server

__all__ = [
    "ALGORITHMS",
    "Answer",
    "Connection",
    "Login",
    "Misbehaviour",
    "NeverSeen",
    "Options",
    "Server",
    "ServerError",
    "Session",
    "matrix",
]
