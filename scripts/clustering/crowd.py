"""Many clients of a cluster, each with an idle session through HAProxy."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Final

from attacking.attacker import Attacker, Target
from twisted.conch.ssh.connection import MSG_GLOBAL_REQUEST, MSG_REQUEST_FAILURE

PROCESSES: Final = 4
"""Clients' processes, between which the sessions are parted."""
_FORK: Final = get_context("fork")


class Crowd:
    """So many sessions in processes of their own, which answer probes.

    Args:
        target: where they log in, and how.
        count: how many there are.
    """

    def __init__(self, target: Target, count: int) -> None:
        self._pipes: list[Connection] = []
        self._processes = []
        for number in range(PROCESSES):
            ours, theirs = _FORK.Pipe()
            share = len(range(number, count, PROCESSES))
            process = _FORK.Process(target=_serve, args=(theirs, target, share), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        self._answers()

    def _ask(self, order: str) -> list[float]:
        for pipe in self._pipes:
            pipe.send(order)
        return self._answers()

    def _answers(self) -> list[float]:
        return [pipe.recv() for pipe in self._pipes]

    def probes(self) -> int:
        """Return how many probes were answered since this was last asked."""
        return round(sum(self._ask("probes")))

    def comeBack(self) -> tuple[int, float]:
        """Have all whose sessions have ended log in again, at once.

        Returns:
            How many there were, and the seconds until the last was in.
        """
        began = time.monotonic()
        return round(sum(self._ask("come back"))), time.monotonic() - began

    def close(self) -> None:
        """End all sessions."""
        for process in self._processes:
            process.kill()
            process.join()


def _serve(pipe: Connection, target: Target, count: int) -> None:
    """Hold sessions, and do what is asked: one process of a crowd's."""
    chooser = selectors.DefaultSelector()
    chooser.register(pipe, selectors.EVENT_READ)
    probes = gone = 0
    due = asked = count  # sessions that are to be opened, of so many
    while True:
        if due:
            session = Attacker(target).login().shell()
            chooser.register(session.socket, selectors.EVENT_READ, session)
            due -= 1
            if not due:
                pipe.send(float(asked))
        # Between logins too, or those that are in would leave their probes without an answer.
        for key, _ in chooser.select(0 if due else None):
            if isinstance(key.data, Attacker):
                try:
                    key.data.read()
                    probes += _answer(key.data)
                except OSError:
                    chooser.unregister(key.fileobj)
                    key.data.socket.close()
                    gone += 1
            elif pipe.recv() == "probes":
                pipe.send(float(probes))
                probes = 0
            elif gone:
                due, asked, gone = gone, gone, 0
            else:
                pipe.send(0.0)


def _answer(session: Attacker) -> int:
    """Answer a session's probes, and return how many there were."""
    numbers: Iterable[int] = [number for number, _ in session.packets]
    probes: Sequence[int] = [number for number in numbers if number == MSG_GLOBAL_REQUEST]
    session.packets.clear()
    for _ in probes:
        session.send(MSG_REQUEST_FAILURE)
    return len(probes)
