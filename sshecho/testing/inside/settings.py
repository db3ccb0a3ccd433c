"""The settings: what a server offers, and how it behaves; each has a value that is usual."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sshecho.service.limits import OPTIONS, Limits
from sshecho.ssh.algorithms import MODERN
from sshecho.ssh.packets.keyexchange import METHODS
from sshecho.ssh.packets.protection import CIPHERS, MACS
from sshecho.ssh.terminal import GREETING
from sshecho.ssh.transport import Transport
from sshecho.testing.faults import parseFault
from sshecho.testing.faults.fault import Fault
from sshecho.testing.inside.hostkeys import HOST_KEYS

AUTH_METHODS = ("publickey", "password", "keyboard-interactive", "none")
_LEAST_PACKET, _MOST_WINDOW = 1, (1 << 32) - 1
_LONGEST_VERSION = 253


@dataclass(frozen=True)
class Settings:
    """How a server is. Names of algorithms are as SSH has them, best first.

    Attributes:
        kex: key exchange methods.
        ciphers: ciphers.
        macs: MACs.
        compression: ways to compress.
        host_keys: how the server signs.
        version: its first line.
        auth_methods: how one may log in.
        window: bytes that a client may send before it is let send more.
        packet: bytes that a client may send in one packet.
        banner: what is shown before the login.
        greeting: what a session with a terminal begins with.
        users: passwords of users.
        authorized_keys: lines of authorized_keys files of users.
        faults: faults in force.
        limits: limits of the doors.
    """

    kex: tuple[bytes, ...] = MODERN.keyExchanges
    ciphers: tuple[bytes, ...] = MODERN.ciphers
    macs: tuple[bytes, ...] = MODERN.macs
    compression: tuple[bytes, ...] = (b"none",)
    host_keys: tuple[bytes, ...] = (b"ssh-ed25519",)
    version: bytes = Transport.ourVersionString
    auth_methods: tuple[bytes, ...] = (b"publickey", b"password", b"keyboard-interactive")
    window: int = 1 << 17
    packet: int = 1 << 15
    banner: bytes = b""
    greeting: bytes = GREETING
    users: Mapping[str, str] = field(default_factory=dict)
    authorized_keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    limits: Limits = field(default_factory=lambda: Limits(keepalive=None))


def read(options: Mapping[str, Any]) -> Settings:
    """Return the settings that options say.

    Raises:
        ValueError: when one can't be; the text says which, and what can.
    """
    settings = Settings()
    known = {each.name for each in fields(Settings)} - {"limits"}
    for name, value in options.items():
        try:
            if name in _LIMITS:
                attribute, parse = _LIMITS[name]
                settings = replace(settings, limits=replace(settings.limits, **{attribute: parse(value)}))
            elif name in known:
                settings = replace(settings, **{name: _READERS.get(name, _asIs)(value)})
            else:
                raise ValueError(f"there is no such option; there are {_list(known | {*_LIMITS})}")
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from None
    return settings


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _asIs(value: Any) -> Any:  # noqa: ANN401 - whatever JSON has
    return value


def _names(known: Callable[[], Container[bytes]], all_: Callable[[], Iterable[bytes]]) -> Callable[[Any], tuple[bytes, ...]]:
    def read(value: Any) -> tuple[bytes, ...]:
        names = tuple(name.encode() for name in value)
        for name in names:
            if name not in known():
                there = ", ".join(each.decode() for each in all_())
                raise ValueError(f"there is no {name.decode()}; there are {there}")
        if not names:
            raise ValueError("there has to be one at least")
        return names

    return read
