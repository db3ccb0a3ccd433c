"""Sockets that this process holds and hands over, and a listener for what a server notifies."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from serving import PATIENCE, ROOT, environment

CREDENTIALS = struct.Struct("iii")


class Notifications:
    """What is told at NOTIFY_SOCKET, and by which process; systemd listens to the main one only.

    Attributes:
        address: of the socket.
    """

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(self.address)
        self._socket.settimeout(PATIENCE)

    def await_(self, assignment: str, pid: int) -> list[str]:
        """Wait until a process tells something, and return all that it tells with it."""
        while True:
            data, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
            sender, _, _ = CREDENTIALS.unpack(ancillary[0][2][: CREDENTIALS.size])
            told = data.decode().split("\n")
            if sender == pid and assignment in told:
                return told

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
        os.unlink(self.address)


@contextmanager
def notifications(folder: Path) -> Iterator[Notifications]:
    """Listen to what is notified until the end of the block."""
    listening = Notifications(folder)
    try:
        yield listening
    finally:
        listening.close()


def start(
    command: Sequence[str], sockets: Sequence[socket.socket], notify: str
) -> subprocess.Popen[bytes]:
    """Start a server with sockets that this process keeps too."""
    # They have to be its descriptors from 3 on, and the process has to be the one that is named.
    moves = " ".join(f"{3 + n}<&{one.fileno()}" for n, one in enumerate(sockets))
    script = f'LISTEN_PID=$$; export LISTEN_PID; exec "$@" {moves}'
    names = ":".join(f"socket{n}" for n in range(len(sockets)))
    return subprocess.Popen(
        ["bash", "-c", script, "bash", *command],
        cwd=ROOT,
        env=environment(NOTIFY_SOCKET=notify, LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=names),
        pass_fds=[one.fileno() for one in sockets],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def end(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """End a server as systemd does, and return its exit status and what it said."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return process.returncode, said.decode()
