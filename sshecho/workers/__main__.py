"""``python -m sshecho.workers NUMBER``: a worker, as the parent starts it."""

from __future__ import annotations

import signal


def main() -> None:
    """Leave to the parent what is for all of us, from the first moment, and run."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(ignored, signal.SIG_IGN)
    from sshecho.workers import process  # which takes its time

    process.main()


if __name__ == "__main__":
    main()
