"""Packets cut out of what comes, and made of what goes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.transport import DISCONNECT_MAC_ERROR

from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.protection import CIPHERS, IMPLICIT, MACS, Clear, protect
from sshecho.ssh.packets.stream import Incoming, Outgoing

SUITES = [(None, IMPLICIT)] + [
    (cipher, mac)
    for cipher, encryption in CIPHERS.items()
    for mac in ([IMPLICIT] if encryption.authenticated else MACS)
]
MESSAGES = [(2, b""), (94, b"x" * 100), (80, bytes(1000)), (21, b"")]
each_suite = pytest.mark.parametrize(("cipher", "mac"), SUITES)


def key(cipher, mac, fill=b"k"):
    """Return a protection, or none to begin with."""
    return protect(cipher, mac, lambda _, size: fill * size) if cipher else Clear()


def ends(cipher=None, mac=IMPLICIT):
    """Return two ends of a wire."""
    outgoing, incoming = Outgoing(), Incoming()
    for end in (outgoing, incoming):
        end.protectWith(key(cipher, mac), recount=False)
    return outgoing, incoming


def packet(outgoing, number=2, payload=b""):
    return b"".join(outgoing.packet(number, payload))


def why(incoming, data):
    """Return the number of the reason for which something is refused."""
    with pytest.raises(ProtocolError) as caught:
        list(incoming.messages(data))
    return caught.value.code


@each_suite
def test_cut_anywhere(cipher, mac):
    """Messages come out whole, each as soon as its last byte is there, wherever they are cut."""
    outgoing = ends(cipher, mac)[0]
    packets = [packet(outgoing, *message) for message in MESSAGES]
    whole = b"".join(packets)
    for cut in range(len(whole) + 1):
        incoming = ends(cipher, mac)[1]
        there = [n for n in range(5) if len(b"".join(packets[:n])) <= cut][-1]
        assert list(incoming.messages(whole[:cut])) == MESSAGES[:there]
        assert list(incoming.messages(whole[cut:])) == MESSAGES[there:]
        assert incoming.sequence == len(MESSAGES)
        assert incoming.carried == outgoing.carried == len(whole)


@each_suite
def test_byte_by_byte(cipher, mac):
    """So they do when each byte comes alone, and when nothing comes at times."""
    outgoing, incoming = ends(cipher, mac)
    found = []
    for byte in b"".join(packet(outgoing, *message) for message in MESSAGES):
        found += [*incoming.messages(bytes([byte])), *incoming.messages(b"")]
    assert found == MESSAGES


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(0, 2000), max_size=9))
def test_any_pieces(payloads, cuts):
    """So they do in any pieces."""
    outgoing, incoming = ends(b"aes128-ctr", b"hmac-sha2-256")
    whole = b"".join(packet(outgoing, 94, payload) for payload in payloads)
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(edges)]
    found = [message for piece in pieces for message in incoming.messages(piece)]
    assert found == [(94, payload) for payload in payloads]


@pytest.mark.parametrize("recount", [False, True])
@each_suite
def test_new_keys(cipher, mac, recount):
    """The key can change between any two packets, in the middle of a piece or a cut packet."""
    for cut in (None, 40, 90):
        outgoing, incoming = ends()
        whole = packet(outgoing, 21)
        outgoing.protectWith(key(cipher, mac), recount=recount)
        assert (outgoing.sequence, outgoing.carried) == (0 if recount else 1, 0)
        whole += packet(outgoing, 5, b"first") + packet(outgoing, 21)
        outgoing.protectWith(key(cipher, mac, b"n"), recount=recount)
        whole += packet(outgoing, 6, b"second")
        found, fills = [], [b"k", b"n"]
        for piece in (whole[:cut], b"" if cut is None else whole[cut:]):
            for number, payload in incoming.messages(piece):
                found.append((number, payload))
                if number == 21:
                    incoming.protectWith(key(cipher, mac, fills.pop(0)), recount=recount)
        assert found == [(21, b""), (5, b"first"), (21, b""), (6, b"second")]
        assert incoming.sequence == outgoing.sequence == (1 if recount else 4)
        assert incoming.carried == outgoing.carried


@each_suite
def test_sequence_wraps(cipher, mac):
    """Packets are numbered modulo 2^32, and those on the other side of the wrap are opened."""
    outgoing, incoming = ends(cipher, mac)
    outgoing.sequence = incoming.sequence = (1 << 32) - 2
    for number in range(4):
        assert list(incoming.messages(packet(outgoing, number))) == [(number, b"")]
    assert outgoing.sequence == incoming.sequence == 2


def test_changed():
    """What was changed on its way is refused as such."""
    outgoing, incoming = ends(b"aes256-gcm@openssh.com")
    changed = bytearray(packet(outgoing))
    changed[-1] ^= 1
    assert why(incoming, bytes(changed)) == DISCONNECT_MAC_ERROR


def test_trickle():
    """A packet that trickles in is put together now and then, and is never many pieces."""
    whole = packet(Outgoing(), 94, bytes(34980))
    incoming, lists = Incoming(), {}
    for at in range(len(whole) - 1):
        assert not list(incoming.messages(whole[at : at + 1]))
        lists[id(incoming._pieces)] = incoming._pieces  # each time it is put together, a new one
        assert len(incoming._pieces) <= 257
    assert len(lists) <= len(whole) // 256 + 2
    assert sum(map(len, incoming._pieces)) == len(whole) - 1
    assert list(incoming.messages(whole[-1:])) == [(94, bytes(34980))]
    assert not incoming._pieces


class Counting(bytes):
    """Bytes that count how many of them are copied."""

    copied = 0

    def __getitem__(self, where):
        taken = super().__getitem__(where)
        self.copied += len(taken)
        return taken


def test_many_at_once():
    """Of many packets in a piece, each byte is copied a few times, however many there are."""
    outgoing = Outgoing()
    data = Counting(b"".join(packet(outgoing, 2) for _ in range(1000)))
    assert len(list(Incoming().messages(data))) == 1000
    assert data.copied <= 2 * len(data)
