"""``ldap:URL``: passwords in a directory, by a simple bind as the user."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast
from unicodedata import category, normalize
from urllib.parse import unquote, urlsplit

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

from sshecho.cred.ldapclient import SUCCESS, LDAPClient, LDAPError, lostBecause
from sshecho.cred.outage import Outage

TIMEOUT = 10
"""Seconds that a directory has to answer, connecting included."""

LONGEST = 4096
"""Bytes of a name or a password that a directory is asked about."""

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

_PORTS = {"ldap": 389, "ldaps": 636}
_START_TLS = re.compile(r"\?{4}!?StartTLS", re.IGNORECASE)
_PASSED_OVER = re.compile("[\u034f\u180b-\u180d\ufe00-\ufe0f\ufffc]")
_SPECIAL = re.compile(rb'[\x00-\x20"#+,;<=>\\\x7f]')


def escape(user: bytes) -> bytes:
    """Return a user's name as the value of an attribute in a DN (RFC 4514, section 2.4)."""
    return _SPECIAL.sub(lambda byte: b"\\%02x" % ord(byte[0]), user)


def canonical(user: bytes) -> bytes | None:
    """Return the one name of all that a directory takes for the same (RFC 4518).

    Directories compare names without regard to case, to spaces that are many or outside, and to
    characters that only look different; but an account has to have one name here.

    Returns:
        The name in lower case; None for one that nobody writes so, or that is no text.
    """
    try:
        name = user.decode()
    except UnicodeDecodeError:
        return None
    if not name or len(user) > LONGEST or name != " ".join(name.split()):
        return None
    lower = "".join(map(_lower, name))
    plain = len(lower) == len(name) and not any(map(_isInvisible, name))
    return lower.encode() if plain and name == normalize("NFKC", name) else None


def _lower(character: str) -> str:
    # Folding knows both of Greek's small sigmas for one, but makes two letters of others.
    folded = character.casefold()
    return folded if len(folded) == 1 else character.lower()


def _isInvisible(character: str) -> bool:
    """Whether a directory passes over a character (RFC 4518, section 2.2)."""
    return category(character)[0] == "C" or _PASSED_OVER.match(character) is not None


@dataclass(frozen=True)
class Directory:
    """Where a directory is, and as whom its users bind.

    Attributes:
        host: its name or IP address, which the certificate has to name.
        port: its TCP port.
        ldaps: whether the connection begins with TLS.
        startTLS: whether it is encrypted by StartTLS.
        dn: the users' DN, cut where the user's name belongs; UTF-8.
    """

    host: str
    port: int
    ldaps: bool
    startTLS: bool
    dn: tuple[bytes, ...]

    def __str__(self) -> str:
        """Return its URL without the DN."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.ldaps else 'ldap'}://{host}:{self.port}"

    def name(self, user: bytes) -> bytes:
        """Return the DN of a user."""
        return escape(user).join(self.dn)


def parseURL(url: str) -> Directory:
    """Parse an LDAP URL (RFC 4516) whose DN has ``%u`` where the user's name belongs.

    The extension StartTLS, ``????!StartTLS``, asks for StartTLS on loopback too, where else it
    is not used.

    Raises:
        ValueError: says what is wrong with it.
    """
    main, question, rest = url.partition("?")
    try:
        parts = urlsplit(main.replace("%u", "\0"))
        port = parts.port
        (parts.hostname or "").encode("idna")
        if port == 0:
            raise ValueError("there is no port 0")
    except ValueError as error:  # UnicodeError too
        raise ValueError(f"not an LDAP URL: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname or "\0" in parts.netloc:
        raise ValueError("not an LDAP URL such as ldaps://host/uid=%u,dc=example,dc=org")
    if parts.username is not None:
        raise ValueError("users bind as themselves; the URL has no place for another name")
    if question and not _START_TLS.fullmatch(question + rest):
        raise ValueError("behind the DN only ????!StartTLS is known")
    if "#" in main:
        raise ValueError("a # in the DN is written %23")
    try:
        dn = tuple(unquote(part, errors="strict").encode() for part in parts.path[1:].split("\0"))
    except UnicodeError:
        raise ValueError("the DN is not UTF-8") from None
    if len(dn) < 2:
        raise ValueError("the DN has no %u, where the user's name belongs")
    ldaps = parts.scheme == "ldaps"
    startTLS = not ldaps and (bool(question) or not isLoopback(parts.hostname))
    return Directory(parts.hostname, port or _PORTS[parts.scheme], ldaps, startTLS, dn)


def isLoopback(host: str) -> bool:
    """Whether a host is this machine, for sure and without asking anybody."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


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
            raise UnauthorizedLogin("the directory can't be asked") from None
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
