"""What was seen, at both ends of the link: only what is new travels."""

from dataclasses import dataclass

from twisted.logger import Logger, globalLogPublisher

from sshecho.service.events import happened
from sshecho.testing.inside.recorder import Kept, Recorder
from sshecho.testing.seen import Seen


@dataclass
class Thing:
    """Something to see.

    Attributes:
        value: what is seen of it.
        over: whether that changes no more.
        looks: how often it was looked at.
    """

    value: int
    over: bool = False
    looks: int = 0


def read(thing):
    thing.looks += 1
    return {"value": thing.value}


def kept(*things) -> Kept:
    """Return what keeps things."""
    result = Kept(read, lambda thing: thing.over)
    result.things.extend(things)
    return result


def test_only_what_has_changed():
    """Since a version there is what came or changed after it, and nothing else."""
    one, two = Thing(1), Thing(2)
    things = kept(one, two)
    things.look(1)
    assert list(things.since(0)) == [(0, {"value": 1}), (1, {"value": 2})]
    assert list(things.since(1)) == []
    two.value = 22
    things.things.append(Thing(3))
    things.look(2)
    assert list(things.since(1)) == [(1, {"value": 22}), (2, {"value": 3})]
    assert list(things.since(2)) == []
    assert len(list(things.since(0))) == 3


def test_what_is_over_is_looked_at_no_more():
    """A thing that is over is looked at once more, and then never again."""
    one, two = Thing(1), Thing(2, over=True)
    things = kept(one, two)
    for version in range(1, 4):
        things.look(version)
    one.over, one.value = True, 11
    for version in range(4, 7):
        things.look(version)
    assert (one.looks, two.looks) == (4, 1)
    assert list(things.since(3)) == [(0, {"value": 11})]


def test_other_logs():
    """What is logged, and is no event of the audit log, is not kept."""
    recorder = Recorder()
    log = Logger(observer=recorder)
    log.info("nothing to keep")
    assert recorder.see(0) == {"version": 1, "changes": []}


def test_both_ends():
    """A copy is as what it is of, however often one looks, and each look asks for news alone."""
    one = Thing(1)
    things, others = kept(one), kept()
    asked = []
    version = 0

    def ask(since):
        nonlocal version
        asked.append(since)
        version += 1
        changes = []
        for kind, each in (("events", things), ("sessions", others)):
            each.look(version)
            changes += [(kind, number, seen) for number, seen in each.since(since)]
        return {"version": version, "changes": changes}

    seen = Seen(ask)
    assert seen.look("events") == [{"value": 1}]
    assert seen.look("sessions") == []
    one.value = 2
    things.things.append(Thing(3))
    others.things.append(Thing(4))
    first = seen.look("events")
    assert first == [{"value": 2}, {"value": 3}]
    assert seen.look("sessions") == [{"value": 4}]
    assert asked == [0, 1, 2, 3]
    one.value = 5
    seen.look("events")
    assert first == [{"value": 2}, {"value": 3}]  # what was looked at stays as it was


def test_the_audit_log_is_kept():
    """An event of the audit log is seen with its fields and its time; after a clear it is not."""
    recorder = Recorder()
    globalLogPublisher.addObserver(recorder)
    try:
        happened("login.ok", "somebody came", user="bob")
    finally:
        globalLogPublisher.removeObserver(recorder)
    [(kind, number, event)] = recorder.see(0)["changes"]
    assert (kind, number, event["event"], event["user"]) == ("events", 0, "login.ok", "bob")
    assert event["time"].endswith("Z")
    recorder.clear()
    assert recorder.see(0)["changes"] == []
    assert recorder.see(0)["version"] == 3
