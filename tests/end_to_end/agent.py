"""An agent for ssh whose security keys are made of software (draft-ietf-sshm-ssh-agent)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from certificates import SecurityKey
from twisted.conch.ssh.common import NS, getNS

FAILURE, REQUEST_IDENTITIES, IDENTITIES_ANSWER, SIGN_REQUEST, SIGN_RESPONSE = 5, 11, 12, 13, 14


@contextmanager
def agentOf(path: Path, keys: Mapping[bytes, SecurityKey]) -> Iterator[None]:
    """Run an agent until the end of the block.

    Args:
        path: its socket.
        keys: by what they are shown as: their own blob, or a certificate.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_accept, args=(listener, keys), daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, keys: Mapping[bytes, SecurityKey]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rwb") as stream:
            while head := stream.read(4):
                [length] = struct.unpack(">L", head)
                stream.write(NS(_answer(stream.read(length), keys)))
                stream.flush()


def _answer(request: bytes, keys: Mapping[bytes, SecurityKey]) -> bytes:
    if request[0] == REQUEST_IDENTITIES:
        identities = b"".join(NS(blob) + NS(b"") for blob in keys)
        return bytes([IDENTITIES_ANSWER]) + struct.pack(">L", len(keys)) + identities
    if request[0] == SIGN_REQUEST:
        blob, data, _ = getNS(request[1:], 2)
        return bytes([SIGN_RESPONSE]) + NS(keys[blob].sign(data))
    return bytes([FAILURE])
