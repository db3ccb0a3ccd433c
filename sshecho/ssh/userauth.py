"""The ssh-userauth service: who is it? (RFC 4252)."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import cast

from twisted.conch.error import ValidPublicKey
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.common import NS
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
from sshecho.cred.outage import UncheckedLogin
from sshecho.cred.realm import ANONYMOUS_USER
from sshecho.cred.threads import SOURCE
from sshecho.service.penalties import PENALIZED
from sshecho.ssh.avatar import SSHAvatar
from sshecho.ssh.login import Attempt, Login
from sshecho.ssh.loginrequest import LoginRequest
from sshecho.ssh.transport import Transport
from sshecho.wire import Reader

_log = Logger()

PASSWORD_DELAY = 1
"""Seconds between a wrong password and the answer."""
_REQUESTS_FOR_A_TRY = 4  # a key is first shown, and then signed with, by whoever is not guessing

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
    passwordDelay = PASSWORD_DELAY
    transport: Transport  # type: ignore[assignment]  # in place of Conch's

    def serviceStarted(self) -> None:
        """Begin to wait for requests."""
        known = self.transport.factory.portal.listCredentialsInterfaces()
        self._methods = [name for name, kind in _METHODS.items() if kind in known]
        self._anonymous = IAnonymous in known
        self._requests: deque[bytes] = deque()
        self._answering: Deferred[None] | None = None
        self._question: Deferred[bytes] | None = None
        self._refused: list[Attempt] = []
        self._asked = 0  # requests so far
        self._askedForMethods = False
        self._bannerShown = False

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
        self._asked += 1
        if self._asked > _REQUESTS_FOR_A_TRY * self.transport.limits.maxAuthTries:
            self._disconnect(DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, b"too many login requests")
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
        request = LoginRequest.parse(packet)
        try:
            credentials = await self._credentials(request)
        except _Abandoned:
            # A try, but one that gets no answer (RFC 4252, section 5.1).
            self._denied(request, "asked for something else instead")
            self._endIfTooMany()
            return
        try:
            if credentials is None:
                raise UnauthorizedLogin("not to be had here")
            if not self.transport.visit.mayTry:
                raise UnauthorizedLogin(PENALIZED)
            avatar, logout = await self.login(request, credentials)
        except ValidPublicKey:
            if not self.transport.closing:
                algorithm, blob = request.shownKey()
                self.transport.sendPacket(MSG_USERAUTH_PK_OK, NS(algorithm) + NS(blob))
            return
        except Exception as error:
            if isinstance(error, CancelledError) and self.transport.closing:
                raise  # whoever wanted in has left
            await self._refuse(request, error)
            return
        if self.transport.closing:
            logout()
        elif isinstance(credentials, PublicKey) and not credentials.signature:
            logout()
            _log.error("A checker accepted a key that nothing was signed with; denied")
            await self._refuse(request, UnauthorizedLogin())
        elif not self.transport.visit.mayTry:  # others guessed meanwhile; this may be a guess too
            logout()
            await self._refuse(request, UnauthorizedLogin(PENALIZED))
        else:
            self._accept(request, avatar, logout)

    async def login(
        self, request: LoginRequest, credentials: ICredentials
    ) -> tuple[SSHAvatar, Callable[[], None]]:
        """Have the portal look at the credentials of a request; may be overridden.

        Returns:
            The user's avatar, and its logout.

        Raises:
            LoginFailed: when they let nobody in.
            ValidPublicKey: when they are a key that would, and nothing is signed yet.
        """
        SOURCE.set(self.transport.visit.source)
        portal = self.transport.factory.portal
        _, avatar, logout = await portal.login(credentials, None, IConchUser)
        return cast(SSHAvatar, avatar), logout

    async def _credentials(self, request: LoginRequest) -> ICredentials | None:
        """Return what the client shows of itself; None for what is not to be had here."""
        if request.service != b"ssh-connection":
            return None
        if request.method == b"none":
            anonymous = self._anonymous and request.user == ANONYMOUS_USER
            return Anonymous() if anonymous else None
        if request.method not in self._methods:
            return None
        if request.method == b"publickey":
            address = getattr(self.transport.visit.address, "host", None)
            return request.publicKey(self.transport.sessionID, address)
        if request.method == b"password":
            return request.password()
        return await self._keyboardInteractive(request.user)

    async def _keyboardInteractive(self, user: bytes) -> UsernamePassword | None:
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
        reader = Reader(answer)
        answers = [reader.string() for _ in range(reader.number(4))]
        reader.end()
        return UsernamePassword(user, answers[0]) if len(answers) == 1 else None

    def _accept(self, request: LoginRequest, avatar: SSHAvatar, logout: Callable[[], None]) -> None:
        self._answering = None  # which is this; it goes on to its end, and is not to be cancelled
        self.transport.visit.entered(avatar.user, self._named(request), request.attempt.key)
        self.transport.loggedIn()
        time = self.transport.factory.clock.seconds()
        self.transport.login = Login(request.attempt, self._refused, time)
        self.transport.avatar = avatar
        self.transport.logoutFunction = logout
        service = self.transport.factory.getService(self.transport, request.service)
        assert service is not None
        self.transport.sendPacket(MSG_USERAUTH_SUCCESS, b"")
        self.transport.setService(service())

    async def _refuse(self, request: LoginRequest, error: Exception) -> None:
        """Say no, and nothing more: why is nobody's business but ours."""
        if isinstance(error, LoginFailed):
            why = str(error)
            error.__traceback__ = None  # its frames and it would keep each other, and us
        else:
            why = "an error"
            _log.failure("A login broke, and was denied")
        checked = isinstance(error, LoginFailed) and not isinstance(error, UncheckedLogin)
        # With the first "none" a client asks which methods there are (RFC 4252, section 5.2).
        if request.method != b"none" or self._askedForMethods:
            self._denied(request, why, checked=checked)
            if request.method in _WITH_PASSWORD:
                await deferLater(self.transport.factory.clock, self.passwordDelay)
        self._askedForMethods = self._askedForMethods or request.method == b"none"
        if not self._endIfTooMany() and not self.transport.closing:
            methods = NS(b",".join(self._methods))
            self.transport.sendPacket(MSG_USERAUTH_FAILURE, methods + b"\0")

    def _denied(self, request: LoginRequest, why: str, *, checked: bool = True) -> None:
        self._refused.append(request.attempt)
        method, key = self._named(request), request.attempt.key
        self.transport.visit.denied(request.user, method, why, key, checked=checked)

    def _endIfTooMany(self) -> bool:
        visit = self.transport.visit
        tooMany = len(self._refused) >= self.transport.limits.maxAuthTries
        if tooMany:
            visit.reached("max-auth-tries", "too many failed tries to log in")
        tooMany = tooMany or not visit.mayTry
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
        if not reason.check(ValueError):
            _log.failure("A login request broke", reason)
        self._disconnect(DISCONNECT_PROTOCOL_ERROR, b"malformed login request")

    def _named(self, request: LoginRequest) -> str:
        """Return a method's name; one that is not ours may be anything."""
        known = request.method in (b"none", *_METHODS)
        return request.method.decode() if known else "an unknown method"
