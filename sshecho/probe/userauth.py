"""The ssh-userauth service, from the client's side (RFC 4252, RFC 4256).

Conch's client signs with SHA-1 where the key is RSA, asks a person in the middle, and says nothing
of why it gave up.
"""

from __future__ import annotations

import struct

from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.userauth import (
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_RESPONSE,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
)
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.python.failure import Failure

from sshecho.probe.attempt import Attempt, ProbeError
from sshecho.probe.identity import Identity
from sshecho.ssh.packets.client import ClientTransport

_MSG_USERAUTH_INFO_REQUEST = 60
_MOST_ROUNDS = 10
"""How many requests for information one login answers."""


class UserAuth(SSHService):
    """Logs in, then starts the next service.

    Args:
        attempt: what is told how it goes.
        identity: what to log in with.
        next: the service to start.
    """

    name = b"ssh-userauth"
    transport: ClientTransport  # type: ignore[assignment]  # in place of Conch's

    def __init__(self, attempt: Attempt, identity: Identity, next: SSHService) -> None:  # noqa: A002
        self._attempt = attempt
        self._identity = identity
        self._next = next
        self._replies: DeferredQueue[tuple[int, bytes]] = DeferredQueue()
        self._methods: list[bytes] = []
        self._tried = ""
        self._answered = False

    def serviceStarted(self) -> None:
        """Begin to log in."""
        Deferred.fromCoroutine(self._login()).addErrback(self._failed)

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        """Take a reply; banners are for people, and none is here."""
        if messageNum != MSG_USERAUTH_BANNER:
            self._replies.put((messageNum, packet))

    def _failed(self, reason: Failure) -> None:
        error = reason.value
        if not isinstance(error, ProbeError):
            error = ProbeError("a reply to the login can't be read")
        self._attempt.fail(error)

    async def _login(self) -> None:
        method = await self._tryAll()
        if method is None:
            raise self._denied()
        self._attempt.auth_method = method
        self._attempt.finish("auth")
        self.transport.setService(self._next)

    async def _tryAll(self) -> str | None:
        """Try what there is, in order; with "none" the server says what it takes."""
        if await self._try("none", b""):
            return "none"
        for key in self._identity.keys:
            if b"publickey" in self._methods and await self._try("publickey", self._signed(key)):
                return "publickey"
        password = self._identity.password
        if password is None:
            return None
        if b"password" in self._methods:
            return "password" if await self._try("password", b"\0" + NS(password)) else None
        if b"keyboard-interactive" in self._methods:
            method = "keyboard-interactive"
            return method if await self._try(method, NS(b"") + NS(b"")) else None
        return None

    async def _try(self, method: str, data: bytes) -> bool:
        """Make a request; return whether that is all that the server wants."""
        if method != "none":
            self._tried = method
        self.transport.sendPacket(MSG_USERAUTH_REQUEST, self._head(method) + data)
        number, packet = await self._replies.get()
        for _ in range(_MOST_ROUNDS):
            if number != _MSG_USERAUTH_INFO_REQUEST or method != "keyboard-interactive":
                break
            self._answer(packet)
            number, packet = await self._replies.get()
        if number == MSG_USERAUTH_SUCCESS:
            return True
        if number == _MSG_USERAUTH_INFO_REQUEST and method == "password":
            raise ProbeError("denied: the server wants another password", final=True)
        if number != MSG_USERAUTH_FAILURE:
            raise ProbeError(f"message {number} is no answer to a login")
        names, partial = getNS(packet)
        self._methods = names.split(b",")
        if partial[:1] not in (b"", b"\0"):
            raise ProbeError(f"denied: behind {method} the server wants {self._wanted()} too")
        return False

    def _head(self, method: str) -> bytes:
        user = self._attempt.target.user.encode("utf-8", "surrogateescape")
        return NS(user) + NS(self._next.name) + NS(method.encode())

    def _signed(self, key: Key) -> bytes:
        """Return a request that is signed at once, without asking first (RFC 4252, section 7)."""
        algorithm = self._algorithm(key)
        data = b"\1" + NS(algorithm) + NS(key.public().blob())
        assert self.transport.sessionID is not None
        message = NS(self.transport.sessionID) + bytes((MSG_USERAUTH_REQUEST,))
        return data + NS(key.sign(message + self._head("publickey") + data, algorithm))

    def _algorithm(self, key: Key) -> bytes:
        """Return what to sign with: never SHA-1, whatever the server says (RFC 8332)."""
        if key.type() != "RSA":
            kind: bytes = key.sshType()
            return kind
        taken = self.transport.peerExtensions.get(b"server-sig-algs", b"rsa-sha2-512").split(b",")
        return b"rsa-sha2-512" if b"rsa-sha2-512" in taken else b"rsa-sha2-256"

    def _answer(self, packet: bytes) -> None:
        """Answer the one hidden question that a password is the answer to (RFC 4256, section 3).

        Payload: name, instruction, language, count, then a question and whether to show what is
        typed, each.
        """
        _, _, _, rest = getNS(packet, 3)
        (count,) = struct.unpack(">L", rest[:4])
        answers = b""
        if count:
            question, flags = getNS(rest[4:])
            password = self._identity.password
            assert password is not None
            if count > 1 or flags[:1] != b"\0" or self._answered:
                asked = question.decode("utf-8", "backslashreplace").strip()
                raise ProbeError(f"denied: the server asks for more than a password: {asked!r}")
            self._answered = True
            answers = NS(password)
        self.transport.sendPacket(MSG_USERAUTH_INFO_RESPONSE, struct.pack(">L", count) + answers)

    def _wanted(self) -> str:
        return b", ".join(self._methods).decode("utf-8", "backslashreplace") or "nothing"

    def _denied(self) -> ProbeError:
        if not self._tried:
            return ProbeError(f"denied: the server takes {self._wanted()} only")
        return ProbeError(f"denied by {self._tried}; the server takes {self._wanted()}")
