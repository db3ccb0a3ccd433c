"""What is said of a store that can't be asked."""

import pytest
from helpers import logged
from twisted.logger import LogLevel, formatEvent

from sshecho.cred import outage
from sshecho.cred.outage import Once, Outage


@pytest.fixture
def said():
    """What has been said, each time it is called since the last."""
    with logged() as events:

        def take():
            taken = [(event["log_level"], formatEvent(event)) for event in events]
            events.clear()
            return taken

        yield take


def error(why: str):
    return (LogLevel.error, f"{why}; until it is mended it lets nobody in")


MENDED = (LogLevel.warn, "the store: it is mended, and lets people in again")


def test_said_once(said):
    """An outage is said when it begins and when it ends, and not in between."""
    store = Outage("the store")
    store.ended()
    assert said() == []
    for _ in range(3):
        store.began("the store: gone")
    assert said() == [error("the store: gone")]
    for _ in range(3):
        store.ended()
    assert said() == [MENDED]
    store.began("the store: gone")
    assert said() == [error("the store: gone")]


def test_another_reason(said):
    """When something else is wrong with it, that is said too; it is mended once."""
    store = Outage("the store")
    store.began("the store: gone")
    store.began("the store: broken")
    store.began("the store: broken")
    store.ended()
    assert said() == [error("the store: gone"), error("the store: broken"), MENDED]


def test_stores_of_their_own(said):
    """What is wrong with one store is not what is wrong with another."""
    one, other = Outage("one"), Outage("other")
    one.began("gone")
    other.began("gone")
    assert said() == [error("gone")] * 2


def test_braces(said):
    """What is said is taken as it is, braces and all."""
    Outage("{store}").began("/tmp/{why}/{0}: gone")
    Once().warn("{text} {nothing")
    assert said() == [error("/tmp/{why}/{0}: gone"), (LogLevel.warn, "{text} {nothing")]


def test_once(said):
    """Each warning is said once, and to another Once it is new."""
    once = Once()
    for _ in range(3):
        once.warn("one")
        once.warn("two")
    assert [text for _, text in said()] == ["one", "two"]
    Once().warn("one")
    assert [text for _, text in said()] == ["one"]


def test_once_is_bounded(said, monkeypatch):
    """However many warnings there are, few are kept; one that is forgotten may be said again."""
    monkeypatch.setattr(outage, "_MOST", 3)
    once = Once()
    for number in range(10):
        once.warn(str(number))
        assert len(once._said) <= 3
    assert [text for _, text in said()] == [str(number) for number in range(10)]
    once.warn("9")
    assert said() == []
    once.warn("0")
    assert [text for _, text in said()] == ["0"]
