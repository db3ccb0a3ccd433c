"""gliderlabs/ssh on Go's x/crypto, from Debian's packages."""

import re

from benchmarks.servers.server import CACHE, PROGRAMS, Server, output
from benchmarks.site import Site

PROGRAM = CACHE / "go-echo"
PACKAGES = {
    "gliderlabs/ssh": "golang-github-gliderlabs-ssh-dev",
    "x/crypto": "golang-golang-x-crypto-dev",
}


def describe() -> str | None:
    """Build the program; return the versions of what is in it, or None."""
    go = output("go", "version")
    if go is None:
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    PROGRAM.unlink(missing_ok=True)
    source = PROGRAMS / "go_echo.go"
    output("go", "build", "-o", PROGRAM, source, GO111MODULE="off", GOPATH="/usr/share/gocode")
    if not PROGRAM.exists():
        return None
    versions = [f"{name} {debianVersion(package)}" for name, package in PACKAGES.items()]
    found = re.search(r"go(\d\S*)", go)
    return ", ".join([*versions, f"Go {found[1] if found else '?'}"])


def debianVersion(package: str) -> str:
    """Return the upstream version of a package."""
    shown = output("dpkg-query", "-W", "-f", "${Version}", package) or "?"
    return shown.rpartition(":")[2].partition("-")[0]


def command(site: Site) -> list[str]:
    """Return the command line."""
    return list(map(str, (PROGRAM, site.port, site.hostKey, site.authorizedKeys)))


SERVER = Server(
    "go",
    "Go",
    f"apt-get install golang-go {' '.join(PACKAGES.values())}",
    describe,
    command,
)
