"""The server's side of the SSH transport."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import (
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
    MSG_KEX_DH_GEX_GROUP,
    MSG_KEX_DH_GEX_INIT,
    MSG_KEX_DH_GEX_REPLY,
    MSG_KEX_DH_GEX_REQUEST,
    MSG_KEXDH_INIT,
    MSG_KEXDH_REPLY,
    MSG_SERVICE_ACCEPT,
)

from sshecho.service.closing import sayGoodbye
from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.groups import choose
from sshecho.ssh.packets.keyexchange import (
    Agreement,
    KeyExchangeError,
    Method,
    exchangeHash,
    mpint,
)
from sshecho.ssh.packets.transport import SSHTransport
from sshecho.wire import Reader, onlyString

_USERAUTH = b"ssh-userauth"


class ServerTransport(SSHTransport):
    """The side that shows a host key, and serves.

    Attributes:
        factory: has `getService`.
        signers: for each algorithm of `supportedPublicKeys` the key that signs so (Conch's) and
            its public part as a blob.
    """

    __slots__ = ("signers",)

    signers: Mapping[bytes, tuple[Key, bytes]]

    _request = b""  # what was said of the group, as it is hashed

    def close(self) -> None:
        """Close so that what was said arrives, even if the client is still sending."""
        if sayGoodbye(self.transport):
            self.transport.resumeProducing()  # to hear when the client closes too

    def beginKeyExchange(self, method: Method) -> None:
        """Wait for the client's share, or for what group it wants."""
        self._request = b""
        self._due = frozenset([MSG_KEX_DH_GEX_REQUEST if method.groupExchange else MSG_KEXDH_INIT])

    def ssh_KEX_INIT(self, packet: bytes) -> None:
        """Answer the client's share: section 8, RFC 5656, section 4, and RFC 8731."""
        self._answer(self._method.start(), MSG_KEXDH_REPLY, packet)

    def ssh_KEX_DH_GEX_REQUEST(self, packet: bytes) -> None:
        """Choose a group (RFC 4419, section 3): the least, the wanted and the most bits."""
        reader = Reader(packet)
        group = choose(reader.number(4), reader.number(4), reader.number(4))
        reader.end()
        if group is None:
            raise ProtocolError(DISCONNECT_KEY_EXCHANGE_FAILED, "no such group")
        chosen = NS(mpint(group.prime)) + NS(mpint(group.generator))
        self._request = packet + chosen
        self._agreement: Agreement = self._method.start(group)
        self._due = frozenset([MSG_KEX_DH_GEX_INIT])
        self.sendPacket(MSG_KEX_DH_GEX_GROUP, chosen)

    def ssh_KEX_DH_GEX_INIT(self, packet: bytes) -> None:
        """Answer the client's share in that group."""
        self._answer(self._agreement, MSG_KEX_DH_GEX_REPLY, packet)

    def _answer(self, agreement: Agreement, number: int, packet: bytes) -> None:
        """Send host key, share and signature, and change keys."""
        share = onlyString(packet)
        try:
            ourShare, secret = agreement.answer(share)
        except KeyExchangeError as error:
            raise ProtocolError(DISCONNECT_KEY_EXCHANGE_FAILED, str(error)) from None
        key, blob = self.signers[self.keyAlg]
        hostKey = NS(blob)
        hashed = exchangeHash(
            self._method,
            NS(self.otherVersionString),
            NS(self.ourVersionString),
            NS(self.otherKexInitPayload),
            NS(self.ourKexInitPayload),
            hostKey,
            self._request,
            NS(share),
            NS(ourShare),
            NS(secret),
        )
        signature = key.sign(hashed, self.keyAlg)
        self.sendPacket(number, hostKey + NS(ourShare) + NS(signature))
        self.keysAgreed(secret, hashed)

    def ssh_SERVICE_REQUEST(self, packet: bytes) -> None:
        """Start a service (section 10), if the factory has it for this client.

        The one that lets in, while it runs, is had again as it is: Paramiko asks before each try.
        """
        name = onlyString(packet)
        if self.service is not None and self.service.name == name == _USERAUTH:
            self.sendPacket(MSG_SERVICE_ACCEPT, NS(name))
            return
        service = self.factory.getService(self, name)
        if service is None:
            raise ProtocolError(DISCONNECT_SERVICE_NOT_AVAILABLE, "no such service, or not now")
        self.sendPacket(MSG_SERVICE_ACCEPT, NS(name))
        self.setService(service())
