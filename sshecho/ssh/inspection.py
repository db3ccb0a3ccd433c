"""The subsystem ``inspect``: what this server sees of the connection, as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from twisted.internet.protocol import Protocol

from sshecho.cred.keyname import KeyName
from sshecho.people import peerName, timestamp
from sshecho.session import Pty

if TYPE_CHECKING:
    from sshecho.ssh.login import Attempt
    from sshecho.ssh.session import SessionChannel
    from sshecho.ssh.transport import Transport

INSPECT = b"inspect"
"""The name of the subsystem."""


class Inspection(Protocol):
    """Says what is seen, and ends.

    Args:
        channel: where it is asked for.
    """

    def __init__(self, channel: SessionChannel) -> None:
        self._channel = channel

    def connectionMade(self) -> None:
        """Say it."""
        assert self.transport is not None
        self.transport.write(json.dumps(inspect(self._channel), indent=2).encode() + b"\n")
        self.transport.loseConnection()


def inspect(channel: SessionChannel) -> dict[str, object]:
    """Return what is seen of a session's connection and of the session itself.

    Times are in UTC (RFC 3339), bytes are those of sessions' data, ``in`` and ``out`` are as the
    server sees them. Bytes that are no UTF-8 are escaped.
    """
    transport = channel.conn.transport
    session = channel.session
    clock = transport.factory.clock
    return {
        "user": _text(session.user),
        "authentication": {
            **_attempt(transport.login.attempt),
            "refused": [_attempt(attempt) for attempt in transport.login.refused],
        },
        "version": {
            "client": _text(transport.otherVersionString),
            "server": _text(transport.ourVersionString),
        },
        "algorithms": algorithms(transport),
        "strict_kex": transport.strictKeyExchange,
        "extensions": {
            "client": _texts(transport.peerExtensions),
            "server": _texts(transport.extensions),
        },
        "peer": session.peer,
        "host": peerName(transport.getHost().address),
        "pty": None if session.pty is None else _terminal(session.pty),
        "window": None if session.pty is None else _window(session.pty),
        "channel": {"window": channel.remoteWindowLeft, "packet": channel.remoteMaxPacket},
        "environment": _texts(session.env),
        "time": {
            "connected": timestamp(transport.begun),
            "logged_in": timestamp(transport.login.time),
            "opened": timestamp(channel.opened),
            "now": timestamp(clock.seconds()),
        },
        "bytes": {"in": transport.traffic.received, "out": transport.traffic.sent},
    }


def algorithms(transport: Transport) -> dict[str, object]:
    """Return what both sides have agreed on, of a connection that has keys."""
    agreed = transport.agreed
    assert agreed is not None
    ways = {"in": agreed.toServer, "out": agreed.toClient}
    return {
        "kex": _text(agreed.keyExchange),
        "host_key": _text(agreed.hostKey),
        "cipher": {name: _text(way.cipher) for name, way in ways.items()},
        "mac": {name: _text(way.mac) for name, way in ways.items()},
        "compression": {name: _text(way.compression) for name, way in ways.items()},
    }


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "method": attempt.method,
        "key": None if attempt.key is None else _key(attempt.key),
    }


def _key(key: KeyName) -> dict[str, object]:
    named: dict[str, object] = {"type": key.type, "fingerprint": key.fingerprint}
    if key.authority is not None:
        named |= {"id": key.id, "serial": key.serial, "authority": _key(key.authority)}
    return named


def _terminal(pty: Pty) -> dict[str, object]:
    return {"term": _text(pty.term), "modes": dict(pty.modes)}


def _window(pty: Pty) -> dict[str, object]:
    return {"columns": pty.columns, "rows": pty.rows, "width": pty.width, "height": pty.height}


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _texts(values: Mapping[bytes, bytes]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in values.items()}
