"""The verdicts: what has to hold of a soak."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from soaking.record import Record

MEMORY = 0.05
"""By how much the last minute's memory may differ from the first's."""
DESCRIPTORS = 2
"""How many more may be open at the end than at the start."""
MINUTE = 60
_SHOWN = 10


class Verdict(NamedTuple):
    """Whether something holds, and what was found, in a line."""

    holds: bool
    text: str


class Part(NamedTuple):
    """Some seconds of a soak.

    Attributes:
        name: such as ``"first minute"``.
        seconds: which.
    """

    name: str
    seconds: range


def parts(record: Record) -> tuple[Part, Part]:
    """Return the first and the last minute; of less than two minutes the first and last third."""
    count = len(record.seconds)
    if count >= 2 * MINUTE:
        length, name = MINUTE, "minute"
    else:
        length, name = max(1, count // 3), f"{max(1, count // 3)} s"
    first, last = record.seconds[:length], record.seconds[-length:]
    return Part(f"first {name}", first), Part(f"last {name}", last)


def memoryOf(record: Record, part: Part) -> float:
    """Return the median of the memory in some seconds, in MiB."""
    return statistics.median(record.samples[second].memory for second in part.seconds)


def verdicts(record: Record) -> list[Verdict]:
    """Return what has to hold, and whether it does."""
    return [
        _service(record),
        _memory(record),
        *_rest(record),
        _terminal(record),
        _end(record),
    ]


def _service(record: Record) -> Verdict:
    text = f"{record.done['lines']:,} lines and all other bytes of the well-behaved came back"
    if record.failures:
        text = f"went wrong: {_some(record.failures)}"
    return Verdict(not record.failures and record.done["lines"] > 0, text)


def _memory(record: Record) -> Verdict:
    if not record.seconds:
        return Verdict(False, "no sample was taken")
    first, last = parts(record)
    begin, end = memoryOf(record, first), memoryOf(record, last)
    growth = end / begin - 1
    cold = record.samples[min(record.samples)].memory
    text = (
        f"memory was {begin:.1f} MiB in the {first.name} and {end:.1f} MiB in the {last.name}: "
        f"{100 * growth:+.1f} %, of {100 * MEMORY:.0f} % allowed ({cold:.1f} MiB as the load began)"
    )
    return Verdict(abs(growth) <= MEMORY, text)


def _rest(record: Record) -> list[Verdict]:
    before, after = record.before, record.after
    if after is None:
        return [Verdict(False, "what stayed open at the end is not known")]
    return [
        Verdict(
            after.descriptors <= before.descriptors + DESCRIPTORS,
            f"{before.descriptors} descriptors were open at the start, {after.descriptors} at the "
            "end",
        ),
        Verdict(
            not after.connections and not after.logins,
            f"in the audit log {after.connections} connections have no end, and {after.logins} "
            "logins no logout",
        ),
    ]


def _terminal(record: Record) -> Verdict:
    text = "no error was said on the terminal"
    if record.complaints:
        text = f"was said on the terminal: {_some(record.complaints)}"
    return Verdict(not record.complaints, text)


def _end(record: Record) -> Verdict:
    if record.status is None:
        return Verdict(False, "the server did not end when it was told to")
    return Verdict(record.status == 0, f"the server ended with status {record.status}")


def _some(lines: list[str]) -> str:
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + more
