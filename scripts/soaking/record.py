"""The record of a soak: what was seen each second, what was done, and what failed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from soaking.reporting import Did, Failed, Took


@dataclass(frozen=True)
class Sample:
    """The server at the end of a second.

    Attributes:
        memory: MiB that are resident.
        descriptors: how many are open.
        sessions: users that are in.
        cpu: seconds of CPU that this second took.
        waited: seconds of it in which it had work, and no core to do it on.
    """

    memory: float
    descriptors: int
    sessions: int
    cpu: float
    waited: float


@dataclass(frozen=True)
class Spell:
    """An attack, from when to when.

    Attributes:
        name: which.
        start, end: in seconds.
    """

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Rest:
    """The server when nobody is there.

    Attributes:
        descriptors: how many are open.
        connections: how many the audit log has not seen closing.
        logins: how many users it has not seen leaving.
    """

    descriptors: int
    connections: int = 0
    logins: int = 0


@dataclass
class Record:
    """All that is known of a soak, which the verdicts, the tables and the picture are made of.

    Second 0 is the first that counts; those before it are the warm-up.

    Attributes:
        began: when second 0 began, by the monotonic clock.
        before, after: the server before its clients came, and once they had gone.
        samples: by their seconds.
        latencies: for each second, the milliseconds of the lines that were due in it.
        spells: the attacks, in order.
        done: what was done how often, in the warm-up too.
        failures: what the clients with manners did not get, or what else went wrong, in lines.
        complaints: the lines on its terminal that tell of errors.
        status: its exit status; None: it did not end when it was told to.
    """

    began: float
    before: Rest
    after: Rest | None = None
    samples: dict[int, Sample] = field(default_factory=dict)
    latencies: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    spells: list[Spell] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    status: int | None = None

    def second(self, at: float) -> float:
        """Return how many seconds after the beginning a time is, of the monotonic clock."""
        return at - self.began

    def take(self, report: Did | Took | Failed) -> None:
        """Write down what clients report."""
        match report:
            case Did(what, amount):
                self.done[what] += amount
            case Took(at, seconds):
                self.done["lines"] += 1
                self.latencies[int(self.second(at) // 1)].append(seconds * 1e3)
            case Failed(at, why):
                self.fail(at, why)

    def fail(self, at: float, why: str) -> None:
        """Write down what went wrong."""
        self.failures.append(f"{self.second(at):.1f} s: {why}")

    def times(self, seconds: Iterable[int]) -> list[float]:
        """Return the latencies of some seconds, in milliseconds, least first."""
        return sorted(time for second in seconds for time in self.latencies.get(second, ()))

    @property
    def seconds(self) -> range:
        """The seconds that count."""
        return range(max(self.samples, default=-1) + 1)
