"""One request of ssh-userauth: who the client says it is, and how it would show that."""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST
from twisted.cred.credentials import UsernamePassword

from sshecho.cred.credentials import PublicKey
from sshecho.cred.keyname import nameKey
from sshecho.ssh.algorithms import USER_ALGORITHMS
from sshecho.ssh.login import Attempt
from sshecho.wire import Reader

_LONGEST_METHOD = 64
"""Bytes of a method's name, as RFC 4250 has it; what is longer is cut where it is kept."""
_STRINGS = {b"none": 0, b"keyboard-interactive": 2}
"""How many strings there are in the requests of which nothing else matters."""


@dataclass(frozen=True)
class LoginRequest:
    """What a client asks for (RFC 4252, section 5).

    Reading any of it raises ValueError when that is cut short, or more than it should be.

    Attributes:
        user: who the client says it is.
        service: what it would have behind the login.
        method: how it would log in.
        data: what belongs to the method.
        attempt: what it tries, in short.
    """

    user: bytes
    service: bytes
    method: bytes
    data: bytes = field(repr=False)  # it may be a password
    attempt: Attempt

    @classmethod
    def parse(cls, packet: bytes) -> LoginRequest:
        """Return the request in a packet: user name, service name, method name, the method's.

        A request for a question tells a language and devices (RFC 4256, section 3.1).
        """
        reader = Reader(packet)
        user, service, method = reader.string(), reader.string(), reader.string()
        data = packet[reader.at :]
        if method in _STRINGS:
            for _ in range(_STRINGS[method]):
                reader.string()
            reader.end()
        key = nameKey(_ShownKey.parse(data).blob) if method == b"publickey" else None
        attempt = Attempt(method[:_LONGEST_METHOD].decode(errors="replace"), key)
        return cls(user, service, method, data, attempt)

    def shownKey(self) -> tuple[bytes, bytes]:
        """Return the algorithm and the key that the client shows, whatever they are."""
        shown = _ShownKey.parse(self.data)
        return shown.algorithm, shown.blob

    def password(self) -> UsernamePassword | None:
        """Return the password; None for a request to change it.

        Payload (RFC 4252, section 8): whether it is to be changed, the password.
        """
        reader = Reader(self.data)
        change, password = reader.number(1), reader.string()
        if change:
            return None
        reader.end()
        return UsernamePassword(self.user, password)

    def publicKey(self, sessionID: bytes, address: str | None) -> PublicKey | None:
        """Return a key, with what was signed if it is signed; None for one that we don't take.

        Args:
            sessionID: the connection's, which is signed with the rest.
            address: the client's IP address; None when it is not known.
        """
        shown = _ShownKey.parse(self.data)
        algorithm, blob, signature = shown.algorithm, shown.blob, shown.signature
        known = USER_ALGORITHMS.get(algorithm)
        if known is None or len(blob) > known.largest or not blob.startswith(NS(known.keyType)):
            return None
        if signature is None:
            return PublicKey(self.user, algorithm, blob, None, None, address)
        if not signature.startswith(NS(known.signature)):
            return None
        message = NS(sessionID) + bytes((MSG_USERAUTH_REQUEST,))
        message += NS(self.user) + NS(self.service) + NS(self.method)
        message += b"\1" + NS(algorithm) + NS(blob)
        return PublicKey(self.user, algorithm, blob, message, signature, address)


@dataclass(frozen=True)
class _ShownKey:
    """What a request by a key holds (RFC 4252, section 7).

    Payload: whether there is a signature, the algorithm, the key, the signature.
    """

    algorithm: bytes
    blob: bytes
    signature: bytes | None

    @classmethod
    def parse(cls, data: bytes) -> _ShownKey:
        reader = Reader(data)
        signed, algorithm, blob = reader.number(1), reader.string(), reader.string()
        signature = reader.string() if signed else None
        reader.end()
        return cls(algorithm, blob, signature)
