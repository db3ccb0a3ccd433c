"""The SSH transport: version, key exchange and packets (RFC 4253)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.conch.ssh.transport import SSHServerTransport

if TYPE_CHECKING:
    from sshecho.ssh.avatar import SSHAvatar
    from sshecho.ssh.factory import EchoSSHFactory

from sshecho import __version__
from sshecho.session import IStreamTransport
from sshecho.ssh.algorithms import CIPHERS, COMPRESSIONS, KEY_EXCHANGES, MACS, USER_SIGNATURES


class Transport(SSHServerTransport):
    """Conch's transport with our policy, paced by what the client reads."""

    transport: IStreamTransport
    sessionID: bytes
    avatar: SSHAvatar
    factory: EchoSSHFactory
    version = b"sshecho_" + __version__.encode("ascii")
    ourVersionString = b"SSH-2.0-" + version
    supportedKeyExchanges = KEY_EXCHANGES
    supportedCiphers = CIPHERS
    supportedMACs = MACS
    supportedCompressions = COMPRESSIONS

    def connectionMade(self) -> None:
        """Begin; from here on, a client that does not read is not read from."""
        self.transport.registerProducer(self.transport, True)
        super().connectionMade()

    def sendExtInfo(self, extensions: list[tuple[bytes, bytes]]) -> None:
        """Tell the client what it may sign with (RFC 8308, section 3.1).

        Conch lists what the host keys sign with, so that a client with an RSA key and a server
        with none would not find together.
        """
        users = {b"server-sig-algs": b",".join(USER_SIGNATURES)}
        super().sendExtInfo(list({**dict(extensions), **users}.items()))

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        """Say why, and close once that has gone out."""
        # A connection whose producer is paused would wait for it instead of closing.
        self.transport.unregisterProducer()
        super().sendDisconnect(reason, desc)

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        """Close: the client says that it is leaving."""
        self.transport.unregisterProducer()
        super().ssh_DISCONNECT(packet)

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Keep quiet: a client that says goodbye is no error, as it is in Conch's log."""
