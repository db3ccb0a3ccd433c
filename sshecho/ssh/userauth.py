"""The ssh-userauth service: who is it? (RFC 4252)."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import cast

from twisted.conch.error import ValidPublicKey
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import (
    DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE,
    DISCONNECT_PROTOCOL_ERROR,
)
from twisted.conch.ssh.userauth import (
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_REQUEST,
    MSG_USERAUTH_INFO_RESPONSE,
    MSG_USERAUTH_PK_OK,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
)
from twisted.cred.credentials import (
    Anonymous,
    IAnonymous,
    ICredentials,
    ISSHPrivateKey,
    IUsernamePassword,
    UsernamePassword,
)
from twisted.cred.error import LoginFailed, UnauthorizedLogin
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from sshecho.cred.credentials import PublicKey
from sshecho.cred.keyname import nameKey
from sshecho.cred.realm import ANONYMOUS_USER
from sshecho.people import because, peerName, tell, userName
from sshecho.ssh.algorithms import USER_ALGORITHMS
from sshecho.ssh.avatar import SSHAvatar
from sshecho.ssh.login import Attempt, Login
from sshecho.ssh.transport import Transport

_log = Logger()

MAX_TRIES = 6
"""Failed requests after which a connection is ended."""
PASSWORD_DELAY = 1
"""Seconds between a wrong password and the answer."""

_MESSAGES = {
    MSG_USERAUTH_REQUEST: "MSG_USERAUTH_REQUEST",
    MSG_USERAUTH_INFO_RESPONSE: "MSG_USERAUTH_INFO_RESPONSE",
}
_METHODS = {
    b"publickey": ISSHPrivateKey,
    b"password": IUsernamePassword,
    b"keyboard-interactive": IUsernamePassword,
}
_WITH_PASSWORD = (b"password", b"keyboard-interactive")


_LONGEST_METHOD = 64
"""Bytes of a method's name, as RFC 4250 has it; what is longer is cut where it is kept."""


class _Abandoned(Exception):
    """The client has asked for something else instead of answering our question."""


class UserAuth(SSHService):
    """The service that lets a client in, in place of Conch's, whose ends are loose.

    Requests are answered one by one, in order, as in OpenSSH: so each failure counts, and a
    login that ends after its connection, or behind another, is logged out at once. A key is
    looked up before anything is said of it, and parsed by nobody before it is found.
    """

    name = b"ssh-userauth"
    protocolMessages = _MESSAGES
    transport: Transport

    def serviceStarted(self) -> None:
        """Begin to wait for requests."""
        known = self.transport.factory.portal.listCredentialsInterfaces()
        self._methods = [name for name, kind in _METHODS.items() if kind in known]
        self._anonymous = IAnonymous in known
        self._requests: deque[bytes] = deque()
        self._answering: Deferred[None] | None = None
        self._question: Deferred[bytes] | None = None
        self._refused: list[Attempt] = []
        self._askedForMethods = False
        self._bannerShown = False
        self.user = self.nextService = self.method = b""

    def serviceStopped(self) -> None:
        """Stop: the user is in, or the connection is gone, and what is still asked with it."""
        self._requests.clear()
        answering, self._answering = self._answering, None
        if answering is not None:
            answering.cancel()

    def ssh_USERAUTH_REQUEST(self, packet: bytes) -> None:
        """Answer a request, once those before it are answered.

        Payload (RFC 4252, section 5): user name, service name, method name, then the method's.
        """
        self._requests.append(packet)
        if len(self._requests) > 2 * MAX_TRIES:
            self._disconnect(
                DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, b"too many requests at once"
            )
        elif len(self._requests) == 1:
            self._showBanner()
            self._answering = Deferred.fromCoroutine(self._answerAll())
            self._answering.addErrback(self._broken)
        elif self._question is not None:
            question, self._question = self._question, None
            question.errback(_Abandoned())

    def ssh_USERAUTH_INFO_RESPONSE(self, packet: bytes) -> None:
        """Go on with the answer to our question.

        Payload (RFC 4256, section 3.4): number of answers, the answers.
        """
        if self._question is None:
            self._disconnect(DISCONNECT_PROTOCOL_ERROR, b"nothing was asked")
            return
        question, self._question = self._question, None
        question.callback(packet)

    def _showBanner(self) -> None:
        """Send what is to be read before the login (RFC 4252, section 5.4): text, language."""
        banner = self.transport.factory.banner()
        if banner and not self._bannerShown:
            text = banner.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            self.transport.sendPacket(MSG_USERAUTH_BANNER, NS(text) + NS(b""))
        self._bannerShown = True

    async def _answerAll(self) -> None:
        while self._requests:
            await self._answer(self._requests[0])
            if self._requests:
                self._requests.popleft()

    async def _answer(self, packet: bytes) -> None:
        self.user, self.nextService, self.method, data = getNS(packet, 3)
        key = nameKey(getNS(data[1:], 2)[1]) if self.method == b"publickey" else None
        self._attempt = Attempt(self.method[:_LONGEST_METHOD].decode(errors="replace"), key)
        try:
            credentials = await self._credentials(data)
        except _Abandoned:
            self._refused.append(self._attempt)  # a try, but one that gets no answer
            self._endIfTooMany()
            return
        try:
            if credentials is None:
                raise UnauthorizedLogin("not to be had here")
            _, avatar, logout = await self.transport.factory.portal.login(
                credentials, None, IConchUser
            )
        except ValidPublicKey:
            algorithm, blob, _ = getNS(data[1:], 2)
            if not self.transport.closing:
                self.transport.sendPacket(MSG_USERAUTH_PK_OK, NS(algorithm) + NS(blob))
            return
        except Exception as error:
            if isinstance(error, CancelledError) and self.transport.closing:
                raise  # whoever wanted in has left
            await self._refuse(error)
            return
        if self.transport.closing:
            logout()
        elif isinstance(credentials, PublicKey) and not credentials.signature:
            logout()
            _log.error("A checker accepted a key that nothing was signed with; denied")
            await self._refuse(UnauthorizedLogin())
        else:
            self._accept(cast(SSHAvatar, avatar), logout)

    async def _credentials(self, data: bytes) -> ICredentials | None:
        """Return what the client shows of itself; None for what is not to be had here."""
        if self.nextService != b"ssh-connection":
            return None
        if self.method == b"none":
            anonymous = self._anonymous and self.user == ANONYMOUS_USER
            return Anonymous() if anonymous else None
        if self.method not in self._methods:
            return None
        if self.method == b"publickey":
            return self._publicKey(data)
        if self.method == b"password":
            return self._password(data)
        return await self._keyboardInteractive()

    def _password(self, data: bytes) -> UsernamePassword | None:
        """Return a password; None for a request to change it.

        Payload (RFC 4252, section 8): whether it is to be changed, the password.
        """
        return UsernamePassword(self.user, getNS(data[1:])[0]) if data[:1] == b"\0" else None

    async def _keyboardInteractive(self) -> UsernamePassword | None:
        """Ask for the password; return it, or None for an answer to something else.

        Our question's payload (RFC 4256, section 3.2): name, instruction, language, number of
        prompts; each prompt, and whether what is typed may be seen.

        Raises:
            _Abandoned: when the client asks for something else instead.
        """
        if len(self._requests) > 1:
            raise _Abandoned
        question = NS(b"") + NS(b"") + NS(b"") + struct.pack(">L", 1) + NS(b"Password: ") + b"\0"
        self._question = Deferred()
        self.transport.sendPacket(MSG_USERAUTH_INFO_REQUEST, question)
        answer = await self._question
        (count,) = struct.unpack(">L", answer[:4])
        return UsernamePassword(self.user, getNS(answer[4:])[0]) if count == 1 else None

    def _publicKey(self, data: bytes) -> PublicKey | None:
        """Return a key, with what was signed if it is signed; None for one that we don't take.

        Payload (RFC 4252, section 7): whether there is a signature, algorithm, key, signature.
        """
        algorithm, blob, rest = getNS(data[1:], 2)
        known = USER_ALGORITHMS.get(algorithm)
        if known is None or len(blob) > known.largest or not blob.startswith(NS(known.keyType)):
            return None
        address = getattr(self.transport.transport.getPeer(), "host", None)
        if data[:1] == b"\0":
            return PublicKey(self.user, algorithm, blob, None, None, address)
        signature = getNS(rest)[0]
        if not signature.startswith(NS(known.signature)):
            return None
        message = NS(self.transport.sessionID) + bytes((MSG_USERAUTH_REQUEST,))
        message += NS(self.user) + NS(self.nextService) + NS(self.method)
        message += b"\1" + NS(algorithm) + NS(blob)
        return PublicKey(self.user, algorithm, blob, message, signature, address)

    def _accept(self, avatar: SSHAvatar, logout: Callable[[], None]) -> None:
        self._answering = None  # which is this; it goes on to its end, and is not to be cancelled
        self.user = avatar.user
        self._report("logged in")
        self.transport.loggedIn()
        time = self.transport.factory.clock.seconds()
        self.transport.login = Login(self._attempt, self._refused, time)
        self.transport.avatar = avatar
        self.transport.logoutFunction = logout
        service = self.transport.factory.getService(self.transport, self.nextService)
        assert service is not None
        self.transport.sendPacket(MSG_USERAUTH_SUCCESS, b"")
        self.transport.setService(service())

    async def _refuse(self, error: Exception) -> None:
        """Say no, and nothing more: why is nobody's business but ours."""
        if isinstance(error, LoginFailed):
            why = str(error)
        else:
            why = "an error"
            _log.failure("A login broke, and was denied")
        # With the first "none" a client asks which methods there are (RFC 4252, section 5.2).
        if self.method != b"none" or self._askedForMethods:
            self._report("denied", why)
            self._refused.append(self._attempt)
            if self.method in _WITH_PASSWORD:
                await deferLater(self.transport.factory.clock, PASSWORD_DELAY)
        self._askedForMethods = self._askedForMethods or self.method == b"none"
        if not self._endIfTooMany() and not self.transport.closing:
            methods = NS(b",".join(self._methods))
            self.transport.sendPacket(MSG_USERAUTH_FAILURE, methods + b"\0")

    def _endIfTooMany(self) -> bool:
        tooMany = len(self._refused) >= MAX_TRIES
        if tooMany:
            why = b"too many authentication failures"
            self._disconnect(DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, why)
        return tooMany

    def _disconnect(self, code: int, why: bytes) -> None:
        self._requests.clear()
        self.transport.sendDisconnect(code, why)

    def _broken(self, reason: Failure) -> None:
        """End a connection whose request can't be read."""
        if reason.check(CancelledError):
            return
        if not reason.check(struct.error):
            _log.failure("A login request broke", reason)
        self._disconnect(DISCONNECT_PROTOCOL_ERROR, b"malformed login request")

    def _report(self, what: str, why: str = "") -> None:
        known = self.method in (b"none", *self._methods)
        tell(
            "ssh: {user} {what} by {method} from {peer}{why}",
            user=userName(self.user),
            what=what,
            method=self.method.decode() if known else "an unknown method",
            peer=peerName(self.transport.transport.getPeer()),
            why=because(why),
        )
