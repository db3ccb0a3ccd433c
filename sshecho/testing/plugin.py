"""The pytest plugin: the fixtures ``sshecho`` and ``sshecho_factory``, and a mark for options."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from sshecho.testing import Server, ServerError

_SERVERS = pytest.StashKey["list[Server]"]()
"""Those that a test has used."""


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the mark."""
    config.addinivalue_line(
        "markers", "sshecho(**options): options of the test's server; see sshecho.testing.Options"
    )


@pytest.fixture(scope="session")
def _sshecho_server() -> Iterator[Server]:
    """The server of the fixture sshecho."""
    with Server() as server:
        yield server


@pytest.fixture
def sshecho(_sshecho_server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server to log in to, that has seen nothing yet. It is one process for all tests."""
    server = _sshecho_server
    try:
        server.reset()
    except (ServerError, ValueError):  # a test has done for it, or has taken its ports
        server.close()
        server.start()
    matrix: dict[str, list[str]] = getattr(request, "param", {})
    for names in matrix.values():
        for name in server.lacking.intersection(names):
            pytest.skip(f"cryptography has no {name} here")
    server.reset(**(_marked(request.node) | matrix))
    request.node.stash[_SERVERS].append(server)
    yield server
    server.check()
    with suppress(ServerError, ValueError):
        server.reset()  # so that no client of this test is cut off in the next


def _marked(item: pytest.Item) -> dict[str, Any]:
    """Return the options that marks say for a test."""
    options: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers("sshecho"))):  # the nearest comes last
        if mark.args:
            raise TypeError(f"the mark sshecho takes options by name, and not {mark.args!r}")
        options |= mark.kwargs
    return options


@pytest.fixture
def sshecho_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """Returns started servers, one a call, which takes what `sshecho.testing.Server` does."""
    servers = request.node.stash[_SERVERS]
    with ExitStack() as stack:

        def make(**options: Any) -> Server:  # noqa: ANN401 - as Server has them
            server = stack.enter_context(Server(**(_marked(request.node) | options)))
            servers.append(server)
            return server

        yield make


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test begin with no servers: it may be one that is tried again."""
    item.stash[_SERVERS] = []


@pytest.hookimpl(hookwrapper=True)  # what its successor is needs a younger pluggy than pytest does
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Show beside a test that failed what its servers have to say."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    servers = list(dict.fromkeys([*item.stash.get(_SERVERS, []), *_given(item)]))
    for number, server in enumerate(servers, 1):
        if report.failed and server.log:
            title = "sshecho" if len(servers) == 1 else f"sshecho {number} of {len(servers)}"
            report.sections.append((f"{title}, port {server.port}", server.log))


def _given(item: pytest.Item) -> list[Server]:
    """Return the servers that fixtures have given a test, of whoever's they are."""
    values = getattr(item, "funcargs", {}).values()
    return [value for value in values if isinstance(value, Server)]
