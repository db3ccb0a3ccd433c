"""What there is to know of a server that can be measured."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.site import Site

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sshecho-bench"
"""What is built, or installed for the bench alone."""
PROGRAMS = Path(__file__).parent / "programs"
"""The echo as a user of each library would write it."""


@dataclass(frozen=True)
class Server:
    """One that can be measured, if it is installed.

    Attributes:
        name: for --only.
        title: for people.
        install: what to do when it is missing.
        version: builds what has to be built; returns which version it is, or None: not installed.
        command: returns the command line that serves an echo at a site.
    """

    name: str
    title: str
    install: str
    version: Callable[[], str | None]
    command: Callable[[Site], list[str]]


def output(*command: str | Path, **more: str) -> str | None:
    """Return what a program says, on either stream, or None if there is no such program.

    Args:
        command: its name and arguments.
        more: variables for its environment.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | more,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip()


def find(daemon: str) -> str | None:
    """Return the path of a program, which may lie where only root looks; None: there is none."""
    return shutil.which(daemon, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
