"""Dropbear, whose forced command is cat.

It reads the authorized_keys of the user's home alone, so it gets a home that no one else sees.
"""

import os
import re
import shutil
from pathlib import Path

from benchmarks.servers.server import Server, find, output
from benchmarks.site import HOST, Site

MOUNTED = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


def describe() -> str | None:
    """Return its version, or None."""
    program = find("dropbear")
    if program is None or find("dropbearconvert") is None or os.getuid() != 0:
        return None
    found = re.search(r"v(\S+)", output(program, "-V") or "")
    return found[1] if found else None


def command(site: Site) -> list[str]:
    """Make its key and the home; return the command line."""
    key = site.folder / "dropbear_key"
    output(str(find("dropbearconvert")), "openssh", "dropbear", site.hostKey, key)
    home = site.folder / "home"
    (home / ".ssh").mkdir(0o700, parents=True)
    home.chmod(0o700)
    shutil.copy(site.authorizedKeys, home / ".ssh" / "authorized_keys")
    return [
        *("unshare", "--mount", "sh", "-c", MOUNTED, "sh", str(home), str(Path.home())),
        *(str(find("dropbear")), "-F", "-E", "-r", str(key), "-p", f"{HOST}:{site.port}"),
        *("-c", "cat", "-P", str(site.folder / "dropbear.pid")),
    ]


SERVER = Server(
    "dropbear", "Dropbear", "it takes root, and apt-get install dropbear-bin", describe, command
)
