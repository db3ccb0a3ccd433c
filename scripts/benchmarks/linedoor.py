"""A server that has a line door only, for what is measured there."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from attacking.attacker import Target


@contextmanager
def serving(auth: str) -> Iterator[Target]:
    """Run a server until the end of the block.

    Args:
        auth: who gets in, as --auth takes it.
    """
    command = [sys.executable, "-m", "sshecho", "serve", "--ssh", "off"]
    command += ["--line", "tcp:0:interface=127.0.0.1", "--auth", auth]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = None
        while found is None:
            found = re.search(r"line door at 127\.0\.0\.1:(\d+)", process.stderr.readline())
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield Target("127.0.0.1", linePort=int(found[1]))
    finally:
        process.terminate()
        process.wait()
