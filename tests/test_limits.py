"""The limits, as they are given on the command line."""

import resource

import pytest
from helpers import logged
from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.python.usage import UsageError

from sshecho.service import descriptors
from sshecho.service.descriptors import SPARE, Exhaustion, reserveDescriptors
from sshecho.service.gate import Gate
from sshecho.service.limits import Limits
from sshecho.tap import Options


def parse(*arguments):
    options = Options()
    options.parseOptions(arguments)
    return options["limits"]


def test_defaults():
    """Without options the limits are those of the table."""
    assert parse() == Limits() == Limits(120, 6, 100, 10000, 10, None, 60, 1 << 30)


def test_options():
    """Each option sets its limit."""
    arguments = "--login-grace 1.5 --max-auth-tries 2 --max-startups 3 --max-connections 4"
    arguments += " --max-sessions 5 --idle-timeout 6 --keepalive off --rekey-limit 1M"
    assert parse(*arguments.split()) == Limits(1.5, 2, 3, 4, 5, 6, None, 1 << 20)
    assert parse("--idle-timeout", "off").idleTimeout is None


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("login-grace", "0", "more than 0"),
        ("login-grace", "off", "a number of seconds"),
        ("login-grace", "1e3", "a number of seconds"),
        ("idle-timeout", "-1", "a number of seconds"),
        ("keepalive", "9999999", "at most 1000000"),
        ("max-startups", "0", "from 1 to 1000000"),
        ("max-connections", "many", "from 1 to 1000000"),
        ("max-sessions", "1.5", "from 1 to 1000000"),
        ("max-auth-tries", "\u0663", "from 1 to 1000000"),
        ("rekey-limit", "1", "from 1K to 16G"),
    ],
)
def test_bad(option, value, why):
    """What is no limit is said in a line that names the option."""
    with pytest.raises(UsageError, match=f"^--{option} {value}: .*{why}"):
        parse(f"--{option}={value}")


class Resource:
    """Stands in for the system's limits."""

    RLIMIT_NOFILE, RLIM_INFINITY = resource.RLIMIT_NOFILE, resource.RLIM_INFINITY

    def __init__(self, soft, hard, root=False):
        self.limits = (soft, hard)
        self._root = root

    def getrlimit(self, _):
        return self.limits

    def setrlimit(self, _, limits):
        if limits[1] > self.limits[1] and not self._root:
            raise ValueError("not allowed to raise maximum limit")
        self.limits = limits


@pytest.mark.parametrize(
    ("system", "most", "raised"),
    [
        (Resource(100_000, 100_000), 10_000, (100_000, 100_000)),
        (Resource(-1, -1), 10_000, (-1, -1)),
        (Resource(1024, 100_000), 10_000, (10_000 + SPARE, 100_000)),
        (Resource(1024, 4096, root=True), 10_000, (10_000 + SPARE, 10_000 + SPARE)),
        (Resource(1024, 4096), 4096 - SPARE, (4096, 4096)),
        (Resource(64, 64), 1, (64, 64)),
    ],
)
def test_descriptors(monkeypatch, system, most, raised):
    """The system's limit is raised as far as it goes; fewer connections than asked for are said."""
    monkeypatch.setattr(descriptors, "resource", system)
    with logged() as seen:
        assert reserveDescriptors(Limits()).maxConnections == most
    assert system.limits == raised
    assert [("ulimit -n" in formatEvent(event)) for event in seen] == [True] * (most < 10_000)


def test_exhaustion():
    """That no connection can be accepted is told, once; what else Twisted says is not."""
    clock = Clock()
    observer = Exhaustion(Gate(Limits(), clock))
    events = []
    twisted = Logger(namespace="twisted.internet.tcp.Port", observer=events.append)
    with logged() as seen:
        for _ in range(3):
            twisted.info("EMFILE encountered; releasing reserved file descriptor.")
            twisted.info("Re-reserving EMFILE recovery file descriptor.")
        for event in events:
            observer(event)
    [told] = [event["audit"] for event in seen]
    assert (told["event"], told["limit"]) == ("limit.reached", "descriptors")
