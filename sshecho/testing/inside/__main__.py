"""The server's process, as a test's `Server` starts it, with LINK CALLS PARENT for arguments."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Leave the terminal's signals to the tests, from the first moment, and run."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    from sshecho.testing.inside import process  # which takes its time

    process.main(*map(int, sys.argv[1:]))


if __name__ == "__main__":
    main()
