"""The pytest plugin: the fixtures ``sshecho`` and ``sshecho_factory``, and a mark for options."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sshecho.testing import Server

_SERVERS = pytest.StashKey["list[Server]"]()
"""Those that a test has used."""


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the mark."""
    config.addinivalue_line(
        "markers", "sshecho(**options): options of the test's server; see sshecho.testing.Options"
    )


@pytest.fixture(scope="session")
def _sshecho_server() -> Iterator[Server]:
    from sshecho.testing import Server

    with Server() as server:
        yield server


@pytest.fixture
def sshecho(_sshecho_server: Server, request: pytest.FixtureRequest) -> Server:
    """A server to log in to, that has seen nothing yet. It is one process for all tests."""
    server = _sshecho_server
    if not server.running:  # the test before has done for it
        server.close()
        server.start()
    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("sshecho"))):  # the nearest comes last
        if mark.args:
            raise TypeError(f"the mark sshecho takes options by name, and not {mark.args!r}")
        options |= mark.kwargs
    matrix: dict[str, list[str]] = getattr(request, "param", {})
    for names in matrix.values():
        for name in server.lacking.intersection(names):
            pytest.skip(f"cryptography has no {name} here")
    server.reset(**(options | matrix))
    request.node.stash.setdefault(_SERVERS, []).append(server)
    return server


@pytest.fixture
def sshecho_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """Returns started servers, one a call, which takes what `sshecho.testing.Server` does."""
    from sshecho.testing import Server

    servers = request.node.stash.setdefault(_SERVERS, [])
    with ExitStack() as stack:

        def make(**options: Any) -> Server:  # noqa: ANN401 - as Server has them
            server = stack.enter_context(Server(**options))
            servers.append(server)
            return server

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show beside a test that failed what its servers have to say."""
    report = yield
    servers = item.stash.get(_SERVERS, [])
    for number, server in enumerate(servers, 1):
        if report.failed and server.log:
            title = "sshecho" if len(servers) == 1 else f"sshecho {number} of {len(servers)}"
            report.sections.append((f"{title}, port {server.port}", server.log))
    return report
