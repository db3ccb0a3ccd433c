"""The rounds: in each all servers have their turn, so what disturbs one disturbs all."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.client import sessions
from benchmarks.measures import MEASURES, Figure, Sizes, Taken
from benchmarks.progress import clear, say, tell
from benchmarks.running import BrokenServerError, running
from benchmarks.servers import Server


@dataclass
class Results:
    """What came out for one server.

    Attributes:
        server: which.
        version: of what.
        agreed: the cipher and the MAC.
        rounds: what each round took.
    """

    server: Server
    version: str
    agreed: str = ""
    rounds: list[Taken] = field(default_factory=list)

    def figures(self) -> list[Figure]:
        """Return what was measured."""
        return list(self.rounds[0]) if self.rounds else []

    def median(self, figure: Figure) -> float | None:
        """Return the median of a figure over the rounds; None: it can't be had."""
        values = [each for taken in self.rounds if (each := taken.get(figure)) is not None]
        return statistics.median(values) if values else None


def measure(
    servers: dict[Server, str], rows: Iterable[str], rounds: int, sizes: Sizes, core: int | None
) -> list[Results]:
    """Measure all in turns; return the results of those that lasted, and tell why others did not.

    Args:
        servers: what is measured, and its version.
        rows: names of MEASURES.
        rounds: how often.
        sizes: how much.
        core: where the servers run.
    """
    lasting = {server: Results(server, version) for server, version in servers.items()}
    for number in range(1, rounds + 1):
        for server, results in list(lasting.items()):
            row = "start"
            try:
                with running(server, core) as run:
                    with sessions(run.site, 1) as [session]:
                        results.agreed = session.agreed()
                    taken: Taken = {}
                    for row in rows:
                        say(f"round {number} of {rounds}: {server.title}, {row}")
                        taken |= MEASURES[row](run, sizes)
                    results.rounds.append(taken)
            except BrokenServerError as error:
                tell(f"{error} (at {row})")
                del lasting[server]
    clear()
    return list(lasting.values())
