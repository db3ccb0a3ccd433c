"""The fair queue."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshecho.fairqueue import FairQueue


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
def test_fair(things):
    """Each source's things come in order, and none of a source waits for two of another's."""
    queue = FairQueue()
    for source, thing in things:
        queue.put(source, (source, thing))
    out = [queue.take() for _ in range(len(queue))]
    assert not queue
    for source in "abc":
        assert [pair for pair in out if pair[0] == source] == [t for t in things if t[0] == source]
    for at, (source, _) in enumerate(out[:-1]):
        rest = {pair[0] for pair in out[at + 1 :]}
        assert out[at + 1][0] != source or rest == {source}


def test_removed():
    """What is removed does not come; a source of which nothing waits is forgotten."""
    queue = FairQueue()
    for thing in (1, 2, 3):
        queue.put("a", thing)
    queue.put("b", 4)
    queue.remove("b", 4)
    assert queue.takeLast("a") == 3
    assert (queue.longest(), queue.waiting("a"), queue.waiting("b"), len(queue)) == ("a", 2, 0, 2)
    with pytest.raises(ValueError, match="not in"):
        queue.remove("b", 4)
    assert [queue.take(), queue.take(), len(queue)] == [1, 2, 0]


def test_cleared():
    """Nothing comes out of a queue that was cleared."""
    queue = FairQueue()
    queue.put("a", 1)
    queue.clear()
    assert not queue
