"""What the commands' options are read by."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

from benchmarks.progress import tell
from benchmarks.servers import SERVERS, Server


def positive(text: str) -> int:
    """Return a whole number above zero.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def listOf(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what reads some of these names, with commas between them."""
    allowed = list(known)

    def read(text: str) -> list[str]:
        wanted = text.split(",")
        for name in wanted:
            if name not in allowed:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(allowed)}")
        return [name for name in allowed if name in wanted]

    return read


def addOnly(parser: argparse.ArgumentParser) -> None:
    """Let some servers be chosen; sshecho alone if none are."""
    parser.add_argument(
        "--only",
        type=listOf(SERVERS),
        default=["sshecho"],
        metavar="NAME,...",
        help=f"some of {','.join(SERVERS)} (sshecho)",
    )


def installed(wanted: Iterable[str]) -> dict[Server, str]:
    """Return the servers of these names that there are, with their versions; tell of the others."""
    found = {}
    for name in wanted:
        version = SERVERS[name].version()
        if version is None:
            tell(f"{SERVERS[name].title} is not installed: {SERVERS[name].install}")
        else:
            found[SERVERS[name]] = version
    return found
