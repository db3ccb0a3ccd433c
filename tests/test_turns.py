"""Turns: much work is done a little at a time, source by source."""

import pytest
from helpers import turn
from twisted.internet.task import Clock

from sshecho.service.turns import TURN, Turns

DEAR = TURN * 0.6


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def turns(clock):
    return Turns(clock)


@pytest.fixture
def work(clock):
    """Return a function that makes a piece of work, which takes its time and is noted."""
    done = []

    def make(name):
        def do():
            clock.rightNow += DEAR
            done.append(name)

        return do

    make.done = done
    return make


def test_little(turns, clock, work):
    """A little work is done at once, and leaves no timer."""
    turns.take("a", work(1))
    assert work.done == [1]
    assert clock.getDelayedCalls() == []


def test_much(turns, clock, work):
    """Of much work some is done in each turn of the reactor."""
    for name in range(5):
        turns.take("a", work(name))
    assert work.done == [0, 1]
    turn(clock)
    assert work.done == [0, 1, 2, 3]
    turn(clock)
    assert work.done == [0, 1, 2, 3, 4]
    assert clock.getDelayedCalls() == []


def test_sources(turns, clock, work):
    """A source that has much to do has its turn behind those that have little."""
    for name in range(10):
        turns.take("flood", work(name))
    turns.take("other", work("other"))
    turn(clock)
    assert work.done == [0, 1, 2, "other"]


def test_order(turns, clock, work):
    """A source's work is done in order, whatever is done at once."""
    turns.later("a", work(1))
    turns.take("a", work(2))
    turn(clock)
    assert work.done == [1, 2]


def test_rest(turns, clock, work):
    """After a while without work there may be as much at once again."""
    for _ in range(3):
        turns.take("a", work("a"))
        turns.take("a", work("b"))
        clock.advance(0.001)
    assert work.done == ["a", "b"] * 3


def test_work_that_breaks(turns, clock, work):
    """Work that breaks holds up nobody else's."""

    def broken():
        raise RuntimeError

    turns.later("a", broken)
    turns.later("b", work("b"))
    with pytest.raises(RuntimeError):
        turn(clock)
    turn(clock)
    assert work.done == ["b"]


def test_stop(turns, clock, work):
    """When all is over nothing more is done, and there is no timer."""
    turns.later("a", work("a"))
    turns.stop()
    clock.advance(1)
    assert work.done == []
    assert clock.getDelayedCalls() == []
