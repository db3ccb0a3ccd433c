"""From where a key may be used: patterns of IP addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sshecho.addresses import plainAddress

_WILDCARD = re.compile(r"[*?]")
_NEVER_WRITTEN = re.compile(r":.*\.|^::ffff:|(?:^|:)0[0-9a-f]", re.IGNORECASE)
"""What no IPv6 address has here: IPv4's are taken as such, and leading zeros are left out."""
_MAPPED = ip_network("::ffff:0:0/96")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.*?]+")


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
        return address == plainAddress(self.text)  # which can be written in several ways


def isFrom(address: str | None, sources: Sequence[Source]) -> bool:
    """Whether a client is where it may be.

    Args:
        address: the client's IP address; None when it is not known.
        sources: one of which must match, and none that is negated.
    """
    try:
        client = plainAddress(address or "")
    except ValueError:
        return False
    matching = [source for source in sources if source.matches(client)]
    return bool(matching) and not any(source.negated for source in matching)


def parseSources(value: bytes) -> list[Source]:
    """Parse a line's ``from=``: addresses with wildcards, and networks, separated by commas.

    Raises:
        ValueError: when there is anything else.
    """
    sources = []
    for pattern in value.decode("ascii", "replace").split(","):
        text = pattern.removeprefix("!")
        if not text:
            raise ValueError("from= has an empty pattern")
        if "%" in text:
            raise ValueError(f"from= knows no scopes of addresses: {text}")
        if "/" in text:
            try:
                network = ip_network(text)
                int(text.rpartition("/")[2])  # not a mask written as an address
            except ValueError:
                raise ValueError(f"from= has no such network: {text}") from None
            if network.prefixlen and network.version == 6 and network.overlaps(_MAPPED):
                raise ValueError(f"from= takes IPv4's networks as IPv4's: {text}")
        elif not _isAddress(text):
            raise ValueError(f"from= is for addresses, and host names are not looked up: {text}")
        sources.append(Source(text, pattern.startswith("!")))
    return sources


def parseSourceAddresses(value: bytes) -> list[Source]:
    """Parse a certificate's ``source-address``: addresses and networks, separated by commas.

    Raises:
        ValueError: when there is anything else.
    """
    try:
        if re.search(rb"[!*?]", value):
            raise ValueError
        return parseSources(value)
    except ValueError:
        raise ValueError("source-address is not addresses and networks") from None


def _isAddress(text: str) -> bool:
    """Whether a pattern is an address, or can be one's by its wildcards."""
    if _WILDCARD.search(text):
        return _ADDRESS.fullmatch(text) is not None and not _NEVER_WRITTEN.search(text)
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
