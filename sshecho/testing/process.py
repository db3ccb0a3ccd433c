"""The server's process, as its test sees it: started, linked, and ended with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from sshecho.testing.link import Calls, Link

_GRACE = 5.0
"""Seconds that the server has to end by itself."""
_LONGEST_LOG = 1 << 20


class Process:
    """A process that ends with ours: it hears when the link is closed, however that comes about.

    Attributes:
        link: for orders.
        calls: for callables.
    """

    def __init__(self) -> None:
        self._log: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as we do
        self._logBegins = 0
        link, theirLink = socket.socketpair()
        calls, theirCalls = socket.socketpair()
        with theirLink, theirCalls:
            theirs = (theirLink.fileno(), theirCalls.fileno())
            # -P: files beside the tests, such as a random.py, must not stand in for Python's own.
            command = [sys.executable, "-P", "-m", "sshecho.testing.inside", *map(str, theirs)]
            self._process = subprocess.Popen(  # noqa: S603 - it is our own
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=_environment(),
                pass_fds=theirs,
                process_group=0,  # a ^C is for the tests
            )
        self.link = Link(link)
        self.calls = Calls(calls)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said on its terminal since `forgetLog`."""
        end = os.fstat(self._log.fileno()).st_size
        begin = max(self._logBegins, end - _LONGEST_LOG)
        return os.pread(self._log.fileno(), end - begin, begin).decode(errors="backslashreplace")

    def forgetLog(self) -> None:
        """Begin the log anew."""
        self._logBegins = os.fstat(self._log.fileno()).st_size

    def end(self) -> None:
        """End it, and wait for that."""
        self.link.close()
        self.calls.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def _environment() -> dict[str, str]:
    """Return an environment in which the process finds this very package."""
    ours = str(Path(__file__).resolve().parents[2])
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [ours, others]))}
