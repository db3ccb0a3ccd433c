"""The server's process, as its test sees it: started, linked, and ended with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sshecho.testing.errors import ServerError
from sshecho.testing.link import Calls, Link

_GRACE = 5.0
"""Seconds that the server has to end by itself."""
_LONGEST_LOG = 1 << 20
_LAST = 20  # lines that are told as its last words

# The package is to be this very one; but what else lies beside it, or beside the tests, such as a
# random.py, must not stand in for Python's own: so -P, and nothing is added to PYTHONPATH.
_BEGIN = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
import sshecho
del sys.path[0]
from sshecho.testing.inside.__main__ import main
main()
"""


class Process:
    """A process that ends with ours: it hears when the link is closed, however that comes about.

    Attributes:
        link: for orders.
        calls: for callables.

    Raises:
        ServerError: when it can't be started.
    """

    def __init__(self) -> None:
        try:
            self._log: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as we do
        except OSError as error:
            raise ServerError(f"there is no folder for the server's files: {error}") from None
        self._logBegins = 0
        self._lastLog = ""
        link, theirLink = socket.socketpair()
        calls, theirCalls = socket.socketpair()
        self.link = Link(link)
        self.calls = Calls(calls)
        with theirLink, theirCalls:
            try:
                self._process = self._start(theirLink.fileno(), theirCalls.fileno())
            except OSError as error:
                self.link.close()
                self.calls.close()
                self._log.close()
                raise ServerError(f"{sys.executable} can't be started: {error}") from None

    def _start(self, *theirs: int) -> subprocess.Popen[bytes]:
        package = str(Path(__file__).resolve().parents[2])
        numbers = map(str, (*theirs, os.getpid()))
        return subprocess.Popen(  # noqa: S603 - it is our own
            [sys.executable, "-P", "-c", _BEGIN, package, *numbers],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=_environment(),
            pass_fds=theirs,
            process_group=0,  # a ^C is for the tests
        )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has said on its terminal since `forgetLog`."""
        if self._log.closed:
            return self._lastLog
        end = os.fstat(self._log.fileno()).st_size
        begin = max(self._logBegins, end - _LONGEST_LOG)
        return os.pread(self._log.fileno(), end - begin, begin).decode(errors="backslashreplace")

    def forgetLog(self) -> None:
        """Begin the log anew."""
        self._logBegins = os.fstat(self._log.fileno()).st_size

    def lastWords(self) -> str:
        """Return how it has ended, and what it has said; empty text if there is nothing to say."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        status = self._process.returncode
        fate = f" (killed by {signal.Signals(-status).name})" if status and status < 0 else ""
        log = "\n".join(self.log.splitlines()[-_LAST:])
        return f"{fate}; its last words:\n{log}" if log else fate

    def end(self) -> None:
        """End it, and wait for that; its log stays."""
        self.link.close()
        self.calls.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._lastLog = self.log
        self._log.close()


def _environment() -> dict[str, str]:
    """Return the environment, without what would have warnings end the process."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    return {**kept, "TMPDIR": tempfile.gettempdir()}
