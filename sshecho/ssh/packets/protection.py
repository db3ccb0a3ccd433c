"""Ciphers and MACs: how a packet is sealed, and opened again.

An object protects one direction under one key. It sees a packet as its length field (4 bytes) and
its body, which is the padding's length (1 byte), the payload and the padding (RFC 4253, section 6).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES, ChaCha20
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.poly1305 import Poly1305
from twisted.conch.ssh.transport import DISCONNECT_MAC_ERROR

from sshecho.ssh.packets.errors import ProtocolError

_BLOCK = 16
_COUNTER = (1 << 64) - 1


class Protection(Protocol):
    """What seals or opens the packets of one direction.

    Attributes:
        block: the bytes that what is encrypted has to be a multiple of.
        counted: how many bytes of the length field count for that: 4, or none.
        head: bytes of a packet from which its length can be read.
        tag: bytes behind the body.
    """

    block: int
    counted: int
    head: int
    tag: int

    def seal(self, sequence: int, length: bytes, body: bytes) -> tuple[bytes, ...]:
        """Return a packet, in pieces that are to be joined.

        Args:
            sequence: the packet's number.
            length: the length field.
            body: the padding's length, the payload and the padding.
        """

    def length(self, sequence: int, head: bytes) -> int:
        """Return the length of a packet's body; asked once for each packet.

        Args:
            sequence: the packet's number.
            head: its first bytes.
        """

    def open(self, sequence: int, packet: bytes) -> bytes:
        """Return a packet's body.

        Args:
            sequence: the packet's number.
            packet: all of it: length field, body and tag.

        Raises:
            ProtocolError: when it isn't what the other side sealed.
        """


def _forged() -> ProtocolError:
    return ProtocolError(DISCONNECT_MAC_ERROR, "a packet was changed on its way")


class Clear:
    """No protection: how a connection begins."""

    block = 8
    counted = 4
    head = 4
    tag = 0

    def seal(self, sequence: int, length: bytes, body: bytes) -> tuple[bytes, ...]:
        """Return the packet as it is."""
        return length, body

    def length(self, sequence: int, head: bytes) -> int:
        """Read the length field."""
        return int.from_bytes(head, "big")

    def open(self, sequence: int, packet: bytes) -> bytes:
        """Return the body as it is."""
        return packet[4:]


class AesGcm:
    """AES in Galois/counter mode (RFC 5647, as OpenSSH has it): the length field is authenticated.

    Args:
        key: 16 or 32 bytes.
        iv: 12 bytes: 4 that stay, and 8 that count the packets.
    """

    __slots__ = ("_aead", "_counter", "_fixed")
    block = _BLOCK
    counted = 0
    head = 4
    tag = 16

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._aead = AESGCM(key)
        self._fixed = iv[:4]
        self._counter = int.from_bytes(iv[4:], "big")

    def _nonce(self) -> bytes:
        counter = self._counter
        self._counter = (counter + 1) & _COUNTER
        return self._fixed + counter.to_bytes(8, "big")

    def seal(self, sequence: int, length: bytes, body: bytes) -> tuple[bytes, ...]:
        """Encrypt the body, and authenticate it with its length."""
        return length, self._aead.encrypt(self._nonce(), body, length)

    def length(self, sequence: int, head: bytes) -> int:
        """Read the length field, which is not encrypted."""
        return int.from_bytes(head, "big")

    def open(self, sequence: int, packet: bytes) -> bytes:
        """Decrypt the body, unless it or its length was changed."""
        try:
            return self._aead.decrypt(self._nonce(), packet[4:], packet[:4])
        except InvalidTag:
            raise _forged() from None


class ChaCha20Poly1305:
    """ChaCha20 with Poly1305, two keys, the packet's number as nonce (PROTOCOL.chacha20poly1305).

    Args:
        key: 64 bytes: 32 for the body, and 32 for the length field.
    """

    __slots__ = ("_body", "_length")
    block = 8
    counted = 0
    head = 4
    tag = 16

    def __init__(self, key: bytes) -> None:
        self._body = Cipher(ChaCha20(key[:32], bytes(16)), None).encryptor()
        self._length = Cipher(ChaCha20(key[32:], bytes(16)), None).encryptor()

    def _begin(self, sequence: int) -> bytes:
        """Make the body's key stream ready, and return the packet's Poly1305 key (its block 0)."""
        self._body.reset_nonce(sequence.to_bytes(16, "big"))
        return self._body.update(bytes(64))[:32]

    def _cryptLength(self, sequence: int, field: bytes) -> bytes:
        self._length.reset_nonce(sequence.to_bytes(16, "big"))
        return self._length.update(field)

    def seal(self, sequence: int, length: bytes, body: bytes) -> tuple[bytes, ...]:
        """Encrypt the length and the body, and authenticate both."""
        key = self._begin(sequence)
        sealed = self._cryptLength(sequence, length) + self._body.update(body)
        return sealed, Poly1305.generate_tag(key, sealed)

    def length(self, sequence: int, head: bytes) -> int:
        """Decrypt the length field. Nothing is believed of it but how much there is to wait for."""
        return int.from_bytes(self._cryptLength(sequence, head), "big")

    def open(self, sequence: int, packet: bytes) -> bytes:
        """Decrypt the body, once the tag is right."""
        key = self._begin(sequence)
        try:
            Poly1305.verify_tag(key, packet[:-16], packet[-16:])
        except InvalidSignature:
            raise _forged() from None
        return self._body.update(packet[4:-16])


class Crypt(NamedTuple):
    """A cipher under a key, for those that need a MAC beside them.

    Attributes:
        block: the bytes that what is encrypted has to be a multiple of.
        encrypt: encrypts what comes next.
        decrypt: decrypts what comes next.
    """

    block: int
    encrypt: Callable[[bytes], bytes]
    decrypt: Callable[[bytes], bytes]


def counter(key: bytes, iv: bytes) -> Crypt:
    """Return AES in counter mode (RFC 4344).

    Args:
        key: 16, 24 or 32 bytes.
        iv: 16 bytes.
    """
    crypt = Cipher(AES(key), CTR(iv)).encryptor().update  # which decrypts as well
    return Crypt(_BLOCK, crypt, crypt)


class EncryptThenMac:
    """A cipher, and an HMAC of what was encrypted (OpenSSH PROTOCOL, 1.5).

    Args:
        crypt: the cipher.
        macKey: as many bytes as a digest has.
        digest: the name of the HMAC's hash, for hashlib.
    """

    __slots__ = ("_decrypt", "_digest", "_encrypt", "_macKey", "block", "tag")
    counted = 0
    head = 4

    def __init__(self, crypt: Crypt, macKey: bytes, digest: str) -> None:
        self.block, self._encrypt, self._decrypt = crypt
        self._macKey = macKey
        self._digest = digest
        self.tag = len(macKey)

    def _mac(self, sequence: int, packet: bytes) -> bytes:
        return hmac.digest(self._macKey, sequence.to_bytes(4, "big") + packet, self._digest)

    def seal(self, sequence: int, length: bytes, body: bytes) -> tuple[bytes, ...]:
        """Encrypt the body, and authenticate it with its length."""
        sealed = length + self._encrypt(body)
        return sealed, self._mac(sequence, sealed)

    def length(self, sequence: int, head: bytes) -> int:
        """Read the length field, which is not encrypted."""
        return int.from_bytes(head, "big")

    def open(self, sequence: int, packet: bytes) -> bytes:
        """Decrypt the body, once the MAC is right."""
        sealed = packet[: -self.tag]
        if not hmac.compare_digest(self._mac(sequence, sealed), packet[-self.tag :]):
            raise _forged()
        return self._decrypt(sealed[4:])


class EncryptAndMac(EncryptThenMac):
    """A cipher, and an HMAC of what was not yet encrypted (RFC 4253, section 6.4)."""

    __slots__ = ("_head", "head")
    counted = 4

    def __init__(self, crypt: Crypt, macKey: bytes, digest: str) -> None:
        super().__init__(crypt, macKey, digest)
        self.head = crypt.block

    def seal(self, sequence: int, length: bytes, body: bytes) -> tuple[bytes, ...]:
        """Encrypt the length and the body, and authenticate both."""
        packet = length + body
        return self._encrypt(packet), self._mac(sequence, packet)

    def length(self, sequence: int, head: bytes) -> int:
        """Decrypt the first block, and read the length field in it."""
        self._head = self._decrypt(head)
        return int.from_bytes(self._head[:4], "big")

    def open(self, sequence: int, packet: bytes) -> bytes:
        """Decrypt the rest, and see whether the MAC is right."""
        opened = self._head + self._decrypt(packet[self.head : -self.tag])
        if not hmac.compare_digest(self._mac(sequence, opened), packet[-self.tag :]):
            raise _forged()
        return opened[4:]


@dataclass(frozen=True)
class Encryption:
    """A cipher.

    Attributes:
        keySize: bytes of its key.
        ivSize: bytes of its first initialisation vector.
        authenticated: what protects with it alone; None if it needs a MAC beside it.
        crypt: begins it with a key and a vector, if it needs a MAC.
    """

    keySize: int
    ivSize: int
    authenticated: Callable[[bytes, bytes], Protection] | None = None
    crypt: Callable[[bytes, bytes], Crypt] = counter


@dataclass(frozen=True)
class Mac:
    """A message authentication code.

    Attributes:
        digest: the name of its hash, for hashlib.
        protection: what protects with it and a cipher.
    """

    digest: str
    protection: Callable[[Crypt, bytes, str], Protection]


CIPHERS = {
    b"aes256-gcm@openssh.com": Encryption(32, 12, AesGcm),
    b"aes128-gcm@openssh.com": Encryption(16, 12, AesGcm),
    b"chacha20-poly1305@openssh.com": Encryption(64, 0, lambda key, _: ChaCha20Poly1305(key)),
    b"aes256-ctr": Encryption(32, 16),
    b"aes192-ctr": Encryption(24, 16),
    b"aes128-ctr": Encryption(16, 16),
}
"""Encryption by its name on the wire."""

MACS = {
    b"hmac-sha2-256-etm@openssh.com": Mac("sha256", EncryptThenMac),
    b"hmac-sha2-512-etm@openssh.com": Mac("sha512", EncryptThenMac),
    b"hmac-sha2-256": Mac("sha256", EncryptAndMac),
    b"hmac-sha2-512": Mac("sha512", EncryptAndMac),
}
"""Integrity by its name on the wire, for the ciphers that have none of their own."""

IMPLICIT = b"implicit"
"""What stands for the MAC where the cipher is authenticated: none is negotiated then."""


def protect(cipher: bytes, mac: bytes, derive: Callable[[str, int], bytes]) -> Protection:
    """Return what protects one direction from now on.

    Args:
        cipher: its name.
        mac: the MAC's; of no account where the cipher is authenticated.
        derive: returns the key material of a kind ("iv", "key" or "mac"), so many bytes of it.
    """
    encryption = CIPHERS[cipher]
    key, iv = derive("key", encryption.keySize), derive("iv", encryption.ivSize)
    if encryption.authenticated is not None:
        return encryption.authenticated(key, iv)
    integrity = MACS[mac]
    macKey = derive("mac", hashlib.new(integrity.digest).digest_size)
    return integrity.protection(encryption.crypt(key, iv), macKey, integrity.digest)
