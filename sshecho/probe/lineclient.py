"""The line door, from the client's side: ``user pass``, the answer, and one line's echo."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from sshecho.line import ACCEPTED, DENIED
from sshecho.people import peerName
from sshecho.probe.attempt import Attempt, ProbeError
from sshecho.probe.echocheck import EchoCheck
from sshecho.probe.hostkeys import isLoopback
from sshecho.probe.identity import Identity

_LONGEST_ANSWER = 1024


class LineClient(Protocol):
    """One connection to a line door.

    Args:
        attempt: what is told how it goes.
        identity: what to log in with.
        plainText: whether the password may go to other machines as it is.
    """

    transport: ITCPTransport

    def __init__(self, attempt: Attempt, identity: Identity, *, plainText: bool) -> None:
        self._attempt = attempt
        self._password = identity.password
        self._plainText = plainText
        self._buffer = b""
        self._check = EchoCheck(attempt)
        self.gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Log in, where the password may go."""
        self._attempt.finish("tcp")
        peer = self.transport.getPeer()
        self._attempt.peer = peerName(peer)
        if b"\n" in (self._password or b"") or b"\r" in (self._password or b""):
            why = "the line door takes no password with a line end in it"
            self._attempt.fail(ProbeError(why, final=True))
        elif self._password is None or self._plainText or isLoopback(peer.host):
            self.transport.write(self._login() + b"\r\n")
        else:
            why = f"the password would go to {peer.host} as plain text: give --plain-text if it may"
            self._attempt.fail(ProbeError(why, final=True))

    def _login(self) -> bytes:
        user = self._attempt.target.user.encode("utf-8", "surrogateescape")
        return user if self._password is None else user + b" " + self._password

    def dataReceived(self, data: bytes) -> None:
        """Take the answer, then the echo."""
        if self._attempt.over:
            return
        if self._attempt.step == "echo":
            self._check.received(data)
            return
        self._buffer += data
        answer, newline, rest = self._buffer.partition(b"\n")
        if not newline and len(answer) <= _LONGEST_ANSWER:
            return
        if answer + newline == ACCEPTED:
            self._attempt.auth_method = "none" if self._password is None else "password"
            self._attempt.finish("auth")
            self.transport.write(self._check.line)
            self._check.received(rest)
        elif answer + newline == DENIED:
            self._attempt.fail(ProbeError("denied"))
        else:
            said = answer[:80].decode("utf-8", "backslashreplace").strip()
            self._attempt.fail(ProbeError(f"not let in: the server says '{said}'"))

    def leave(self) -> None:
        """Close."""
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the attempt, if it has not ended."""
        self._attempt.fail(ProbeError("the server closed the connection"))
        self.gone.callback(None)
