"""``python -m sshecho.testing.inside LINK CALLS``: a server for tests, as `Server` starts it."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Leave the terminal's signals to the tests, from the first moment, and run."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    from sshecho.testing.inside import process  # which takes its time

    process.main(*map(int, sys.argv[1:3]))


if __name__ == "__main__":
    main()
