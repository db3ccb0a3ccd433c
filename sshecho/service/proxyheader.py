"""The PROXY header: what a proxy says of a connection before its first byte.

Its format is in HAProxy's ``doc/proxy-protocol.txt``, versions 1 and 2. The parsers are Twisted's,
given whole headers only, and what they let pass is checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.protocols.haproxy._exceptions import InvalidProxyHeader
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser

from sshecho.addresses import plainAddress

LARGEST_HEADER: Final = 4096
"""Bytes of a header of version 2; its addresses are 216 at most, and what follows them few."""

_LONGEST_LINE = 107  # bytes of a header of version 1, its end counted
_LINE = re.compile(rb"PROXY TCP[46] [0-9A-Fa-f:.]{2,45} [0-9A-Fa-f:.]{2,45} [0-9]{1,5} [0-9]{1,5}")
_UNKNOWN = re.compile(rb"PROXY UNKNOWN( .*)?", re.DOTALL)
_FIXED = 16  # bytes of version 2 up to the addresses; the last two say how many more there are


class BadHeaderError(ValueError):
    """What came is no PROXY header."""


@dataclass(frozen=True)
class Header:
    """What a PROXY header says.

    Attributes:
        source: the client's address; None when the connection is the proxy's own.
        destination: the address that the client connected to; None likewise.
    """

    source: IAddress | None = None
    destination: IAddress | None = None


def takeHeader(data: bytes) -> tuple[Header, bytes] | None:
    """Take the header from what has come of a connection.

    Returns:
        The header and what came behind it; None when more has to come.

    Raises:
        BadHeaderError: when no header can become of it.
    """
    if data.startswith(b"P"):
        return _takeLine(data)
    if data[:_FIXED].startswith(V2Parser.PREFIX[: len(data)]):
        return _takeBinary(data)
    raise BadHeaderError("no PROXY header")


def _takeLine(data: bytes) -> tuple[Header, bytes] | None:
    line, end, rest = data.partition(b"\r\n")
    if not line.startswith(b"PROXY "[: len(line)]):
        raise BadHeaderError("no PROXY header")
    if len(line) + 2 > _LONGEST_LINE + (not end):  # a CR whose LF is still to come
        raise BadHeaderError("a PROXY header that is too long")
    if not end:
        return None
    if _UNKNOWN.fullmatch(line):
        return Header(), rest
    if not _LINE.fullmatch(line):
        raise BadHeaderError("a bad PROXY header")
    return _parsed(V1Parser(), line), rest


def _takeBinary(data: bytes) -> tuple[Header, bytes] | None:
    if len(data) < _FIXED:
        return None
    size = _FIXED + int.from_bytes(data[_FIXED - 2 : _FIXED])
    if size > LARGEST_HEADER:
        raise BadHeaderError("a PROXY header that is too long")
    if len(data) < size:
        return None
    return _parsed(V2Parser(), data[:size]), data[size:]


def _parsed(parser: V1Parser | V2Parser, header: bytes) -> Header:
    try:
        info = parser.parse(header)
        return Header(_checked(info.source), _checked(info.destination))
    except (InvalidProxyHeader, ValueError, LookupError):
        raise BadHeaderError("a bad PROXY header") from None


def _checked(address: IAddress | None) -> IAddress | None:
    """Return an address as everybody writes it.

    Raises:
        ValueError: when it is none that a stream can have.
    """
    if address is None or isinstance(address, UNIXAddress):
        return address
    assert isinstance(address, IPv4Address | IPv6Address)
    version = 4 if isinstance(address, IPv4Address) else 6
    written = ip_address(address.host)
    if written.version != version or address.type != "TCP" or not 0 <= address.port < 1 << 16:
        raise ValueError(address)
    ip = plainAddress(address.host)
    kind = IPv4Address if ip.version == 4 else IPv6Address
    return kind("TCP", str(ip), address.port)
