"""``ldap:URL``: passwords in a directory, by a simple bind as the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.internet.ssl import optionsForClientTLS
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from zope.interface import implementer

from sshecho.cred.directory import LONGEST, Directory, canonical, parseURL
from sshecho.cred.ldapclient import SUCCESS, LDAPClient, LDAPError, lostBecause
from sshecho.cred.outage import Outage, UncheckedLogin

TIMEOUT = 10
"""Seconds that a directory has to answer, connecting included."""

_DENIALS = {
    "invalidCredentials": "wrong password, or no such user",
    "noSuchObject": "no such user",
    "invalidDNSyntax": "no such user",
    "inappropriateAuthentication": "the directory has no password of this user",
    "constraintViolation": "the directory does not let this user in",
    "unwillingToPerform": "the directory does not let this user in",
    "insufficientAccessRights": "the directory does not let this user in",
}
"""Results that are about the user, and not about the directory."""

_clients = Factory.forProtocol(LDAPClient)
_clients.noisy = False


@implementer(ICredentialsChecker)
class LDAPChecker:
    """Checks passwords by a simple bind; each login has its own connection.

    A directory that can't be asked denies everyone and says so once. Its certificate has to be
    one that this machine trusts (or that SSL_CERT_FILE names), for the host in the URL.

    Args:
        directory: which.
        endpoint: returns where to connect to; the directory's host if not given.
        clock: what the time for an answer is counted with; the reactor if not given.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(
        self,
        directory: Directory,
        endpoint: Callable[[], IStreamClientEndpoint] | None = None,
        clock: IReactorTime | None = None,
    ) -> None:
        self._directory = directory
        self._endpoint = endpoint or self._byName
        self._clock = clock
        self._outage = Outage(str(directory))

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """Return a Deferred of the user's `canonical` name; it fails with UnauthorizedLogin."""
        return Deferred.fromCoroutine(self._check(credentials.username, credentials.password))

    async def _check(self, user: bytes, password: bytes) -> bytes:
        if not password:
            raise UnauthorizedLogin("an empty password is never sent to the directory")
        name = canonical(user)
        if name is None:
            raise UnauthorizedLogin("no such user")
        if len(password) > LONGEST:  # at so much more a directory hangs up: no outage of its own
            raise UnauthorizedLogin("wrong password")
        try:
            result = await self._bind(self._directory.name(user), password)
        except (CancelledError, ConnectingCancelledError):  # whoever wanted in has left
            raise CancelledError from None
        except Exception as error:
            self._outage.began(f"{self._directory}: {lostBecause(error)}")
            raise UncheckedLogin("the directory can't be asked") from None
        self._outage.ended()
        if result != SUCCESS:
            raise UnauthorizedLogin(_DENIALS[result])
        return name

    async def _bind(self, dn: bytes, password: bytes) -> str:
        # Only here: a reactor is chosen before the first login, but after this is imported.
        from twisted.internet import reactor

        clock = self._clock or IReactorTime(reactor)
        conversation = Deferred.fromCoroutine(self._converse(dn, password, clock))
        result = await conversation.addTimeout(TIMEOUT, clock, _tooLate)
        if result != SUCCESS and result not in _DENIALS:
            raise LDAPError(f"the bind failed: {result}")
        return result

    async def _converse(self, dn: bytes, password: bytes, clock: IReactorTime) -> str:
        client = cast(LDAPClient, await self._endpoint().connect(_clients))
        try:
            if self._directory.startTLS:
                await client.startTLS(self._tls())
            result = await client.bind(dn, password)
        except BaseException:  # when it takes too long, too
            client.abort()
            raise
        client.close(clock)
        return result

    def _tls(self) -> IOpenSSLClientConnectionCreator:
        return optionsForClientTLS(self._directory.host)

    def _byName(self) -> IStreamClientEndpoint:
        from twisted.internet import reactor

        endpoint = HostnameEndpoint(reactor, self._directory.host, self._directory.port)
        return wrapClientTLS(self._tls(), endpoint) if self._directory.ldaps else endpoint


def _tooLate(_result: object, seconds: float) -> Failure:
    return Failure(LDAPError(f"no answer within {seconds} seconds"))


@implementer(ICheckerFactory, IPlugin)
class LDAPCheckerFactory:
    """Makes an LDAPChecker."""

    authType = "ldap"
    authHelp = (
        "A directory, by a simple bind as the user. In the URL's DN %u stands for the user's\n"
        "name: ldap:ldaps://host/uid=%u,ou=people,dc=example,dc=org. An ldap:// URL uses\n"
        "StartTLS, always, except on loopback (????!StartTLS behind the DN: there too). The\n"
        "certificate is checked against those that this machine trusts, or SSL_CERT_FILE."
    )
    argStringFormat = "URL"
    credentialInterfaces = LDAPChecker.credentialInterfaces

    def generateChecker(self, argstring: str) -> LDAPChecker:
        """Return a checker. The directory is asked only at the first login.

        Raises:
            InvalidAuthArgumentString: when the URL is none.
        """
        try:
            return LDAPChecker(parseURL(argstring))
        except ValueError as error:
            raise InvalidAuthArgumentString(str(error)) from None
