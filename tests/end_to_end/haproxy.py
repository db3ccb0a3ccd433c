"""A real HAProxy in front of our doors, on free ports of loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
"""Where haproxy lies; most people's PATH has no sbin."""
PATIENCE = 60
"""Seconds to wait for what should take none."""

CONFIGURATION = """\
defaults
    mode tcp
    timeout connect 60s
    timeout client 60s
    timeout server 60s
    timeout check 60s
"""
PROXY = """\
listen {name}
    bind fd@{fd}
    {more}
    server only 127.0.0.1:{port} {options}
"""


def haproxy(need) -> str:
    """Return the program."""
    return need(shutil.which("haproxy", path=PATH) or "haproxy")


@contextmanager
def proxying(
    need, folder: Path, **proxies: tuple[int, str] | tuple[int, str, str]
) -> Iterator[dict[str, int]]:
    """Run HAProxy until the end of the block.

    Args:
        need: the fixture.
        folder: where its configuration goes.
        proxies: of each its name, and the port behind it, what HAProxy is told of the server
            there, such as ``send-proxy``, and what else.

    Yields:
        The port of each.
    """
    program = haproxy(need)
    with ExitStack() as stack:
        # It is given listening sockets, so that no port can be taken meanwhile.
        listening = {
            name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in proxies
        }
        configuration = CONFIGURATION
        for name, (port, options, *more) in proxies.items():
            configuration += PROXY.format(
                name=name,
                fd=listening[name].fileno(),
                port=port,
                options=options,
                more="\n    ".join(more),
            )
        path = folder / "haproxy.cfg"
        path.write_text(configuration)
        process = subprocess.Popen(
            [program, "-db", "-f", str(path)],
            pass_fds=[one.fileno() for one in listening.values()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        ports = {name: one.getsockname()[1] for name, one in listening.items()}
        for one in listening.values():
            one.close()
        try:
            yield ports
            assert process.poll() is None
        finally:
            process.terminate()
            said = process.communicate(timeout=PATIENCE)[1].decode(errors="replace")
            assert "ALERT" not in said, said
