"""PROXY headers: what is one, what it says, and what is none."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from sshecho.service.proxyheader import (
    LARGEST_HEADER,
    BadHeaderError,
    Header,
    takeHeader,
)

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = Header(IPv4Address("TCP", "192.0.2.9", 4321), IPv4Address("TCP", "203.0.113.1", 22))
V6 = Header(IPv6Address("TCP", "2001:db8::9", 4321), IPv6Address("TCP", "2001:db8::1", 22))
PORTS = struct.pack(">2H", 4321, 22)
ADDRESSES_4 = bytes([192, 0, 2, 9, 203, 0, 113, 1]) + PORTS
ADDRESSES_6 = b"".join(bytes.fromhex("20010db8") + bytes(11) + bytes([n]) for n in (9, 1)) + PORTS
LINE_4 = b"PROXY TCP4 192.0.2.9 203.0.113.1 4321 22\r\n"
NAMES = b"/run/client".ljust(108, b"\0") + b"/run/door".ljust(108, b"\0")


def binary(command: int, family: int, content: bytes = b"", size=None) -> bytes:
    """Return a header of version 2."""
    size = len(content) if size is None else size
    return SIGNATURE + struct.pack(">2BH", command, family, size) + content


GOOD = [
    (LINE_4, V4),
    (b"PROXY TCP6 2001:db8::9 2001:db8:0:0:0::1 4321 22\r\n", V6),
    (b"PROXY UNKNOWN\r\n", Header()),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Header()),
    (b"PROXY UNKNOWN ".ljust(105, b"x") + b"\r\n", Header()),
    (binary(0x21, 0x11, ADDRESSES_4), V4),
    (binary(0x21, 0x11, ADDRESSES_4 + b"\4\0\2ab\xff\xff\xff"), V4),
    (binary(0x21, 0x11, ADDRESSES_4.ljust(LARGEST_HEADER - 16, b"\4")), V4),
    (binary(0x21, 0x21, ADDRESSES_6), V6),
    (binary(0x21, 0x31, NAMES), Header(UNIXAddress(b"/run/client"), UNIXAddress(b"/run/door"))),
    (binary(0x20, 0x00), Header()),
    (binary(0x20, 0x11, ADDRESSES_4), Header()),
    (binary(0x20, 0xFF, b"whatever"), Header()),
    (binary(0x21, 0x00), Header()),
]
"""Headers, and what they say."""


@pytest.mark.parametrize(("data", "header"), GOOD)
def test_good(data, header):
    """A header is taken when its last byte has come, and what is behind it is left."""
    assert takeHeader(data) == (header, b"")
    assert takeHeader(data + b"SSH-2.0-\r\n") == (header, b"SSH-2.0-\r\n")
    for end in range(len(data)):
        assert takeHeader(data[:end]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0",
        b"\r\r",
        b"PROXX",
        b"PROXY\r\n",
        b"PROXY \r\n",
        b"PROXY UNKNOWNx\r\n",
        b"PROXY UNKNOWN ".ljust(106, b"x") + b"\r\n",
        b"PROXY UNKNOWN ".ljust(107, b"x"),
        b"PROXY TCP4\r\n",
        b"PROXY TCP5 192.0.2.9 203.0.113.1 4321 22\r\n",
        b"PROXY TCP4 192.0.2.9 203.0.113.1 4321 22 \r\n",
        b"PROXY TCP4 192.0.2.9 203.0.113.1 4321 22\n\r\n",
        b"PROXY TCP4  192.0.2.9 203.0.113.1 4321 22\r\n",
        b"PROXY TCP4 192.0.2.9 203.0.113.1 4321\r\n",
        b"PROXY TCP4 192.0.2.9 203.0.113.1 65536 22\r\n",
        b"PROXY TCP4 192.0.2.9 203.0.113.1 -1 22\r\n",
        b"PROXY TCP4 192.0.2.9 203.0.113.1 \xd9\xa1 22\r\n",
        b"PROXY TCP4 192.0.2.256 203.0.113.1 4321 22\r\n",
        b"PROXY TCP4 localhost 203.0.113.1 4321 22\r\n",
        b"PROXY TCP4 \xff 203.0.113.1 4321 22\r\n",
        b"PROXY TCP4 2001:db8::9 2001:db8::1 4321 22\r\n",
        b"PROXY TCP6 192.0.2.9 203.0.113.1 4321 22\r\n",
        b"proxy TCP4 192.0.2.9 203.0.113.1 4321 22\r\n",
        binary(0x11, 0x11, ADDRESSES_4),
        binary(0x22, 0x11, ADDRESSES_4),
        binary(0x21, 0x11),
        binary(0x21, 0x11, ADDRESSES_4[:-1]),
        binary(0x21, 0x21, ADDRESSES_4),
        binary(0x21, 0x31, NAMES[:-1]),
        binary(0x21, 0x12, ADDRESSES_4),
        binary(0x21, 0x13, ADDRESSES_4),
        binary(0x21, 0x41, ADDRESSES_4),
        binary(0x21, 0x11, b"", size=0xFFFF),
        binary(0x21, 0x11, ADDRESSES_4, size=LARGEST_HEADER - 15),
    ],
)
def test_bad(data):
    """What is no header is refused, in one kind of exception."""
    with pytest.raises(BadHeaderError, match="PROXY header"):
        takeHeader(data)


bits = st.sampled_from(
    [
        b"PROXY ",
        b"TCP4 ",
        b"TCP6",
        b"UNKNOWN",
        b" ",
        b"\r",
        b"\n",
        b"::1",
        b"1.2.3.4",
        b"99",
        SIGNATURE,
    ]
)
lines = st.lists(bits | st.binary(max_size=4), max_size=12).map(b"".join)
binaries = st.builds(
    binary,
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=250),
    st.none() | st.integers(0, 300),
)


@given(
    lines.map(b"PROXY ".__add__) | lines | binaries | st.sampled_from([d for d, _ in GOOD]),
    st.binary(max_size=9),
)
def test_pieces(data, more):
    """Whatever comes in pieces ends in the same way as when all comes at once."""

    def outcome(part):
        try:
            return takeHeader(part)
        except BadHeaderError as error:
            return error

    data += more
    first = next((end for end in range(len(data) + 1) if outcome(data[:end]) is not None), None)
    if first is None:
        assert len(data) < LARGEST_HEADER
        return
    early, late = outcome(data[:first]), outcome(data)
    if isinstance(early, BadHeaderError):
        assert isinstance(late, BadHeaderError)
    else:
        assert late == (early[0], early[1] + data[first:])
