"""The pytest plugin: the fixtures ``sshecho`` and ``sshecho_factory``, and a mark for options."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sshecho.testing import Server


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
    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("sshecho"))):  # the nearest comes last
        options |= mark.kwargs
    options |= getattr(request, "param", {})
    _sshecho_server.reset(**options)
    return _sshecho_server


@pytest.fixture
def sshecho_factory() -> Iterator[Callable[..., Server]]:
    """Returns started servers, one a call, which takes what `sshecho.testing.Server` does."""
    from sshecho.testing import Server

    with ExitStack() as stack:

        def make(**options: Any) -> Server:  # noqa: ANN401 - as Server has them
            return stack.enter_context(Server(**options))

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show beside a test that failed what its server has to say."""
    report = yield
    server = getattr(item, "funcargs", {}).get("sshecho")
    if report.failed and server is not None and server.log:
        report.sections.append(("sshecho", server.log))
    return report
