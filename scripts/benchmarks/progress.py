"""What the bench says on standard error while it runs."""

import sys


def say(text: str) -> None:
    """Say where it is: on a terminal in one line, over and over."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def tell(text: str) -> None:
    """Say what shall stay."""
    clear()
    print(text, file=sys.stderr, flush=True)


def clear() -> None:
    """Take the last line away, if it was one of those."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
