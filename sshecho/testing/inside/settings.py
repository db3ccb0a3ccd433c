"""The settings: what a server offers, and how it behaves; each has a value that is usual."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sshecho.service.limits import OPTIONS, Limits
from sshecho.ssh.algorithms import MODERN
from sshecho.ssh.editor import PROMPT
from sshecho.ssh.packets import keyexchange
from sshecho.ssh.terminal import GREETING
from sshecho.ssh.transport import Transport
from sshecho.testing import oldalgorithms
from sshecho.testing.algorithms import ALGORITHMS
from sshecho.testing.faults import parseFault
from sshecho.testing.faults.fault import Fault
from sshecho.testing.faulty.inforce import checkUser
from sshecho.testing.inside.papers import checkKey, checkName

AUTH_METHODS = ("publickey", "password", "keyboard-interactive", "none")
"""How one may log in: ``none`` is for the user ``anonymous``."""
LACKING = frozenset(ALGORITHMS["kex"]) - {
    name.decode() for name in (*keyexchange.METHODS, *oldalgorithms.METHODS)
}
"""What cryptography does not have here, and we therefore neither."""
_VERSION = re.compile(r"SSH-[!-~ ]{1,249}", re.ASCII)
_MOST = (1 << 32) - 1
_LARGEST_PACKET = 255 * 1024  # bytes: with what is around it, the transport takes no more
_LONGEST = 100  # characters of what was given wrongly, to be shown
_OF_THE_SERVER = ("user", "password", "host", "port", "line_port")


def _texts(names: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(name.decode() for name in names)


@dataclass(frozen=True)
class Settings:
    """How a server is. Names of algorithms are as SSH has them, best first.

    Attributes:
        kex: key exchange methods.
        ciphers: ciphers.
        macs: MACs.
        compression: ways to compress.
        host_keys: how the server signs.
        public_keys: how users may sign.
        ext_info: whether clients are told of that, if they want to hear it (RFC 8308).
        strict_kex: whether key exchange is strict where the client can do that.
        version: its first line.
        auth_methods: how one may log in; several in a row are joined by commas.
        kept_input: bytes of each session's input that are kept to be looked at.
        window: bytes that a client may send before it is let send more.
        packet: bytes that a client may send in one packet.
        banner: what is shown before the login.
        greeting: what a session with a terminal begins with.
        prompt: what a line at a terminal's shell begins with.
        dumb_terminal: whether terminals are shown no escape sequences.
        users: passwords of users.
        authorized_keys: lines of authorized_keys files of users.
        faults: faults in force.
        limits: limits of the doors; keepalives are off, for clients that a debugger has stopped.
    """

    kex: tuple[str, ...] = _texts(MODERN.keyExchanges)
    ciphers: tuple[str, ...] = _texts(MODERN.ciphers)
    macs: tuple[str, ...] = _texts(MODERN.macs)
    compression: tuple[str, ...] = ("none",)
    host_keys: tuple[str, ...] = ("ssh-ed25519",)
    public_keys: tuple[str, ...] = ALGORITHMS["public_keys"][:-1]
    ext_info: bool = True
    strict_kex: bool = True
    version: str = Transport.ourVersionString.decode()
    auth_methods: tuple[str, ...] = AUTH_METHODS[:-1]
    kept_input: int = 1 << 16
    window: int = 1 << 17
    packet: int = 1 << 15
    banner: str = ""
    greeting: str = GREETING.decode()
    prompt: str = PROMPT
    dumb_terminal: bool = False
    users: Mapping[str, str] = field(default_factory=dict)
    authorized_keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    limits: Limits = field(default_factory=lambda: Limits(keepalive=None))

    def kept(self, before: bytes, data: bytes) -> bytes:
        """Return a session's input with what has come now, as far as it is kept."""
        return before + data[: max(0, self.kept_input - len(before))]


def readSettings(options: Mapping[str, Any]) -> Settings:
    """Return the settings that options say; what they don't say is as usual.

    Args:
        options: attributes of Settings, and limits by the names of the command line's options.

    Raises:
        ValueError: when one can't be had; the text says which, and what can.
    """
    said: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for name, value in options.items():
        try:
            if name in _LIMITS:
                attribute, parse = _LIMITS[name]
                limits[attribute] = parse(str(value))
            elif name in _READERS:
                said[name] = _READERS[name](value)
            elif name in _OF_THE_SERVER:
                raise ValueError("it can be given to Server(...) and sshecho_factory(...) only")
            else:
                known = ", ".join(sorted({*_READERS, *_LIMITS}))
                raise ValueError(f"there is no such option; there are {known}")
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{name}: {error}{_given(name, value)}") from None
    usual = Settings()
    return replace(usual, **said, limits=replace(usual.limits, **limits))


def _given(name: str, value: object) -> str:
    """Return what was given for an option, as far as that may be shown."""
    shown = repr(value)
    known = name in _READERS or name in _LIMITS
    return f" (given: {shown})" if known and name != "users" and len(shown) <= _LONGEST else ""


def _among(known: Sequence[str]) -> Callable[[Any], tuple[str, ...]]:
    def read(names: Any) -> tuple[str, ...]:  # noqa: ANN401 - whatever JSON has
        if isinstance(names, str) or not names:
            raise ValueError("it is a list of names, and not an empty one")
        for name in names:
            if name not in known:
                raise ValueError(f"there is no {name!r}; there are {', '.join(known)}")
        return tuple(names)

    return read


def _ways(ways: Any) -> tuple[str, ...]:  # noqa: ANN401 - whatever JSON has
    """Return ways in, each a method or several that are to be gone through."""
    found = _among(AUTH_METHODS)
    if isinstance(ways, str) or not ways:
        return found(ways)
    for way in ways:
        methods = found(str(way).split(","))
        if len(methods) > 1 and "none" in methods:
            raise ValueError("'none' is a way of its own")
        if len(set(methods)) < len(methods):
            raise ValueError(f"{way!r} has a method twice")
    return tuple(ways)


def _number(least: int, most: int = _MOST) -> Callable[[Any], int]:
    def read(value: Any) -> int:  # noqa: ANN401
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"it is a whole number from {least} to {most}")
        return value

    return read


def _flag(value: Any) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise ValueError("it is True or False")
    return value


def _text(value: Any) -> str:  # noqa: ANN401
    if not isinstance(value, str):
        raise ValueError("it is text")
    value.encode()  # UnicodeEncodeError is a ValueError
    return value


def _kex(names: Any) -> tuple[str, ...]:  # noqa: ANN401
    known = _among(ALGORITHMS["kex"])(names)
    for name in LACKING.intersection(known):
        raise ValueError(f"cryptography has no {name} here")
    return known


def _version(value: Any) -> str:  # noqa: ANN401
    if not _VERSION.fullmatch(str(value)):
        raise ValueError(
            "it is SSH-, and up to 249 printable characters of ASCII, such as SSH-2.0-old"
        )
    return str(value)


def _prompt(value: Any) -> str:  # noqa: ANN401
    if not _text(value).isprintable():
        raise ValueError("it is characters that can be seen, and spaces")
    return _text(value)


def _faults(values: Any) -> tuple[Fault, ...]:  # noqa: ANN401
    if isinstance(values, str):
        raise ValueError("it is a list of faults")
    return tuple(map(parseFault, values))


def _users(value: Any) -> Mapping[str, str]:  # noqa: ANN401
    if not isinstance(value, dict):
        raise ValueError("it is a dictionary of users and their passwords")
    return {_user(user): _text(password) for user, password in value.items()}


def _user(name: Any) -> str:  # noqa: ANN401
    checkUser(_text(name))
    return _text(name)


def _authorized(value: Any) -> Mapping[str, tuple[str, ...]]:  # noqa: ANN401
    if not isinstance(value, dict):
        raise ValueError("it is a dictionary of users and lists of their keys")
    for user, lines in value.items():
        checkName(_user(user))
        if not isinstance(lines, list):
            raise ValueError(f"the keys of {user} are a list of lines")
        for line in lines:
            checkKey(_text(line))
    return {user: tuple(lines) for user, lines in value.items()}


_LIMITS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    name.replace("-", "_"): (attribute, parse) for name, (attribute, parse, _) in OPTIONS.items()
}
_READERS: Mapping[str, Callable[[Any], object]] = {
    **{kind: _among(names) for kind, names in ALGORITHMS.items()},
    "kex": _kex,
    "ext_info": _flag,
    "strict_kex": _flag,
    "version": _version,
    "auth_methods": _ways,
    "kept_input": _number(0),
    "window": _number(0),
    "packet": _number(1, _LARGEST_PACKET),
    "banner": _text,
    "greeting": _text,
    "prompt": _prompt,
    "dumb_terminal": _flag,
    "users": _users,
    "authorized_keys": _authorized,
    "faults": _faults,
}
assert {*_READERS} == {each.name for each in fields(Settings)} - {"limits"}
