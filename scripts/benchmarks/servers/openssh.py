"""OpenSSH's sshd, whose forced command is cat."""

import os
import re
from pathlib import Path

from benchmarks.servers.server import Server, find, output
from benchmarks.site import HOST, Site


def describe() -> str | None:
    """Return its version, or None."""
    program = find("sshd")
    found = program and re.search(r"OpenSSH_(\S+?)[, ]", output(program, "-V") or "")
    return found[1] if found else None


def command(site: Site) -> list[str]:
    """Write its configuration; return the command line, with the whole path, as sshd wants.

    SHLVL keeps bash from reading the user's .bashrc, whose cost is not sshd's.
    """
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # as its own start script does
    config = site.folder / "sshd_config"
    config.write_text(
        f"""Port {site.port}
ListenAddress {HOST}
HostKey {site.hostKey}
AuthorizedKeysFile {site.authorizedKeys}
ForceCommand cat
SetEnv SHLVL=1
PermitRootLogin yes
PidFile none
StrictModes no
"""
    )
    return [str(find("sshd")), "-D", "-e", "-f", str(config)]


SERVER = Server("openssh", "OpenSSH", "apt-get install openssh-server", describe, command)
