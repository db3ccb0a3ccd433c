"""Options of a line of authorized_keys: when a key may be used, from where, and for what.

Source: sshd(8), "AUTHORIZED_KEYS FILE FORMAT".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sshecho.cred.identity import Terms

_MATTERLESS = {
    *("agent-forwarding", "no-agent-forwarding"),
    *("port-forwarding", "no-port-forwarding"),
    *("x11-forwarding", "no-x11-forwarding"),
    *("user-rc", "no-user-rc"),
}
"""Flags about what is not to be had here by anyone."""

_MATTERLESS_WITH_VALUE = {"permitopen", "permitlisten", "tunnel"}
_KNOWN = {
    *("pty", "no-pty", "restrict", "from", "command", "expiry-time", "environment"),
    *_MATTERLESS,
    *_MATTERLESS_WITH_VALUE,
}

_QUOTED = rb'"((?:\\"|[^"])*+)"'
_OPTIONS = re.compile(rb'(?:[^\s"]|%s)++' % _QUOTED)
_OPTION = re.compile(rb"([A-Za-z0-9-]+)(?:=%s)?(,(?=.)|$)" % _QUOTED, re.DOTALL)
_VARIABLE = re.compile(rb"(\w+)=(.*)", re.DOTALL | re.ASCII)
_WILDCARD = re.compile(r"[*?]")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.*?]+")
_TIME = re.compile(rb"(\d{8}(?:\d{4}(?:\d\d)?)?)(Z|UTC)?", re.IGNORECASE)
_TIME_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True)
class Source:
    """One pattern of ``from=``: an address with wildcards, or a network.

    Attributes:
        text: the pattern, without its ``!``.
        negated: whether it had one.
    """

    text: str
    negated: bool

    def matches(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address is meant."""
        if "/" in self.text:
            return address in ip_network(self.text)
        if _WILDCARD.search(self.text):
            return fnmatchcase(str(address), self.text.lower())
        return address == _address(self.text)  # which can be written in several ways


def _address(text: str) -> IPv4Address | IPv6Address:
    """Return an address, an IPv4 address in place of an IPv6 one that stands for it."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


@dataclass(frozen=True)
class KeyOptions:
    """What a line says besides the key.

    Attributes:
        sources: from where the key may be used; None for anywhere.
        expiry: until when, in seconds since 1970; None for ever.
        terms: what a login with it may do.
    """

    sources: Sequence[Source] | None = None
    expiry: float | None = None
    terms: Terms = field(default_factory=Terms)

    def refusal(self, address: str | None, now: float) -> str | None:
        """Return why the key may not be used, or None if it may.

        Args:
            address: the client's IP address; None when it is not known.
            now: the time, in seconds since 1970.
        """
        if self.expiry is not None and now >= self.expiry:
            return "the key has expired"
        if self.sources is not None and not self._isSource(address):
            return "the key is not for this address"
        return None

    def _isSource(self, address: str | None) -> bool:
        try:
            client = _address(address or "")
        except ValueError:
            return False
        matching = [source for source in self.sources or () if source.matches(client)]
        return bool(matching) and not any(source.negated for source in matching)


def splitOptions(line: bytes) -> tuple[bytes, bytes]:
    """Split a line that begins with options into these and the rest.

    Raises:
        ValueError: when a quotation does not end.
    """
    found = _OPTIONS.match(line)
    if found is None or (rest := line[found.end() :])[:1] == b'"':
        raise ValueError("a quotation does not end")
    return found[0], rest.strip()


def parseOptions(text: bytes) -> KeyOptions:
    """Parse options, separated by commas.

    Raises:
        ValueError: for what is no option, or none that is known here: who does not know what
            it asks for can't tell that it is fulfilled.
    """
    sources: list[Source] | None = None
    expiry: float | None = None
    pty = True
    command: bytes | None = None
    environment: dict[bytes, bytes] = {}
    at = 0
    while at < len(text):
        found = _OPTION.match(text, at)
        if found is None:
            raise ValueError("its options can't be read (values stand in quotation marks)")
        at = found.end()
        name = found[1].decode().lower()
        value = None if found[2] is None else found[2].replace(rb"\"", b'"')
        match name, value:
            case "pty", None:
                pty = True
            case "no-pty" | "restrict", None:
                pty = False
            case _, None if name in _MATTERLESS:
                pass
            case _, bytes() if name in _MATTERLESS_WITH_VALUE:
                pass
            case "from", bytes():
                _onlyOnce(name, sources)
                sources = _parseSources(value)
            case "command", bytes():
                _onlyOnce(name, command)
                command = value
            case "expiry-time", bytes():
                until = _parseTime(value)
                expiry = until if expiry is None else min(expiry, until)
            case "environment", bytes():
                variable = _VARIABLE.fullmatch(value)
                if variable is None:
                    raise ValueError("environment= is not NAME=value")
                environment.setdefault(variable[1], variable[2])
            case _ if name in _KNOWN:
                wants = "takes no value" if value is not None else "takes a value"
                raise ValueError(f"the option {name} {wants}")
            case _:
                raise ValueError(f"the option {name} is not known here")
    return KeyOptions(sources, expiry, Terms(pty, command, environment))


def _onlyOnce(name: str, before: object) -> None:
    if before is not None:
        raise ValueError(f"{name}= is there twice")


def _parseSources(value: bytes) -> list[Source]:
    sources = []
    for pattern in value.decode("ascii", "replace").split(","):
        text = pattern.removeprefix("!")
        if not text:
            raise ValueError("from= has an empty pattern")
        if "/" in text:
            try:
                ip_network(text)
                int(text.rpartition("/")[2])  # not a mask written as an address
            except ValueError:
                raise ValueError(f"from= has no such network: {text}") from None
        elif not _isAddress(text):
            raise ValueError(f"from= is for addresses, and host names are not looked up: {text}")
        sources.append(Source(text, pattern.startswith("!")))
    return sources


def _isAddress(text: str) -> bool:
    """Whether a pattern is an address, or can be one's by its wildcards."""
    if _WILDCARD.search(text):
        return _ADDRESS.fullmatch(text) is not None
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _parseTime(value: bytes) -> float:
    found = _TIME.fullmatch(value)
    if found is None:
        raise ValueError("expiry-time= is not YYYYMMDD[HHMM[SS]][Z]")
    digits = found[1].decode()
    try:
        time = datetime.strptime(digits, _TIME_FORMATS[len(digits)])
        return (time.replace(tzinfo=UTC) if found[2] else time).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("expiry-time= is no time") from None
