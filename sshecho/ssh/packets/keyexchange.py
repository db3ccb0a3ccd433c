"""The methods of key exchange: how two sides come to a secret that nobody else has.

A share and a secret are what stands in the length-prefixed field of the wire, so that each method
hashes them alike (RFC 4253, section 8; RFC 5656, section 4).
"""

from __future__ import annotations

import hashlib
import secrets
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from twisted.conch.ssh.common import NS

from sshecho.ssh.packets.groups import Group, group, isKnown

with warnings.catch_warnings():
    # It is to go from cryptography one day, and has to be had for as long as clients need it.
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    from cryptography.hazmat.primitives.asymmetric.dh import (
        DHParameterNumbers,
        DHPrivateKey,
        DHPublicNumbers,
    )

try:
    from cryptography.hazmat.primitives.asymmetric.mlkem import (
        MLKEM768PrivateKey,
        MLKEM768PublicKey,
    )
except ImportError:  # a cryptography from before post-quantum methods
    _HYBRID = False
else:
    _HYBRID = True

_X25519_SHARE = 32
_MLKEM_KEY, _MLKEM_CIPHERTEXT = 1184, 1088  # bytes, of ML-KEM-768 (FIPS 203, section 8)
_LARGEST_GROUP = 8192  # bits
_EXPONENT = 512  # bits: twice the longest key (RFC 4419, section 6.2)

Hash = Callable[[bytes], Any]


class KeyExchangeError(Exception):
    """The other side's share is none that an honest side would send."""


class Agreement(Protocol):
    """One run of a method, from one side."""

    def begin(self) -> bytes:
        """Return the client's share."""

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """Return the server's share, and the secret, for the client's share.

        Raises:
            KeyExchangeError: for a share that can't be.
        """

    def finish(self, share: bytes) -> bytes:
        """Return the secret, for the server's share.

        Raises:
            KeyExchangeError: for a share that can't be.
        """


def mpint(number: int) -> bytes:
    """Return what stands in a multiple precision integer's field (RFC 4251, section 5)."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b""


def _shared(secret: bytes) -> bytes:
    """Return a secret that is hashed as a number."""
    return mpint(int.from_bytes(secret, "big"))


class Curve25519:
    """X25519 (RFC 8731)."""

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()

    def begin(self) -> bytes:
        """Return our share."""
        return self._key.public_key().public_bytes_raw()

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """Return our share and the secret."""
        return self.begin(), self.finish(share)

    def finish(self, share: bytes) -> bytes:
        """Return the secret."""
        return _shared(self.exchange(share))

    def exchange(self, share: bytes) -> bytes:
        """Return the secret as the curve has it, 32 bytes."""
        try:
            return self._key.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError:  # not 32 bytes, or of low order: the secret would be zero
            raise KeyExchangeError("bad X25519 share") from None


class Hybrid:
    """ML-KEM-768 with X25519 (draft-ietf-sshm-mlkem-hybrid-kex): one that breaks leaves the other.

    The client's share is an ML-KEM key, the server's is what was encapsulated to it, each with an
    X25519 share behind it; the secret is the hash of both secrets.
    """

    def __init__(self) -> None:
        self._curve = Curve25519()

    def begin(self) -> bytes:
        """Return the client's share."""
        self._key = MLKEM768PrivateKey.generate()
        return self._key.public_key().public_bytes_raw() + self._curve.begin()

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """Return the server's share, and the secret."""
        key, point = self._split(share, _MLKEM_KEY)
        try:
            secret, ciphertext = MLKEM768PublicKey.from_public_bytes(key).encapsulate()
        except ValueError:
            raise KeyExchangeError("bad ML-KEM key") from None
        return ciphertext + self._curve.begin(), self._combine(secret, point)

    def finish(self, share: bytes) -> bytes:
        """Return the secret."""
        ciphertext, point = self._split(share, _MLKEM_CIPHERTEXT)
        try:
            secret = self._key.decapsulate(ciphertext)
        except ValueError:
            raise KeyExchangeError("bad ML-KEM ciphertext") from None
        return self._combine(secret, point)

    def _split(self, share: bytes, size: int) -> tuple[bytes, bytes]:
        if len(share) != size + _X25519_SHARE:
            raise KeyExchangeError("a share of the wrong length")
        return share[:size], share[size:]

    def _combine(self, secret: bytes, point: bytes) -> bytes:
        return hashlib.sha256(secret + self._curve.exchange(point)).digest()


class EllipticCurve:
    """ECDH on one of NIST's curves (RFC 5656, section 4).

    Args:
        curve: which.
    """

    def __init__(self, curve: ec.EllipticCurve) -> None:
        self._key = ec.generate_private_key(curve)

    def begin(self) -> bytes:
        """Return our share: a point, not compressed."""
        form = PublicFormat.UncompressedPoint
        return self._key.public_key().public_bytes(Encoding.X962, form)

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """Return our share and the secret."""
        return self.begin(), self.finish(share)

    def finish(self, share: bytes) -> bytes:
        """Return the secret."""
        if share[:1] != b"\x04":
            raise KeyExchangeError("a point has to be uncompressed")
        try:
            theirs = ec.EllipticCurvePublicKey.from_encoded_point(self._key.curve, share)
            return _shared(self._key.exchange(ec.ECDH(), theirs))
        except ValueError:
            raise KeyExchangeError("bad point") from None


class DiffieHellman:
    """Diffie-Hellman in one of RFC 3526's groups (RFC 4253, section 8), which OpenSSL knows.

    Args:
        group: which.
    """

    def __init__(self, group: Group) -> None:
        self._numbers = DHParameterNumbers(group.prime, group.generator)
        self._key: DHPrivateKey = self._numbers.parameters().generate_private_key()

    def begin(self) -> bytes:
        """Return our share."""
        return mpint(self._key.public_key().public_numbers().y)

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """Return our share and the secret."""
        return self.begin(), self.finish(share)

    def finish(self, share: bytes) -> bytes:
        """Return the secret."""
        theirs = DHPublicNumbers(_element(share, self._numbers.p), self._numbers)
        try:
            return _shared(self._key.exchange(theirs.public_key()))
        except ValueError:
            raise KeyExchangeError("bad Diffie-Hellman share") from None


class ForeignDiffieHellman:
    """Diffie-Hellman in a group that a server has made for itself (RFC 4419).

    OpenSSL would first test whether its prime is one, for 2 s at 3072 bits and 37 s at 8192.

    Args:
        group: which, checked as far as we do.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._exponent = secrets.randbits(_EXPONENT)

    def begin(self) -> bytes:
        """Return our share."""
        return mpint(pow(self._group.generator, self._exponent, self._group.prime))

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """Return our share and the secret."""
        return self.begin(), self.finish(share)

    def finish(self, share: bytes) -> bytes:
        """Return the secret."""
        theirs = _element(share, self._group.prime)
        return mpint(pow(theirs, self._exponent, self._group.prime))


def _element(share: bytes, prime: int) -> int:
    """Return the number that a share is (RFC 4253, section 8).

    Raises:
        KeyExchangeError: when it is out of range, or takes more bytes than it has to.
    """
    number = int.from_bytes(share, "big", signed=True)
    if not 1 < number < prime - 1 or share != mpint(number):
        raise KeyExchangeError("bad Diffie-Hellman share")
    return number


def _exchanged(group: Group) -> Agreement:
    return DiffieHellman(group) if isKnown(group) else ForeignDiffieHellman(group)


def checkGroup(prime: int, generator: int, least: int) -> Group:
    """Return a group that a server has chosen, if it is none of those that are plainly bad.

    Whether it is safe is the server's word, which its host key signs.

    Raises:
        KeyExchangeError: for a bad one.
    """
    if not least <= prime.bit_length() <= _LARGEST_GROUP or prime % 2 == 0:
        raise KeyExchangeError("bad group")
    if not 1 < generator < prime - 1:
        raise KeyExchangeError("bad generator")
    return Group(prime, generator)


@dataclass(frozen=True)
class Method:
    """A method of key exchange.

    Attributes:
        hash: what the exchange is hashed with, and the keys are derived with.
        start: begins a run, in a group if one is to be exchanged first.
        groupExchange: whether that is so.
    """

    hash: Hash
    start: Callable[..., Agreement]
    groupExchange: bool = False


_METHODS = {
    b"mlkem768x25519-sha256": Method(hashlib.sha256, Hybrid),
    b"curve25519-sha256": Method(hashlib.sha256, Curve25519),
    b"curve25519-sha256@libssh.org": Method(hashlib.sha256, Curve25519),
    b"diffie-hellman-group-exchange-sha256": Method(hashlib.sha256, _exchanged, True),
    b"diffie-hellman-group16-sha512": Method(hashlib.sha512, lambda: DiffieHellman(group(4096))),
    b"diffie-hellman-group14-sha256": Method(hashlib.sha256, lambda: DiffieHellman(group(2048))),
    b"ecdh-sha2-nistp256": Method(hashlib.sha256, lambda: EllipticCurve(ec.SECP256R1())),
    b"ecdh-sha2-nistp384": Method(hashlib.sha384, lambda: EllipticCurve(ec.SECP384R1())),
    b"ecdh-sha2-nistp521": Method(hashlib.sha512, lambda: EllipticCurve(ec.SECP521R1())),
}


def _hybridWorks() -> bool:
    if not _HYBRID:
        return False
    try:
        MLKEM768PrivateKey.generate()
    except UnsupportedAlgorithm:  # its OpenSSL is older than it is itself
        return False
    return True


METHODS = {
    name: method
    for name, method in _METHODS.items()
    if method.start is not Hybrid or _hybridWorks()
}
"""The methods by their names on the wire, as far as cryptography has what they rest on."""


def exchangeHash(method: Method, *fields: bytes) -> bytes:
    """Return the hash of an exchange: what the server signs (RFC 4253, section 8).

    Args:
        method: how keys were exchanged.
        fields: both versions, both KEXINITs, the host key, in a group exchange what was asked and
            which group it was, both shares and the secret; of each pair the client's is first.
    """
    return bytes(method.hash(b"".join(fields)).digest())


def deriveKey(
    method: Method, secret: bytes, exchangeHash: bytes, letter: bytes, sessionID: bytes, size: int
) -> bytes:
    """Return a key (RFC 4253, section 7.2).

    Args:
        method: how keys were exchanged.
        secret: the shared secret.
        exchangeHash: of the exchange that it comes from.
        letter: what the key is for, A to F.
        sessionID: the first exchange's hash.
        size: how many bytes it has.
    """
    start = NS(secret) + exchangeHash
    key = bytes(method.hash(start + letter + sessionID).digest())
    while len(key) < size:
        key += method.hash(start + key).digest()
    return key[:size]
