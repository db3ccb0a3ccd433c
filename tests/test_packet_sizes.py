"""Lengths and paddings: which are taken, and which are sent."""

import os

import pytest
from test_stream import each_suite, ends, key, packet, why
from twisted.conch.ssh.transport import DISCONNECT_PROTOCOL_ERROR

from sshecho.ssh.packets import stream
from sshecho.ssh.packets.stream import LARGEST, Incoming, Outgoing


def raw(length, body):
    """Return a packet that is not protected."""
    return length.to_bytes(4, "big") + body


BAD = [0, 1, 4, 5, 11, 13, 16, LARGEST + 1, LARGEST + 4, 35004, 2**31 - 4, 2**31, 2**32 - 4]


@pytest.mark.parametrize("length", [*BAD, 2**32 - 1])
def test_bad_length(length):
    """A length that can't be is refused before anything of the packet has come."""
    assert why(Incoming(), raw(length, b"")) == DISCONNECT_PROTOCOL_ERROR


@pytest.mark.parametrize("length", [12, 20, 34996])
def test_good_length(length):
    """The smallest and the largest packets are taken."""
    body = bytes([4, 94]) + bytes(length - 2)
    assert list(Incoming().messages(raw(length, body))) == [(94, bytes(length - 6))]


def test_length_of_blocks():
    """The smallest body of whole blocks is one block; the length field counts where it is told."""
    gcm = b"aes256-gcm@openssh.com"
    for length in (12, 24, 28, 35008):
        assert why(ends(gcm)[1], raw(length, b"")) == DISCONNECT_PROTOCOL_ERROR
    for length in (16, 32, 34992):
        assert not list(ends(gcm)[1].messages(raw(length, b"")))


def test_largest():
    """What the largest packet may be can be set."""
    incoming = Incoming()
    incoming.largest = 1 << 18
    assert not list(incoming.messages(raw((1 << 18) - 4, b"")))
    assert why(Incoming(), raw((1 << 18) - 4, b"")) == DISCONNECT_PROTOCOL_ERROR


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 11, 12, 13, 200, 255])
def test_bad_padding(padding):
    """A packet needs four bytes of padding, and room for a message's number before them."""
    body = bytes([padding, 94]) + bytes(10)
    assert why(Incoming(), raw(12, body)) == DISCONNECT_PROTOCOL_ERROR


@pytest.mark.parametrize("padding", range(4, 11))
def test_good_padding(padding):
    """Any other padding is taken off, whatever is in it."""
    body = bytes([padding, 94]) + b"p" * (10 - padding) + b"\xff" * padding
    assert list(Incoming().messages(raw(12, body))) == [(94, b"p" * (10 - padding))]


@each_suite
def test_padding(cipher, mac):
    """What is sent is padded to the block by no more than is needed, and by four at least."""
    outgoing, protection = ends(cipher, mac)[0], key(cipher, mac)
    for size in range(300):
        length = len(packet(outgoing, 94, bytes(size))) - 4 - protection.tag
        padding = length - 2 - size
        assert 4 <= padding < 4 + protection.block
        assert (length + protection.counted) % protection.block == 0


def test_padding_is_random():
    """No padding is sent twice, whatever was sent in between."""
    outgoing = Outgoing()
    paddings = [packet(outgoing, 2, bytes(size % 9))[-4:] for size in range(5000)]
    assert len(set(paddings)) > 4990  # of 2^32
    taken = [stream._noise.take(count) for count in (*range(4, 24),) * 50]
    assert all(len(noise) == 4 + n % 20 for n, noise in enumerate(taken))
    assert len(set(taken[4:])) == len(taken[4:])


def test_padding_comes_from_the_system(monkeypatch):
    """Padding is what the system's generator gives, each byte of it once."""
    pages = []
    monkeypatch.setattr(
        os, "urandom", lambda size: pages.append(bytes([len(pages)]) * size) or pages[-1]
    )
    noise = stream._Noise()
    assert [noise.take(2048) for _ in range(3)] == [b"\0" * 2048, b"\0" * 2048, b"\1" * 2048]
    assert noise.take(2049) == b"\2" * 2049
