"""Measure how long an echo takes while many others log in with bcrypt passwords.

Prints, in milliseconds, the time from a line to its echo on a session at the line door: the
median and the 99th percentile, first alone and then while LOGINS logins are under way, in turns.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt
from attacking.attacker import Target

from benchmarks.linedoor import serving
from benchmarks.measures import p99


@contextmanager
def users(cost: int) -> Iterator[str]:
    """Write a file of users whose hashes have a cost; yield what --auth takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users"
        path.touch(0o600)
        path.write_bytes(Target.user + b":" + bcrypt.hashpw(Target.password, bcrypt.gensalt(cost)))
        yield f"file:{path}"


def logInAndOut(target: Target, stop: threading.Event) -> None:
    """Log in again and again."""
    while not stop.is_set():
        target.lineSession().close()


def echoes(session: socket.socket, seconds: float) -> list[float]:
    """Return how many milliseconds each echo took, for so long."""
    taken = []
    end = time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        session.sendall(b"x" * 31 + b"\n")
        received = 0
        while received < 32:
            received += len(session.recv(32 - received))
        taken.append((time.monotonic() - start) * 1000)
        time.sleep(0.005)  # as a person's or a monitor's session, which does not load the server
    return taken


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser("scripts/bench hashing", description=__doc__)
    parser.add_argument("--logins", type=int, default=20, help="how many log in at once")
    parser.add_argument("--cost", type=int, default=12, help="the cost of their hashes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="how long a round takes")
    options = parser.parse_args(arguments)
    results: dict[str, list[tuple[float, float]]] = {"alone": [], "with logins": []}
    with (
        users(options.cost) as auth,
        serving(auth) as target,
        target.lineSession() as session,
    ):
        session.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(options.rounds):
            for name, count in (("alone", 0), ("with logins", options.logins)):
                stop = threading.Event()
                others = [
                    threading.Thread(target=logInAndOut, args=(target, stop)) for _ in range(count)
                ]
                for other in others:
                    other.start()
                taken = sorted(echoes(session, options.seconds))
                stop.set()
                for other in others:
                    other.join()
                results[name].append((statistics.median(taken), p99(taken)))
    print(f"{options.logins} logins at once, cost {options.cost}, {os.cpu_count()} cores")
    for name, rounds in results.items():
        median, high = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"{name:12} median {median:6.2f} ms   p99 {high:6.2f} ms")
    return 0
