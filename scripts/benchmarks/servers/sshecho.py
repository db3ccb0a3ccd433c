"""sshecho, as a user starts it."""

import sys
from importlib.metadata import version

from benchmarks.servers.server import Server
from benchmarks.site import HOST, Site


def describe() -> str:
    """Return its version and its interpreter's."""
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{version('sshecho')} on Twisted {version('twisted')}, Python {python}"


def command(site: Site) -> list[str]:
    """Return the command line."""
    return [
        *(sys.executable, "-m", "sshecho", "serve"),
        *("--ssh", f"tcp:{site.port}:interface={HOST}", "--line", "off"),
        *("--host-keys", str(site.hostKey.parent)),
        *("--auth", f"keys:{site.user}={site.authorizedKeys}"),
    ]


SERVER = Server("sshecho", "sshecho", "scripts/serve", describe, command)
