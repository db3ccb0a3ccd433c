"""Measure whether the time that a denial takes tells a user who is known from one who is not.

It is measured at the line door: both ask the same Portal. Wrong passwords for known and for unknown
users take turns. AUC is the chance that of two denials the longer one was the unknown user's: 0.5
tells nothing, 0 or 1 tells all.
"""

from __future__ import annotations

import argparse
import random
import socket
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import bcrypt
from attacking.attacker import Target

from benchmarks.linedoor import serving
from benchmarks.options import positive
from benchmarks.progress import clear, say
from benchmarks.table import markdown

COSTS = (6, 10, 8)
"""Of the hashes in a store: the first user's is the least."""
HEAD = ["store", "known, ms", "unknown, ms", "AUC"]


def _hash(cost: int) -> str:
    return bcrypt.hashpw(b"secret", bcrypt.gensalt(cost)).decode()


def hashes(folder: Path) -> str:
    """Write a file of hashes whose costs differ; return what --auth takes."""
    return f"file:{_write(folder, *map(_hash, COSTS))}"


def mixed(folder: Path) -> str:
    """Write a file in which the first password is plain text."""
    return f"file:{_write(folder, 'secret', _hash(COSTS[1]))}"


def plain(folder: Path) -> str:
    """Write a file of plain text."""
    return f"file:{_write(folder, 'secret', 'words')}"


def digests(folder: Path) -> str:
    """Write a file of digests."""
    return f"hashed:sha256:{_write(folder, '0' * 64)}"


def database(folder: Path) -> str:
    """Write a database of hashes whose costs differ."""
    path = folder / "users.db"
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users (username TEXT PRIMARY KEY, password TEXT)")
        users = [(f"user{at}", _hash(cost)) for at, cost in enumerate(COSTS)]
        connection.executemany("INSERT INTO users VALUES (?, ?)", users)
    return f"db:sqlite3:{path}"


def _write(folder: Path, *secrets: str) -> Path:
    path = folder / "users"
    path.touch(0o600)
    path.write_text("".join(f"user{at}:{secret}\n" for at, secret in enumerate(secrets)))
    return path


STORES: dict[str, Callable[[Path], str]] = {
    "a file of hashes": hashes,
    "a file of hashes and plain text": mixed,
    "a file of plain text": plain,
    "a file of digests": digests,
    "a database": database,
}


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser("scripts/bench denials", description=__doc__)
    parser.add_argument("--tries", type=positive, default=50, metavar="N", help="of each (50)")
    options = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for store, write in STORES.items():
            say(store)
            with serving(write(folder)) as target:
                rows.append([store, *compare(target, options.tries)])
    clear()
    print(markdown(HEAD, rows))
    return 0


def compare(target: Target, tries: int) -> list[str]:
    """Return the table's cells: the medians, and the AUC."""
    users = [b"user0", b"nobody"] * tries
    random.shuffle(users)
    taken: dict[bytes, list[float]] = {b"user0": [], b"nobody": []}
    for user in [b"user0", b"nobody", *users]:
        taken[user].append(denial(target, user) * 1e3)
    known, unknown = (times[1:] for times in taken.values())  # the first finds nothing ready
    cells = [f"{statistics.median(times):.2f}" for times in (known, unknown)]
    return [*cells, f"{area(known, unknown):.2f}"]


def area(less: list[float], more: list[float]) -> float:
    """Return the chance that one of the second list is the larger, ties halved."""
    wins = sum((b > a) + (b == a) / 2 for a in less for b in more)
    return wins / (len(less) * len(more))


def denial(target: Target, user: bytes) -> float:
    """Return the seconds that a denial takes."""
    with target.connect(target.linePort) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.perf_counter()
        connection.sendall(user + b" wrong\n")
        connection.recv(1000)
        return time.perf_counter() - start
