"""As much of Telnet as the line door speaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshecho.telnet import DO, DONT, IAC, SB, SE, WILL, WONT, Telnet, TelnetError


def feed(*pieces: bytes) -> tuple[bytes, bytes]:
    telnet = Telnet()
    results = [telnet.feed(piece) for piece in pieces]
    return b"".join(kept for kept, _ in results), b"".join(reply for _, reply in results)


@pytest.mark.parametrize(
    ("sent", "kept", "replied"),
    [
        (b"plain \x00\x80\xfe\r\n", b"plain \x00\x80\xfe\r\n", b""),
        (bytes((IAC, WILL, 31)), b"", bytes((IAC, DONT, 31))),
        (bytes((IAC, DO, 1)), b"", bytes((IAC, WONT, 1))),
        (bytes((IAC, WONT, 1, IAC, DONT, 1)), b"", b""),
        (b"a\xff\xffb", b"a\xffb", b""),
        (b"a\r\0b\r\n\0\r\r\0", b"a\rb\r\n\0\r\r", b""),
        (b"a" + bytes((IAC, 241, IAC, 249)) + b"b", b"ab", b""),
        (b"a" + bytes((IAC, SB, 31, 0, 80, 0, 24, IAC, SE)) + b"b", b"ab", b""),
        (b"a" + bytes((IAC, SB, 24, IAC, IAC, SE, IAC, SE)) + b"b", b"ab", b""),
        (b"a" + bytes((IAC, SB, 1, IAC, DO, 1, IAC, SE)) + b"b", b"ab", b""),
    ],
)
def test_commands(sent, kept, replied):
    """Commands are taken out and options refused, in whatever pieces they come."""
    assert feed(sent) == (kept, replied)
    assert feed(*(bytes((byte,)) for byte in sent)) == (kept, replied)


def test_data_is_not_held_back():
    """All that can be told to be data comes out at once, a CR at the end too."""
    telnet = Telnet()
    assert telnet.feed(b"a\r")[0] == b"a\r"
    assert telnet.feed(b"\0b\xff")[0] == b"b"
    assert telnet.feed(b"\xffc")[0] == b"\xffc"


@pytest.mark.parametrize("pieces", [1, 7])
def test_long_subnegotiation(pieces):
    """A subnegotiation of 1 KiB passes; a longer one, or one without an end, does not."""
    good = bytes((IAC, SB)) + b"x" * 1024 + bytes((IAC, SE))
    assert feed(*(good[i : i + pieces] for i in range(0, len(good), pieces)))[0] == b""
    for bad in (bytes((IAC, SB)) + b"x" * 1025 + bytes((IAC, SE)), bytes((IAC, SB)) + b"x" * 4096):
        with pytest.raises(TelnetError):
            feed(*(bad[i : i + pieces] for i in range(0, len(bad), pieces)))


@given(st.binary(), st.lists(st.integers(1, 5)))
def test_what_is_escaped_comes_back(data, sizes):
    """Data that is escaped, its CRs too, comes out as it was, in whatever pieces."""
    sent = Telnet.escape(data).replace(b"\r", b"\r\0")
    pieces = []
    for size in sizes:
        pieces.append(sent[:size])
        sent = sent[size:]
    assert feed(*pieces, sent) == (data, b"")


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes(pieces):
    """Whatever a client sends means the same in whatever pieces it comes."""
    joined = b"".join(pieces)
    assert feed(*pieces) == feed(joined)
