"""Run a server and wait for all its processes: `python reaper.py CORE|- COMMAND...`.

It stands above the server, so that no process of the server's gets away: neither uncounted nor
alive. It ends with the server, and the server with it: at SIGTERM, or when the bench is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE = 5
"""Seconds to end by itself."""


def main() -> int:
    """Run the server to its end; return its exit status."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    if sys.argv[1] != "-":
        os.sched_setaffinity(0, {int(sys.argv[1])})
    signal.signal(signal.SIGTERM, end)
    server = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
    status = None
    try:
        while status is None:
            pid, waited = os.wait()
            if pid == server.pid:
                status = server.returncode = os.waitstatus_to_exitcode(waited)
    except SystemExit:
        server.send_signal(signal.SIGTERM)
        raise
    finally:
        endAll()
    return status if status >= 0 else 128 - status


def end(*_: object) -> None:
    """Leave the loop that waits."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit()


def endAll() -> None:
    """Wait for the processes that are left, and kill those that stay."""
    deadline = time.monotonic() + GRACE
    with contextlib.suppress(ChildProcessError):  # there is none any more
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            if time.monotonic() > deadline:
                for pid in children():
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


def children() -> list[int]:
    """Return this process's children: as they die, their own become so too."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


if __name__ == "__main__":
    sys.exit(main())
