"""Addresses of the internet: of one that can be written in several ways there is one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address


def plainAddress(text: str) -> IPv4Address | IPv6Address:
    """Return an address without its scope; IPv4's in place of IPv6's that stands for it.

    A client of IPv4 has such a one, ``::ffff:192.0.2.1``, at a socket for both.

    Raises:
        ValueError: when it is no address.
    """
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address
