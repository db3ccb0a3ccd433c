"""ssh2 on Node."""

import json

from benchmarks.servers.server import CACHE, PROGRAMS, Server, output
from benchmarks.site import Site

MODULE = CACHE / "node_modules" / "ssh2"
ADDON = MODULE / "lib/protocol/crypto/build/Release/sshcrypto.node"


def describe() -> str | None:
    """Return its version and whether its cryptography is compiled, or None."""
    node = output("node", "--version")
    if node is None or not MODULE.exists():
        return None
    version = json.loads((MODULE / "package.json").read_text())["version"]
    addon = "with" if ADDON.exists() else "without"
    return f"ssh2 {version} {addon} its compiled addon, Node {node.removeprefix('v')}"


def command(site: Site) -> list[str]:
    """Return the command line."""
    program = PROGRAMS / "node_echo.js"
    arguments = (program, MODULE, site.port, site.hostKey, site.authorizedKeys)
    return ["node", *map(str, arguments)]


SERVER = Server(
    "node",
    "Node ssh2",
    f"apt-get install nodejs npm; npm install --prefix {CACHE} ssh2",
    describe,
    command,
)
