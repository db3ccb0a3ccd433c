"""The factory of the SSH door: builds a transport for each connection, and its services."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from twisted.conch.ssh.service import SSHService
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory

from sshecho.service.gatekeeper import Gatekeeper
from sshecho.service.refusal import Refusal
from sshecho.ssh.algorithms import MODERN, USER_SIGNATURES, Policy
from sshecho.ssh.connection import Connection
from sshecho.ssh.hostkeys import HostKey
from sshecho.ssh.transport import Transport
from sshecho.ssh.userauth import UserAuth


class EchoSSHFactory(Factory):
    """Builds the protocol of each SSH connection.

    Args:
        portal: where logins are checked.
        hostKeys: at least one; the first is the one that clients are offered first.
        clock: what time-outs are counted with.
        gate: who may come in.
        policy: what connections may be protected with.
        banner: returns what is to be read before the login, in UTF-8; nothing is shown if empty.

    Attributes:
        policy: what connections to come may be protected with.
        extensions: what clients are told of us (RFC 8308).
    """

    protocol: Callable[[], Transport] = Transport  # type: ignore[assignment]  # as factories build
    userAuth: type[UserAuth] = UserAuth
    connection: type[Connection] = Connection
    noisy = False

    def __init__(
        self,
        portal: Portal,
        hostKeys: Sequence[HostKey],
        clock: IReactorTime,
        gate: Gatekeeper,
        policy: Policy = MODERN,
        banner: Callable[[], bytes] = bytes,
    ) -> None:
        self.portal = portal
        self.clock = clock
        self.banner = banner
        self.extensions: Mapping[bytes, bytes] = MappingProxyType(
            {b"server-sig-algs": b",".join(USER_SIGNATURES)}
        )
        self.policy = policy
        self._gate = gate
        self.useHostKeys(hostKeys)

    def useHostKeys(self, hostKeys: Sequence[HostKey]) -> None:
        """Show these host keys to the connections to come; the others keep what they know."""
        self._signers = {
            name: (host.key, host.key.public().blob())
            for name in self.policy.hostSignatures
            for host in hostKeys
            if name in host.key.supportedSignatureAlgorithms()
        }

    def buildProtocol(self, addr: IAddress | None) -> Transport | Refusal:  # type: ignore[override]
        """Return the transport of a new connection."""
        visit = self._gate.enter("ssh", addr)
        if isinstance(visit, Refusal):
            return visit
        transport = Factory.buildProtocol(self, addr)
        assert isinstance(transport, Transport)
        transport.supportedKeyExchanges = self.policy.keyExchanges
        transport.supportedCiphers = self.policy.ciphers
        transport.supportedMACs = self.policy.macs
        if self.policy.compressions != transport.supportedCompressions:
            # Few have any, and the rest keep their dictionary small.
            transport.supportedCompressions = self.policy.compressions
        transport.signers = self._signers
        transport.supportedPublicKeys = tuple(self._signers)
        transport.visit = visit
        transport.limits = self._gate.limits
        transport.rekeyLimit = self._gate.limits.rekeyLimit
        return transport

    def getService(self, transport: Transport, service: bytes) -> type[SSHService] | None:
        """Return the service that is due now, or None when the client asks for another.

        Each is begun once, in its turn: ssh-userauth after the key exchange, ssh-connection after
        the login. A client for whom ssh-userauth began again would have its tries anew.
        """
        if service == UserAuth.name and transport.service is None:
            return self.userAuth if transport.isEncrypted("both") else None
        loggedIn = isinstance(transport.service, UserAuth) and hasattr(transport, "avatar")
        return self.connection if service == Connection.name and loggedIn else None
