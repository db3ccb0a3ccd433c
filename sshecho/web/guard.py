"""The guard of the page: who gets in is who the doors let in, if ``--admin`` names them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection
from typing import NoReturn, Protocol, cast

from twisted.cred.credentials import ICredentials, UsernamePassword
from twisted.cred.error import LoginFailed, UnauthorizedLogin, UnhandledCredentials
from twisted.cred.portal import Portal
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.guard import BasicCredentialFactory, HTTPAuthSessionWrapper
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET
from zope.interface import Interface

from sshecho.cred.outage import UncheckedLogin
from sshecho.cred.threads import SOURCE
from sshecho.service.gate import Gate
from sshecho.service.penalties import PENALIZED
from sshecho.service.visit import Visit, sourceOf
from sshecho.web.site import Page, Request

DOOR = "web"
"""What the events of the page have for a door."""

_METHOD = "password"

_log = Logger()

Login = tuple[type[Interface], object, Callable[[], None]]
"""What a portal gives: an interface, the avatar that provides it, and its logout."""


class _Avatar(Protocol):
    user: bytes


class _Password(UsernamePassword):
    """What a request shows of itself, and the request."""

    def __init__(self, user: bytes, password: bytes, request: Request) -> None:
        super().__init__(user, password)
        self.request = request


class _Basic(BasicCredentialFactory):
    """Reads what a browser says (RFC 7617): names and passwords in UTF-8."""

    def __init__(self) -> None:
        super().__init__(b"sshecho")

    def getChallenge(self, request: Request) -> dict[str, bytes]:
        """Return what a browser is told of who is wanted."""
        return {"realm": self.authenticationRealm, "charset": b"UTF-8"}

    def decode(self, response: bytes, request: Request) -> _Password:
        """Return what a request shows.

        Raises:
            LoginFailed: when that can't be read.
        """
        try:
            user, colon, password = base64.b64decode(response.strip(), validate=True).partition(
                b":"
            )
        except binascii.Error:
            colon = b""
        if not colon:
            request.visit.denied(None, _METHOD, "no user and password that can be read")
            raise LoginFailed
        return _Password(user, password, request)


class _Administrators:
    """The portal, as HTTPAuthSessionWrapper is to see it: with fewer users.

    Args:
        portal: that of the doors.
        names: who gets in.
    """

    def __init__(self, portal: Portal, names: Collection[bytes]) -> None:
        self._portal = portal
        self._names = names

    def login(
        self, credentials: ICredentials, mind: object, *interfaces: type[Interface]
    ) -> Deferred[Login]:
        """Return what the portal does, for one of those who get in.

        The Deferred fails with UnauthorizedLogin for everybody else.
        """
        return Deferred.fromCoroutine(self._login(credentials))

    async def _login(self, credentials: ICredentials) -> Login:
        if not isinstance(credentials, _Password):
            raise UnauthorizedLogin("a browser asks without a name first")
        request, user = credentials.request, credentials.username
        try:
            SOURCE.set(request.visit.source)
            _, avatar, logout = await self._portal.login(credentials, None, IResource)
        except UnhandledCredentials:
            _deny(request, user, "no checker takes passwords")
        except LoginFailed as error:
            checked = not isinstance(error, UncheckedLogin)
            _deny(request, user, str(error), checked=checked)
        except Exception as error:
            if not isinstance(error, CancelledError):
                _log.failure("A login broke, and was denied")
            _deny(request, user, "an error", checked=False)
        name = cast(_Avatar, avatar).user
        # Others may have guessed meanwhile, and this may be a guess too.
        why = PENALIZED if not request.visit.mayTry else "not one of --admin"
        if name not in self._names or why == PENALIZED:
            logout()
            _deny(request, name, why)
        request.visit.entered(name, _METHOD)

        def leave() -> None:
            try:
                logout()
            finally:
                request.visit.loggedOut()

        if request.gone:
            leave()
            raise UnauthorizedLogin
        return IResource, avatar, leave  # which the wrapper calls when the request has ended


def _deny(request: Request, user: bytes, why: str, *, checked: bool = True) -> NoReturn:
    request.visit.denied(user, _METHOD, why, checked=checked)
    raise UnauthorizedLogin


def guarded(portal: Portal, gate: Gate, names: Collection[bytes]) -> IResource:
    """Return what asks for a name and a password, and then gives an avatar of the portal's.

    Args:
        portal: that of the doors; its realm has avatars for IResource.
        gate: who counts the guesses.
        names: who gets in.
    """
    return _Guard(gate, HTTPAuthSessionWrapper(_Administrators(portal, names), [_Basic()]))


class _Guard(Page):
    """Begins the visit of a request, unless its address has to wait.

    That costs it nothing more: who waits is not looked at.

    Args:
        gate: who counts the guesses.
        below: what answers the others.
    """

    def __init__(self, gate: Gate, below: IResource) -> None:
        super().__init__()
        self._gate = gate
        self._below = below

    def render(self, request: Request) -> int | bytes:
        """Answer a request, or have it answered."""
        address = request.getClientAddress()
        request.visit = Visit(self._gate, DOOR, address, sourceOf(address), self._gate.seconds())
        if not request.visit.mayTry:
            request.answer(429, PENALIZED)
            return NOT_DONE_YET
        return cast(int | bytes, self._below.render(request))
