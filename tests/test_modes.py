"""The modes of a terminal."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshecho.ssh.modes import parseModes


def mode(opcode: int, argument: int) -> bytes:
    return struct.pack(">BL", opcode, argument)


@pytest.mark.parametrize(
    ("encoded", "modes"),
    [
        (b"", {}),
        (b"\0", {}),
        (mode(1, 3) + mode(53, 1) + b"\0", {"VINTR": 3, "ECHO": 1}),
        (mode(42, 1) + mode(128, 9600), {"IUTF8": 1, "TTY_OP_ISPEED": 9600}),
        (mode(18, 1) + mode(62, 1), {"VDISCARD": 1, "PENDIN": 1}),
        (mode(75, 1) + mode(93, 1), {"ONLRET": 1, "PARODD": 1}),
        (mode(19, 7) + mode(159, 8), {"19": 7, "159": 8}),
        (mode(53, 1) + mode(53, 0), {"ECHO": 0}),
        (mode(53, 1) + b"\0" + mode(50, 1), {"ECHO": 1}),
        (mode(53, 1) + b"\xa0anything", {"ECHO": 1}),
    ],
)
def test_modes(encoded, modes):
    """Each mode has its name, or its number; what stands behind the end is not read."""
    assert parseModes(encoded) == modes


@pytest.mark.parametrize("encoded", [b"\1", b"\1\0\0\0", mode(53, 1) + b"\x35\0"])
def test_cut_short(encoded):
    """A mode without its whole argument is an error."""
    with pytest.raises(ValueError, match="cut short"):
        parseModes(encoded)


@given(st.binary())
def test_any_bytes(encoded):
    """Whatever the bytes are, they are modes or that error."""
    try:
        modes = parseModes(encoded)
    except ValueError:
        return
    assert len(modes) <= len(encoded) // 5
