"""The targets that are connections: what comes of what a client does, whatever that is."""

from __future__ import annotations

from attacking.client import Client
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import MSG_DISCONNECT, MSG_NEWKEYS
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from fuzzing import script
from fuzzing.footprint import footprint
from fuzzing.house import House
from fuzzing.wire import Wire
from sshecho.cred.authorizedkeys import AuthorizedKey
from sshecho.cred.keyoptions import KeyOptions
from sshecho.line import LineLogin
from sshecho.ssh.packets.negotiation import Agreed, Direction
from sshecho.ssh.packets.stream import Incoming, Outgoing
from sshecho.ssh.transport import Transport

LOCAL = IPv4Address("TCP", "127.0.0.1", 5555)  # which no penalty keeps out
KEY = Key(Ed25519PrivateKey.from_private_bytes(bytes(32)))
VERSION = b"SSH-2.0-x\r\n"
DOING, ADVANCE, FILL, DRAIN, END, REKEY, ANSWER = 0, 0, 1, 2, 3, 4, 5
"""A step of kind DOING is no message: its first byte says what the client, or time, does."""
_CLEAR = Direction(b"aes128-ctr", b"hmac-sha2-256", b"none")
_KEPT = 5_000_000  # bytes that an SSH connection may keep


def packets(data: bytes) -> None:
    """An SSH connection before it has keys: bytes, or messages behind the version."""
    house = House(tick=_tick(data))
    server, wire = _connect(house)
    if not _isOdd(data):
        for _, piece in script.read(data[1:]):
            wire.deliver(piece)
            wire.settle()
    else:
        wire.deliver(VERSION)
        _play(house, server, wire, data[1:])
    _checkGoodbye(wire.take())
    assert wire.sent <= 2048 + 12 * wire.received
    _leave(house, wire)


def session(data: bytes) -> None:
    """An SSH connection that has keys."""
    house = House([AuthorizedKey(KEY.public().blob(), KeyOptions())], tick=_tick(data))
    house.passwords.slow = house.keys.slow = _isOdd(data)
    server, wire = _connect(house)
    wire.deliver(VERSION)
    wire.settle()
    _secure(server)
    _play(house, server, wire, data[1:])
    _checkGoodbye(wire.take())
    shared = house, house.gate, house.ssh, house.line, house.clock, wire
    assert footprint(server, shared) <= _KEPT
    _leave(house, wire)


def line(data: bytes) -> None:
    """The line door."""
    house = House(tick=_tick(data))
    house.passwords.slow = _isOdd(data)
    protocol = house.line.buildProtocol(LOCAL)
    assert isinstance(protocol, LineLogin)
    wire = Wire(protocol, house.clock, LOCAL)
    for kind, piece in script.read(data[1:]):
        if kind == DOING:
            _do(house, wire, piece)
        else:
            wire.deliver(piece)
        wire.settle()
    assert wire.sent <= 200 + wire.received
    assert not wire.afterEnd
    _leave(house, wire)


def client(data: bytes) -> None:
    """The client's side of the packet layer: messages of a server, with its version before."""
    peer = Client(Clock())
    link = Wire(peer, Clock(), LOCAL)
    outgoing = Outgoing()
    link.deliver(VERSION)
    for kind, payload in script.read(data):
        link.deliver(b"".join(outgoing.packet(kind, payload)))
    link.settle()
    link.lose()


def _isOdd(data: bytes) -> bool:
    """Return what the first byte's lowest bit says: in most targets, whether checkers are slow."""
    return bool(data) and data[0] % 2 == 1


def _tick(data: bytes) -> float:
    """Return what the next bit says: how fast time goes by."""
    return data[0] // 2 % 2 * 0.0006 if data else 0.0


def _connect(house: House) -> tuple[Transport, Wire]:
    server = house.ssh.buildProtocol(LOCAL)
    assert isinstance(server, Transport)
    return server, Wire(server, house.clock, LOCAL)


def _secure(server: Transport) -> None:
    """Have it take the connection for one that has keys: what makes them is another target's."""
    server.agreed = server._next = Agreed(b"curve25519-sha256", b"ssh-ed25519", _CLEAR, _CLEAR)
    server.sessionID = bytes(32)
    server._due = server._held = None


def _play(house: House, server: Transport, wire: Wire, data: bytes) -> None:
    outgoing = Outgoing()
    for kind, payload in script.read(data):
        if kind != DOING:
            wire.deliver(b"".join(outgoing.packet(kind, payload)))
        elif payload[:1] == bytes([REKEY]) and server.agreed is not None:
            server.rekey()
        else:
            _do(house, wire, payload)
        wire.settle()


def _do(house: House, wire: Wire, what: bytes) -> None:
    """Do what is no message."""
    doing, how = what[:1], what[1:]
    if doing == bytes([ADVANCE]):
        house.clock.advance(int.from_bytes(how[:2], "big"))
    elif doing == bytes([FILL]):
        wire.fill()
    elif doing == bytes([DRAIN]):
        wire.drain()
    elif doing == bytes([END]):
        wire.endInput()
    elif doing == bytes([ANSWER]):
        house.passwords.answer()
        house.keys.answer()


def _checkGoodbye(said: bytes) -> None:
    """See to it that nothing comes behind a goodbye, as far as it can be read."""
    incoming = Incoming()
    incoming.largest = 1 << 32
    goodbye = False
    for number, _ in incoming.messages(said.partition(b"\r\n")[2]):
        assert not goodbye, f"message {number} behind the goodbye"
        goodbye = number == MSG_DISCONNECT
        if number == MSG_NEWKEYS:
            break


def _leave(house: House, wire: Wire) -> None:
    wire.lose()
    house.checkEmpty()
