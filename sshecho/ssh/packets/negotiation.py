"""KEXINIT: what each side offers, and what they agree on (RFC 4253, section 7.1)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.transport import DISCONNECT_KEY_EXCHANGE_FAILED, DISCONNECT_PROTOCOL_ERROR

from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.protection import CIPHERS, IMPLICIT
from sshecho.wire import Reader

EXTENSIONS_CLIENT, EXTENSIONS_SERVER = b"ext-info-c", b"ext-info-s"
"""What says that a side takes EXT_INFO (RFC 8308, section 2.1)."""
STRICT_CLIENT, STRICT_SERVER = b"kex-strict-c-v00@openssh.com", b"kex-strict-s-v00@openssh.com"
"""What says that a side keeps to strict key exchange (OpenSSH PROTOCOL, section 1.10)."""

_LARGEST = 16 * 1024  # bytes; clients say some two thousand
_COOKIE = 16
_LISTS = 10
_NAME_LIST = re.compile(rb"(?:[!-+\--~]{1,64}(?:,[!-+\--~]{1,64})*)?")  # RFC 4251, sections 5, 6
_NO_METHODS = {EXTENSIONS_CLIENT, EXTENSIONS_SERVER, STRICT_CLIENT, STRICT_SERVER}

Names = tuple[bytes, ...]


@dataclass(frozen=True)
class Offer:
    """What one side offers, best first. Of a pair, the first is to the server.

    Attributes:
        keyExchanges: methods, and with them what the side says of itself.
        hostKeys: how the server may sign.
        ciphers: a pair.
        macs: a pair.
        compressions: a pair.
        languages: a pair.
        guessed: whether the first message of the best method follows at once.
    """

    keyExchanges: Names
    hostKeys: Names
    ciphers: tuple[Names, Names]
    macs: tuple[Names, Names]
    compressions: tuple[Names, Names]
    languages: tuple[Names, Names] = ((), ())
    guessed: bool = False


@dataclass(frozen=True)
class Direction:
    """What protects the packets of one direction."""

    cipher: bytes
    mac: bytes
    compression: bytes


@dataclass(frozen=True)
class Agreed:
    """What both sides use until the next key exchange.

    Attributes:
        keyExchange: the method.
        hostKey: how the server signs.
        toServer: what protects what the client sends.
        toClient: what protects what the server sends.
    """

    keyExchange: bytes
    hostKey: bytes
    toServer: Direction
    toClient: Direction


def write(offer: Offer) -> bytes:
    """Return a KEXINIT's payload: cookie, ten name-lists, guess, four reserved bytes."""
    return os.urandom(_COOKIE) + _written(offer)


@lru_cache(16)
def _written(offer: Offer) -> bytes:
    """Return all but the cookie, which alone changes with each connection."""
    lists = (
        *(offer.keyExchanges, offer.hostKeys),
        *(*offer.ciphers, *offer.macs, *offer.compressions, *offer.languages),
    )
    names = b"".join(NS(b",".join(names)) for names in lists)
    return names + bytes([offer.guessed]) + bytes(4)


def read(payload: bytes) -> Offer:
    """Return what a KEXINIT offers.

    Raises:
        ProtocolError: for a malformed one, and for one of more than 16 KiB.
    """
    if len(payload) > _LARGEST:  # what was read is kept for the next that says the same
        raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "KEXINIT is too long")
    return _read(payload[_COOKIE:])


@lru_cache(16)
def _read(payload: bytes) -> Offer:
    """Read all but the cookie, which alone changes with each connection of a client."""
    reader = Reader(payload)
    try:
        names = [_names(reader.string()) for _ in range(_LISTS)]
        guessed, _ = reader.number(1), reader.number(4)
        reader.end()
    except ValueError as error:
        raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, f"malformed KEXINIT: {error}") from None
    keyExchanges, hostKeys, *rest = names
    ciphers, macs, compressions, languages = zip(rest[::2], rest[1::2], strict=True)
    return Offer(
        keyExchanges, hostKeys, ciphers, macs, compressions, languages, guessed=guessed != 0
    )


def _names(field: bytes) -> Names:
    if not _NAME_LIST.fullmatch(field):
        raise ValueError("that is no list of names")
    return tuple(field.split(b",")) if field else ()


@lru_cache(16)
def agree(client: Offer, server: Offer) -> Agreed:
    """Return what the two sides agree on: of each, the first of the client's that the server has.

    Raises:
        ProtocolError: when they have nothing in common.
    """
    return Agreed(
        _first("key exchange method", client.keyExchanges, server.keyExchanges),
        _first("host key algorithm", client.hostKeys, server.hostKeys),
        *(_agreeOn(client, server, direction) for direction in range(2)),
    )


def _agreeOn(client: Offer, server: Offer, way: int) -> Direction:
    cipher = _first("cipher", client.ciphers[way], server.ciphers[way])
    if CIPHERS[cipher].authenticated is not None:
        mac = IMPLICIT
    else:
        mac = _first("MAC", client.macs[way], server.macs[way])
    return Direction(
        cipher, mac, _first("compression", client.compressions[way], server.compressions[way])
    )


def _first(what: str, wanted: Names, had: Names) -> bytes:
    for name in wanted:
        if name in had and name not in _NO_METHODS:
            return name
    raise ProtocolError(DISCONNECT_KEY_EXCHANGE_FAILED, f"no common {what}")


def guessedWrong(theirs: Offer, ours: Offer) -> bool:
    """Return whether the other side's first message is for another method than is agreed on."""
    right = theirs.keyExchanges[:1] == ours.keyExchanges[:1]
    return theirs.guessed and not (right and theirs.hostKeys[:1] == ours.hostKeys[:1])
