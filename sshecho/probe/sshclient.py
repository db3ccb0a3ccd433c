"""The SSH door, from the client's side: transport, and one shell that is to echo a line."""

from __future__ import annotations

import struct
from dataclasses import replace

from twisted.conch.error import ConchError
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from sshecho import __version__
from sshecho.people import peerName
from sshecho.probe.attempt import Attempt, Negotiated, ProbeError
from sshecho.probe.echocheck import EchoCheck
from sshecho.probe.hostkeys import HostKeys
from sshecho.probe.identity import Identity
from sshecho.probe.userauth import UserAuth
from sshecho.ssh.packets.client import ClientTransport
from sshecho.ssh.packets.negotiation import Agreed


class Client(ClientTransport):
    """One connection to an SSH server.

    Args:
        attempt: what is told how it goes.
        identity: what to log in with.
        hostKeys: whom to believe.
    """

    _leaving = False
    ourVersionString = b"SSH-2.0-sshecho_" + __version__.encode("ascii")

    def __init__(self, attempt: Attempt, identity: Identity, hostKeys: HostKeys) -> None:
        self._attempt = attempt
        self._identity = identity
        self._hostKeys = hostKeys
        self.supportedPublicKeys = tuple(hostKeys.algorithms())
        self.gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Begin."""
        self._attempt.finish("tcp")
        self._attempt.peer = peerName(self.transport.getPeer())
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Take what the server sends, unless the attempt has ended."""
        if self._attempt.over:
            return
        super().dataReceived(data)
        self._noteVersion()
        if not self.gotVersion and b"\n" in self.buf:
            self._attempt.fail(ProbeError(self._stranger()))

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Hand a message to whoever handles it."""
        self._noteVersion()
        super().dispatchMessage(messageNum, payload)

    def _noteVersion(self) -> None:
        if self.gotVersion and self._attempt.step == "version":
            self._attempt.server_version = self.otherVersionString.decode(
                "utf-8", "backslashreplace"
            )
            self._attempt.finish("version")

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[bool]:
        """Believe the host, or end the attempt: nothing secret has been sent by then."""
        try:
            shown = self._hostKeys.show(hostKey, self.keyAlg)
            self._attempt.host_key = self._attempt.host_key or shown  # at new keys it is there
            trust = self._hostKeys.trust(hostKey, self.transport.getPeer().host)
        except ProbeError as error:
            self._attempt.fail(error)
            return fail(error)
        self._shown = replace(shown, trust=trust)
        return succeed(True)

    def connectionSecure(self) -> None:
        """Log in, once the first keys are in use."""
        if self._attempt.over or self._attempt.step != "kex":
            return
        self._attempt.host_key = self._shown  # not before it has signed
        assert self.agreed is not None
        self._attempt.negotiated = _negotiated(self.agreed)
        self._attempt.finish("kex")
        self.requestService(UserAuth(self._attempt, self._identity, _Connection(self._attempt)))

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        """End the attempt, and tell the server what concerns it."""
        self._noteVersion()
        why = desc.decode("utf-8", "backslashreplace")
        if not self.gotVersion:
            why = self._stranger()
        elif self._attempt.step == "kex":
            why = f"the key exchange failed: {why}"
        self._attempt.fail(ProbeError(why))
        self._leaving = True
        super().sendDisconnect(reason, desc)

    def _stranger(self) -> str:
        start = self.buf[:80].decode("utf-8", "backslashreplace").strip()
        return f"this is no SSH server: it says '{start}'"

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """The server says why it goes."""
        why = description.decode("utf-8", "backslashreplace")
        self._attempt.fail(ProbeError(f"the server ended the connection: {why}"))

    def leave(self) -> None:
        """Say goodbye if that is still to be said, and close."""
        if self.gotVersion and not self._leaving:
            super().sendDisconnect(DISCONNECT_BY_APPLICATION, b"probed")
        else:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        """End the attempt, if it has not ended."""
        self._attempt.fail(ProbeError("the server closed the connection"))
        super().connectionLost(reason)
        self.gone.callback(None)


def _negotiated(agreed: Agreed) -> Negotiated:
    """Return what was agreed on, as text."""
    out, into = agreed.toServer, agreed.toClient
    names = (
        *(agreed.keyExchange, agreed.hostKey),
        *(out.cipher, into.cipher, out.mac, into.mac, out.compression, into.compression),
    )
    return Negotiated(*(name.decode("ascii") for name in names))


class _Connection(SSHConnection):
    """The ssh-connection service: opens one session."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__()
        self._attempt = attempt

    def serviceStarted(self) -> None:
        """Ask for a session."""
        super().serviceStarted()
        self.openChannel(_Session(self._attempt))


class _Session(SSHChannel):
    """A shell without a terminal: what goes in is to come back."""

    name = b"session"
    conn: _Connection

    def __init__(self, attempt: Attempt) -> None:
        super().__init__()
        self._attempt = attempt
        self._check = EchoCheck(attempt)

    def channelOpen(self, specificData: bytes) -> None:
        """Ask for a shell, and send the line once it runs."""
        running = self.conn.sendRequest(self, b"shell", b"", wantReply=True)
        assert running is not None
        running.addCallbacks(
            lambda _: self.write(self._check.line), lambda _: self._fail("refused a shell")
        )

    def openFailed(self, reason: Exception) -> None:
        """The server opens no session."""
        why = reason.args[0] if isinstance(reason, ConchError) and reason.args else b""
        text = why.decode("utf-8", "backslashreplace") if isinstance(why, bytes) else ""
        self._fail(f"refused a session: {text}")

    def dataReceived(self, data: bytes) -> None:
        """Compare what comes."""
        self._check.received(data)

    def extReceived(self, dataType: int, data: bytes) -> None:
        """Take what comes on standard error: no echo does."""
        text = data[:200].decode("utf-8", "backslashreplace").strip()
        self._fail(f"says '{text}'")

    def request_exit_status(self, data: bytes) -> bool:
        """The shell has ended."""
        (status,) = struct.unpack(">L", data)
        self._fail(f"ended the session with exit status {status}")
        return True

    def eofReceived(self) -> None:
        """Wait for what else there is to learn: the exit status, or the close."""

    def closeReceived(self) -> None:
        """The session is over."""
        self._fail("closed the session")
        super().closeReceived()

    def _fail(self, what: str) -> None:
        self._attempt.fail(ProbeError(f"no echo: the server {what}"))
