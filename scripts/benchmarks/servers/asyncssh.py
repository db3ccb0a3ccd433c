"""asyncssh, with an echo."""

import sys
from importlib.metadata import PackageNotFoundError, version

from benchmarks.servers.server import PROGRAMS, Server
from benchmarks.site import Site


def describe() -> str | None:
    """Return its version, or None."""
    try:
        return version("asyncssh")
    except PackageNotFoundError:
        return None


def command(site: Site) -> list[str]:
    """Return the command line."""
    program = PROGRAMS / "asyncssh_echo.py"
    return [
        sys.executable,
        *map(str, (program, site.port, site.hostKey, site.authorizedKeys)),
    ]


SERVER = Server("asyncssh", "asyncssh", ".venv/bin/pip install asyncssh", describe, command)
