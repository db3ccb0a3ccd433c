"""What the options of every command have in common."""

from __future__ import annotations

from typing import NoReturn

from twisted.python import usage

from sshecho import __version__


class Options(usage.Options):
    """Twisted's options, with a version of our own."""

    def opt_version(self) -> NoReturn:
        """Say the version and exit."""
        print(f"sshecho {__version__}")
        raise SystemExit(0)
