"""A program that runs beside us, whose lines are shown with its name before them."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

from clustering.place import ROOT, ClusterError

PATIENCE = 30
"""Seconds to wait for what should take one."""

Show = Callable[[str], object]


class Program:
    """A program.

    Args:
        name: what to call it.
        command: how it is started.
        environment: its environment.
        ready: the text of a line that it says once it is ready.
        show: is given each line.

    Attributes:
        process: its process.

    Raises:
        ClusterError: when it ends before it is ready.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        ready: str,
        show: Show,
    ) -> None:
        self.name = name
        self._ready = ready
        self._show = show
        self._last = ""
        self._isReady = threading.Event()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for whoever started all: then they end in their order.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._awaitReady()
        except BaseException:  # Ctrl-C, too: nobody else knows of it yet
            self.stop()
            raise

    def _awaitReady(self) -> None:
        if not self._isReady.wait(PATIENCE) or self.process.poll() is not None:
            raise ClusterError(f"{self.name}: {self._last or 'it says nothing'}")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for data in self.process.stdout:
            self._last = data.decode(errors="replace").rstrip("\n")
            self._show(f"{self.name}: {self._last}")
            if self._ready in self._last:
                self._isReady.set()
        self._isReady.set()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def askToStop(self) -> None:
        """Ask it to end."""
        self.process.terminate()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self.askToStop()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE)

    def kill(self) -> None:
        """End it as the loss of its machine would, without a goodbye."""
        self.process.kill()
        self.process.wait()
