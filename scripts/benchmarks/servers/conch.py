"""Conch's own server classes, with an echo."""

import sys
from importlib.metadata import version

from benchmarks.servers.server import PROGRAMS, Server
from benchmarks.site import Site


def command(site: Site) -> list[str]:
    """Return the command line."""
    program = PROGRAMS / "conch_echo.py"
    arguments = (program, site.port, site.hostKey, site.user, site.authorizedKeys)
    return [sys.executable, *map(str, arguments)]


SERVER = Server("conch", "Conch", "scripts/serve", lambda: f"Twisted {version('twisted')}", command)
