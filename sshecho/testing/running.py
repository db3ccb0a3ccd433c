"""The running server: its process from start to close, and what a client needs of it."""

from __future__ import annotations

import atexit
import ipaddress
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from sshecho.testing.errors import ServerError
from sshecho.testing.options import Options
from sshecho.testing.process import Process
from sshecho.testing.seen import Seen

_HIGHEST_PORT = 65535


class RunningServer:
    """A server in a process of its own, on loopback; it is there from `start` to `close`.

    It may be used from any thread. `sshecho.testing.Server` tells of its attributes.
    """

    def __init__(
        self,
        *,
        user: str = "user",
        password: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        line_port: int = 0,
        **options: Unpack[Options],
    ) -> None:
        """Get ready to start.

        Args:
            user: who may log in.
            password: their password; a random one unless it is given.
            host: where it listens: an address of loopback.
            port: the SSH door's port; a free one unless it is given.
            line_port: the line door's, likewise.
            options: see `Options`.
        """
        self.user = user
        self.password = secrets.token_urlsafe(12) if password is None else password
        self.host = host
        self.port = port
        self.line_port = line_port
        self._wanted = {"port": port, "line_port": line_port}
        self._options = options
        self.options = options
        self._process: Process | None = None
        self._owner = 0
        self._told: dict[str, Any] = {}
        self._log = ""
        self._failures: list[BaseException] = []

    # From start to close.

    def start(self) -> Self:
        """Start it, and wait until it has let somebody in and echoed.

        Returns:
            Itself.

        Raises:
            ServerError: when it can't be started, or runs already.
            ValueError: when an option can't be had.
        """
        if self._process is not None and os.getpid() == self._owner:
            raise ServerError("the server runs already")
        _checkPlace(self.host, self._wanted)
        self._process = Process()
        self._owner = os.getpid()
        self._seen = Seen(lambda since: self._ask("see", since=since))
        atexit.register(self.close)
        try:
            self._open()
            self.reset()
        except BaseException:
            self.close()
            raise
        return self

    def _open(self) -> None:
        try:
            self._told = self._ask(
                "start", host=self.host, user=self.user, password=self.password, **self._wanted
            )
        except ValueError as error:
            text = f"the server can't be started: {error}{_advice(str(error))}"
            raise ServerError(text) from None
        self.port, self.line_port = self._told["port"], self._told["line_port"]

    def close(self) -> None:
        """End it: connections are closed, and its files are gone. What it said stays in `log`."""
        if self._process is None or os.getpid() != self._owner:  # a fork is not the owner
            return
        process, self._process = self._process, None
        atexit.unregister(self.close)
        process.end()
        self._log, self._failures = process.log, process.calls.failures
        told, self._told = self._told, {}
        if told:  # a process that was killed has left its files
            shutil.rmtree(Path(told["ssh_config"]).parent, ignore_errors=True)

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it; if nothing else went wrong, see whether a callable did."""
        try:
            if kind is None and os.getpid() == self._owner:
                self.check()
        finally:
            self.close()

    def reset(self, **options: Unpack[Options]) -> None:
        """Begin anew: close connections, and forget what was seen, dictated and ordered.

        Args:
            options: those that differ, until the next reset, from the ones it was made with.

        Raises:
            ValueError: when an option can't be had; then nothing has changed.
        """
        __tracebackhide__ = True
        process = self._running()
        together: Options = {**self._options, **options}

        def begin() -> None:
            self._ask("reset", options=together)
            self.options = together
            process.calls.clear()
            process.forgetLog()

        self._seen.anew(begin)

    def check(self) -> None:
        """Raise what a callable of `Server.respond` has raised, if any has since the last reset."""
        failures = self._failures if self._process is None else self._process.calls.failures
        if failures:
            raise failures.pop(0)

    def _running(self) -> Process:
        __tracebackhide__ = True
        if self._process is None and self._owner:
            raise ServerError("the server is closed; but for its log, what it saw went with it")
        if self._process is None:
            raise ServerError("the server is not running: use it in a with statement, or start it")
        if os.getpid() != self._owner:
            raise ServerError("the server can be asked only by the process that has started it")
        return self._process

    def _ask(self, order: str, /, **arguments: object) -> Any:  # noqa: ANN401
        __tracebackhide__ = True
        process = self._running()
        try:
            return process.link.ask(order, **arguments)
        except ServerError as error:
            raise ServerError(f"{error}{process.lastWords()}") from None

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        here = os.getpid() == self._owner  # and not in a fork of that process
        return here and self._process is not None and self._process.runs

    # What a client needs.

    @property
    def private_key(self) -> Path:
        """The file of a key that may log in too, of type ed25519; the public one is beside it."""
        return self._paper("private_key")

    @property
    def known_hosts(self) -> Path:
        """A file of the server's host keys, as ssh and others read it."""
        return self._paper("known_hosts")

    @property
    def ssh_config(self) -> Path:
        """A file for ``ssh -F``, to which the server's name is ``sshecho``."""
        return self._paper("ssh_config")

    def _paper(self, name: str) -> Path:
        self._running()
        return Path(self._told[name])

    @property
    def lacking(self) -> frozenset[str]:
        """Names of algorithms that it can't offer, since its cryptography does not have them."""
        self._running()
        return frozenset(self._told["lacking"])

    @property
    def log(self) -> str:
        """What the server has said for people to read: a line for each thing that happened."""
        return self._log if self._process is None else self._process.log


def _checkPlace(host: str, ports: dict[str, int]) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ServerError(
            f"host={host!r}: a server for tests is for loopback only; give 127.0.0.1 or ::1"
        )
    for name, port in ports.items():
        if not isinstance(port, int) or not 0 <= port <= _HIGHEST_PORT:
            raise ValueError(f"{name}={port!r}: it is from 0, for a free one, to {_HIGHEST_PORT}")


def _advice(error: str) -> str:
    """Return what can be done about what keeps a server from starting."""
    if "Address already in use" in error:
        return "; leave the port out, and a free one is taken"
    if "Permission denied" in error:
        return "; ports below 1024 are for root: leave the port out, and a free one is taken"
    return ""
