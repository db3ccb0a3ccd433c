"""The client's side of the SSH transport."""

from __future__ import annotations

import struct

from cryptography.exceptions import UnsupportedAlgorithm
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import BadKeyError, Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import (
    DISCONNECT_HOST_KEY_NOT_VERIFIABLE,
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_PROTOCOL_ERROR,
    MSG_KEX_DH_GEX_GROUP,
    MSG_KEX_DH_GEX_INIT,
    MSG_KEX_DH_GEX_REPLY,
    MSG_KEX_DH_GEX_REQUEST,
    MSG_KEXDH_INIT,
    MSG_KEXDH_REPLY,
    MSG_SERVICE_REQUEST,
)
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.keyexchange import (
    Agreement,
    KeyExchangeError,
    Method,
    checkGroup,
    exchangeHash,
)
from sshecho.ssh.packets.transport import SSHTransport
from sshecho.wire import Reader

_GROUP_SIZES = (2048, 3072, 8192)  # bits: the least, the wanted and the most (RFC 8270)


class ClientTransport(SSHTransport):
    """The side that believes a host key, and asks for services."""

    isClient = True
    _request = b""  # what was said of the group, as it is hashed
    _pending: SSHService | None = None

    def connectionMade(self) -> None:
        """Say who we are, and what we offer."""
        self._unread: list[bytes] = []
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Handle what has come, once the host is believed."""
        if self._halted and not self.closing:
            self._unread.append(data)
        else:
            super().dataReceived(data)

    def beginKeyExchange(self, method: Method) -> None:
        """Send our share, or what group we want."""
        self._request = b""
        if method.groupExchange:
            self._request = struct.pack(">3L", *_GROUP_SIZES)
            self._due = frozenset([MSG_KEX_DH_GEX_GROUP])
            self.sendPacket(MSG_KEX_DH_GEX_REQUEST, self._request)
        else:
            self._share(method.start(), MSG_KEXDH_INIT, MSG_KEXDH_REPLY)

    def _share(self, agreement: Agreement, number: int, reply: int) -> None:
        self._agreement = agreement
        self._ourShare = agreement.begin()
        self._due = frozenset([reply])
        self.sendPacket(number, NS(self._ourShare))

    def ssh_KEX_REPLY(self, packet: bytes) -> None:
        """Take the group that we asked for, or the server's share."""
        if self._method.groupExchange:
            self._takeGroup(packet)
        else:
            self.ssh_KEX_DH_GEX_REPLY(packet)

    def _takeGroup(self, packet: bytes) -> None:
        reader = Reader(packet)
        prime, generator = (int.from_bytes(reader.string(), "big", signed=True) for _ in range(2))
        reader.end()
        try:
            group = checkGroup(prime, generator, _GROUP_SIZES[0])
        except KeyExchangeError as error:
            raise ProtocolError(DISCONNECT_KEY_EXCHANGE_FAILED, str(error)) from None
        self._request += packet
        self._share(self._method.start(group), MSG_KEX_DH_GEX_INIT, MSG_KEX_DH_GEX_REPLY)

    def ssh_KEX_DH_GEX_REPLY(self, packet: bytes) -> None:
        """See whether the host is to be believed, and whether it has signed; then change keys."""
        reader = Reader(packet)
        hostKey, share, signature = reader.string(), reader.string(), reader.string()
        reader.end()
        try:
            secret = self._agreement.finish(share)
        except KeyExchangeError as error:
            raise ProtocolError(DISCONNECT_KEY_EXCHANGE_FAILED, str(error)) from None
        hashed = exchangeHash(
            self._method,
            NS(self.ourVersionString),
            NS(self.otherVersionString),
            NS(self.ourKexInitPayload),
            NS(self.otherKexInitPayload),
            NS(hostKey),
            self._request,
            NS(self._ourShare),
            NS(share),
            NS(secret),
        )
        key = self._readKey(hostKey)
        if not signature.startswith(NS(self.keyAlg)):  # RSA keys can still sign with SHA-1
            why = "the host has not signed as was agreed on"
            raise ProtocolError(DISCONNECT_KEY_EXCHANGE_FAILED, why)
        if not key.verify(signature, hashed):
            raise ProtocolError(DISCONNECT_KEY_EXCHANGE_FAILED, "bad signature of the host")
        self._halted = True  # what follows is under keys that we have only if we believe the host
        trust = self.verifyHostKey(hostKey, key.fingerprint().encode("ascii"))
        trust.addCallbacks(lambda _: self._trusted(secret, hashed), self._distrusted)
        if self._halted and not self.closing:
            self.transport.pauseProducing()

    def _readKey(self, blob: bytes) -> Key:
        try:
            key: Key = Key.fromString(blob, type="BLOB")
        except (BadKeyError, UnsupportedAlgorithm, ValueError, struct.error):
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "bad host key") from None
        return key

    def _trusted(self, secret: bytes, hashed: bytes) -> None:
        if self.closing:
            return
        self._halted = False
        self.keysAgreed(secret, hashed)
        if self._joined is None:  # we had to wait for it
            self.transport.resumeProducing()
            self._handle()
            unread, self._unread = self._unread, []
            for data in unread:
                self.dataReceived(data)

    def _distrusted(self, reason: Failure) -> None:
        self.sendDisconnect(DISCONNECT_HOST_KEY_NOT_VERIFIABLE, b"host key not verifiable")

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[bool]:
        """Return a Deferred that fails if the host is not to be believed; it has signed.

        Args:
            hostKey: its public key, as a blob.
            fingerprint: that of the key, for people.
        """
        raise NotImplementedError

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """Take what follows with the new key; the first time, go on with what we came for."""
        first = self.agreed is None
        super().ssh_NEWKEYS(packet)
        if first:
            self.connectionSecure()

    def connectionSecure(self) -> None:
        """Ask for a service, now that there are keys."""
        raise NotImplementedError

    def requestService(self, instance: SSHService) -> None:
        """Ask for a service (section 10).

        Args:
            instance: what runs, once the server has agreed.
        """
        self._pending = instance
        self.sendPacket(MSG_SERVICE_REQUEST, NS(instance.name))

    def ssh_SERVICE_ACCEPT(self, packet: bytes) -> None:
        """Start the service that we have asked for."""
        pending, self._pending = self._pending, None
        if pending is None or packet not in (b"", NS(pending.name)):
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "that service was not asked for")
        self.setService(pending)
