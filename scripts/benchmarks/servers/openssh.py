"""OpenSSH's sshd, whose forced command is cat."""

import re
import shutil

from benchmarks.servers.server import Server, output
from benchmarks.site import HOST, Site

PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin"


def describe() -> str | None:
    """Return its version, or None."""
    program = shutil.which("sshd", path=PATH)
    found = program and re.search(r"OpenSSH_(\S+?)[, ]", output(program, "-V") or "")
    return found[1] if found else None


def command(site: Site) -> list[str]:
    """Write its configuration; return the command line. sshd wants its program's whole path."""
    config = site.folder / "sshd_config"
    config.write_text(
        f"""Port {site.port}
ListenAddress {HOST}
HostKey {site.hostKey}
AuthorizedKeysFile {site.authorizedKeys}
ForceCommand cat
PermitRootLogin yes
PidFile none
StrictModes no
"""
    )
    program = shutil.which("sshd", path=PATH)
    assert program is not None
    return [program, "-D", "-e", "-f", str(config)]


SERVER = Server("openssh", "OpenSSH", "apt-get install openssh-server", describe, command)
