"""The measures: plain numbers that add up over processes."""

import json

from sshecho.service.measures import BUCKETS, Measures


def test_counting():
    """Each name and labels have a counter of their own."""
    measures = Measures()
    measures.count("logins", ("ssh", "ok"))
    measures.count("logins", ("ssh", "ok"), 2)
    measures.count("logins", ("line", "ok"))
    measures.count("nothing")
    assert dict(measures.counts("logins")) == {("ssh", "ok"): 3, ("line", "ok"): 1}
    assert dict(measures.counts("nothing")) == {(): 1}
    assert dict(measures.counts("others")) == {}


def test_times_go_into_buckets():
    """A time is in the first bucket whose bound it does not exceed, and the rest in the last."""
    measures = Measures()
    for seconds in (0, BUCKETS[0], BUCKETS[0] * 1.01, BUCKETS[-1], BUCKETS[-1] + 1):
        measures.observe("echo", ("ssh",), seconds)
    [(labels, found, total)] = measures.times("echo")
    assert labels == ("ssh",)
    assert len(found) == len(BUCKETS) + 1
    assert (found[0], found[1], found[-2], found[-1], sum(found)) == (2, 1, 1, 1, 5)
    assert total == BUCKETS[0] * 2.01 + 2 * BUCKETS[-1] + 1


def test_bounds_rise():
    """The buckets' bounds are in order."""
    assert list(BUCKETS) == sorted(set(BUCKETS))


def test_what_is_taken_adds_up():
    """What workers have taken, as JSON carries it, adds up to all that they have counted."""
    total = Measures()
    workers = [Measures(), Measures()]
    for round_ in (1, 2):
        for worker in workers:
            worker.count("bytes", ("ssh", "sent"), 5 * round_)
            worker.observe("echo", ("ssh",), 0.001)
            total.add(json.loads(json.dumps(worker.take())))
    assert dict(total.counts("bytes")) == {("ssh", "sent"): 30}
    [(_, found, seconds)] = total.times("echo")
    assert (sum(found), round(seconds, 6)) == (4, 0.004)
    assert workers[0].take() == {"counts": [], "times": []}


def test_a_sum_is_no_part_of_what_it_was_made_of():
    """Nothing is counted twice that comes after it was added."""
    mine, total = Measures(), Measures()
    mine.observe("echo", (), 1)
    taken = mine.take()
    total.add(taken)
    total.observe("echo", (), 1)
    total.add(taken)
    [(_, found, _)] = total.times("echo")
    assert sum(found) == 3
