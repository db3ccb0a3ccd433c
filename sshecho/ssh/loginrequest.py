"""One request of ssh-userauth: who the client says it is, and how it would show that."""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST
from twisted.cred.credentials import UsernamePassword

from sshecho.cred.credentials import PublicKey
from sshecho.cred.keyname import nameKey
from sshecho.ssh.algorithms import USER_ALGORITHMS
from sshecho.ssh.login import Attempt

_LONGEST_METHOD = 64
"""Bytes of a method's name, as RFC 4250 has it; what is longer is cut where it is kept."""


@dataclass(frozen=True)
class LoginRequest:
    """What a client asks for (RFC 4252, section 5). Reading it raises struct.error if it is cut.

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
        """Return the request in a packet: user name, service name, method name, the method's."""
        user, service, method, data = getNS(packet, 3)
        key = nameKey(getNS(data[1:], 2)[1]) if method == b"publickey" else None
        attempt = Attempt(method[:_LONGEST_METHOD].decode(errors="replace"), key)
        return cls(user, service, method, data, attempt)

    def shownKey(self) -> tuple[bytes, bytes]:
        """Return the algorithm and the key that the client shows, whatever they are."""
        algorithm, blob, _ = getNS(self.data[1:], 2)
        return algorithm, blob

    def password(self) -> UsernamePassword | None:
        """Return the password; None for a request to change it.

        Payload (RFC 4252, section 8): whether it is to be changed, the password.
        """
        if self.data[:1] != b"\0":
            return None
        return UsernamePassword(self.user, getNS(self.data[1:])[0])

    def publicKey(self, sessionID: bytes, address: str | None) -> PublicKey | None:
        """Return a key, with what was signed if it is signed; None for one that we don't take.

        Payload (RFC 4252, section 7): whether there is a signature, algorithm, key, signature.

        Args:
            sessionID: the connection's, which is signed with the rest.
            address: the client's IP address; None when it is not known.
        """
        algorithm, blob, rest = getNS(self.data[1:], 2)
        known = USER_ALGORITHMS.get(algorithm)
        if known is None or len(blob) > known.largest or not blob.startswith(NS(known.keyType)):
            return None
        if self.data[:1] == b"\0":
            return PublicKey(self.user, algorithm, blob, None, None, address)
        signature = getNS(rest)[0]
        if not signature.startswith(NS(known.signature)):
            return None
        message = NS(sessionID) + bytes((MSG_USERAUTH_REQUEST,))
        message += NS(self.user) + NS(self.service) + NS(self.method)
        message += b"\1" + NS(algorithm) + NS(blob)
        return PublicKey(self.user, algorithm, blob, message, signature, address)
