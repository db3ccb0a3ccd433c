"""What SSH once was protected with, for clients that have to be tried with it.

It rests on SHA-1, MD5, DES, CBC and small groups: nothing that `sshecho serve` offers. A process
has it once it has learnt it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA1

from sshecho.cred.certificate import LARGEST_CERTIFICATE, certified
from sshecho.cred.signature import RSA_HASHES
from sshecho.ssh import algorithms
from sshecho.ssh.algorithms import LARGEST_KEY, UserAlgorithm
from sshecho.ssh.packets import keyexchange, protection
from sshecho.ssh.packets.groups import groupOfPi
from sshecho.ssh.packets.keyexchange import DiffieHellman, ForeignDiffieHellman, Method
from sshecho.ssh.packets.protection import Crypt, EncryptAndMac, Encryption, EncryptThenMac, Mac

_GROUP_1 = (1024, 129093)  # RFC 2409's second group, which RFC 4253 calls its first
_GROUP_18 = (8192, 4743158)
_SHORT = 12  # bytes of a MAC whose name ends in 96
_RSA = b"ssh-rsa"


def _cbc(algorithm: Callable[[bytes], BlockCipherAlgorithm]) -> Callable[[bytes, bytes], Crypt]:
    """Return what begins a cipher whose blocks are chained, over the packets too."""

    def begin(key: bytes, iv: bytes) -> Crypt:
        cipher = Cipher(algorithm(key), CBC(iv))
        return Crypt(len(iv), cipher.encryptor().update, cipher.decryptor().update)

    return begin


class EncryptThenShortMac(EncryptThenMac):
    """A cipher, and the first 96 bits of an HMAC of what was encrypted."""

    __slots__ = ()

    def __init__(self, crypt: Crypt, macKey: bytes, digest: str) -> None:
        super().__init__(crypt, macKey, digest)
        self.tag = _SHORT

    def _mac(self, sequence: int, packet: bytes) -> bytes:
        return super()._mac(sequence, packet)[:_SHORT]


class EncryptAndShortMac(EncryptThenShortMac, EncryptAndMac):
    """A cipher, and the first 96 bits of an HMAC of what was not yet encrypted."""

    __slots__ = ()


def _withSHA1(name: bytes) -> Method:
    return replace(keyexchange.METHODS[name], hash=hashlib.sha1)


METHODS = {
    b"diffie-hellman-group18-sha512": Method(
        hashlib.sha512, lambda: DiffieHellman(groupOfPi(*_GROUP_18))
    ),
    b"diffie-hellman-group-exchange-sha1": _withSHA1(b"diffie-hellman-group-exchange-sha256"),
    b"diffie-hellman-group14-sha1": _withSHA1(b"diffie-hellman-group14-sha256"),
    b"diffie-hellman-group1-sha1": Method(  # OpenSSL does not know it, and would test its prime
        hashlib.sha1, lambda: ForeignDiffieHellman(groupOfPi(*_GROUP_1))
    ),
}
"""Methods of key exchange (RFC 4253, section 8; RFC 4419; RFC 8268)."""

CIPHERS = {
    b"aes256-cbc": Encryption(32, 16, crypt=_cbc(AES)),
    b"aes192-cbc": Encryption(24, 16, crypt=_cbc(AES)),
    b"aes128-cbc": Encryption(16, 16, crypt=_cbc(AES)),
    b"3des-cbc": Encryption(24, 8, crypt=_cbc(TripleDES)),
}
"""Encryption (RFC 4253, section 6.3)."""

MACS = {
    b"hmac-sha1-etm@openssh.com": Mac("sha1", EncryptThenMac),
    b"hmac-sha1": Mac("sha1", EncryptAndMac),
    b"hmac-sha1-96-etm@openssh.com": Mac("sha1", EncryptThenShortMac),
    b"hmac-sha1-96": Mac("sha1", EncryptAndShortMac),
    b"hmac-md5-etm@openssh.com": Mac("md5", EncryptThenMac),
    b"hmac-md5": Mac("md5", EncryptAndMac),
    b"hmac-md5-96-etm@openssh.com": Mac("md5", EncryptThenShortMac),
    b"hmac-md5-96": Mac("md5", EncryptAndShortMac),
}
"""Integrity (RFC 4253, section 6.4; OpenSSH PROTOCOL, section 1.5)."""

USER_ALGORITHMS = {
    _RSA: UserAlgorithm(_RSA, _RSA, LARGEST_KEY),
    certified(_RSA): UserAlgorithm(certified(_RSA), _RSA, LARGEST_CERTIFICATE),
}
"""What users may log in with (RFC 4253, section 6.6; OpenSSH PROTOCOL.certkeys)."""


def learn() -> None:
    """Let this process have it all: to offer it is up to a policy.

    Users may sign with SHA-1 from then on, whatever the policy, and factories that are built
    from then on say so. The signatures of certificates may rest on it too.
    """
    keyexchange.METHODS.update(METHODS)
    protection.CIPHERS.update(CIPHERS)
    protection.MACS.update(MACS)
    algorithms.USER_SIGNATURES[_RSA] = _RSA
    algorithms.USER_ALGORITHMS.update(USER_ALGORITHMS)
    RSA_HASHES[_RSA] = SHA1()  # noqa: S303 - which is what it is for
