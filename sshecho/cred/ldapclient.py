"""As much of LDAP as a login needs: StartTLS and a simple bind (RFC 4511)."""

from __future__ import annotations

from typing import Any

from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error, SubstrateUnderrunError
from pyasn1.type import namedtype, tag, univ
from pyasn1_modules.rfc2251 import LDAPMessage, MessageID
from service_identity import VerificationError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IOpenSSLClientConnectionCreator,
    IReactorTime,
    ITLSTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from sshecho.people import oneLine

START_TLS = b"1.3.6.1.4.1.1466.20037"
"""The name of the extended operation (RFC 4511, section 4.14.1)."""
MAX_ANSWER = 64 * 1024
"""Bytes that an answer may have."""
LINGER = 10
"""Seconds that a directory has to close the connection after us."""

SUCCESS = "success"


class LDAPError(Exception):
    """A directory that can't be asked: one line that says why, and holds no secret."""


class _Unbind(univ.Sequence):
    """The message of an unbind; pyasn1's has the tag of a constructed type, which it is not."""

    componentType = namedtype.NamedTypes(
        namedtype.NamedType("messageID", MessageID()),
        namedtype.NamedType(
            "unbindRequest",
            univ.Null("").subtype(
                implicitTag=tag.Tag(tag.tagClassApplication, tag.tagFormatSimple, 2)
            ),
        ),
    )


class _EnumeratedDecoder(decoder.IntegerPayloadDecoder):
    """Refuses a result code without a byte, which pyasn1 takes for 0, and 0 is success."""

    def valueDecoder(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        """Return an iterator of the result code."""
        _substrate, _specification, _tags, length, *_ = arguments
        if length == 0:
            raise PyAsn1Error("a result code without a byte")
        return super().valueDecoder(*arguments, **options)


_TAGS = decoder.TAG_MAP | {univ.Enumerated.tagSet: _EnumeratedDecoder()}


class LDAPClient(Protocol):
    """One connection to a directory; one request at a time."""

    transport: ITLSTransport

    def __init__(self) -> None:
        self._number = 0
        self._received = b""
        self._answer: Deferred[LDAPMessage] | None = None
        self._broken = ""
        self._lost = False
        self._lingering: IDelayedCall | None = None

    async def startTLS(self, tls: IOpenSSLClientConnectionCreator) -> None:
        """Encrypt the connection; what the certificate is worth shows with the next request.

        Raises:
            LDAPError: when the directory does not want to, or can't be understood.
        """
        message = LDAPMessage()
        message["protocolOp"]["extendedReq"]["requestName"] = START_TLS
        result = await self._ask(message, "extendedResp")
        if result != SUCCESS:
            raise LDAPError(f"StartTLS is refused: {result}")
        if self._received:  # what came unencrypted must not pass for encrypted
            raise LDAPError("the directory goes on unencrypted behind StartTLS")
        self.transport.startTLS(tls)

    async def bind(self, dn: bytes, password: bytes) -> str:
        """Bind with a name and a password (RFC 4513, section 5.1.3).

        Args:
            dn: the distinguished name, UTF-8.
            password: never empty: that would be an unauthenticated bind, which succeeds.

        Returns:
            The name of the result code, such as ``"success"`` or ``"invalidCredentials"``.

        Raises:
            LDAPError: when the connection breaks, or the answer is none.
        """
        if not password:
            raise LDAPError("an empty password is never sent")
        message = LDAPMessage()
        bind = message["protocolOp"]["bindRequest"]
        bind["version"] = 3
        bind["name"] = dn
        bind["authentication"]["simple"] = password
        return await self._ask(message, "bindResponse")

    def close(self, clock: IReactorTime) -> None:
        """Say goodbye (RFC 4511, section 4.3) and close.

        Args:
            clock: what is waited with for a directory that does not close its side of TLS.
        """
        if self._lost:
            return
        message = _Unbind()
        message["unbindRequest"] = ""
        self._send(message)
        self._lingering = clock.callLater(LINGER, self.abort)
        self.transport.loseConnection()

    def abort(self) -> None:
        """Close at once, whatever the directory does."""
        if not self._lost:  # Twisted's TLS can't be asked twice
            self.transport.abortConnection()

    def _send(self, message: univ.Sequence) -> None:
        self._number += 1
        message["messageID"] = self._number
        self.transport.write(encoder.encode(message))

    async def _ask(self, message: LDAPMessage, expected: str) -> str:
        if self._broken:
            raise LDAPError(self._broken)
        asked: Deferred[LDAPMessage] = Deferred()
        self._answer = asked
        self._send(message)
        answer = await asked
        operation = answer["protocolOp"]
        if answer["messageID"] != self._number or operation.getName() != expected:
            raise LDAPError("the directory answers something else than it was asked")
        return str(operation[expected]["resultCode"].prettyPrint())

    def dataReceived(self, data: bytes) -> None:
        """Put an answer together."""
        if self._broken:
            return
        self._received += data
        if len(self._received) > MAX_ANSWER:
            self._fail("an answer is too long")
            return
        try:
            message, self._received = decoder.decode(
                self._received, asn1Spec=LDAPMessage(), tagMap=_TAGS
            )
        except SubstrateUnderrunError:
            return  # the rest is still to come
        except Exception:  # pyasn1 lets others than its own through, such as OverflowError
            self._fail("the answer is not LDAP")
            return
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.callback(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give up what is being asked."""
        self._lost = True
        if self._lingering is not None and self._lingering.active():
            self._lingering.cancel()
        self._fail(lostBecause(reason.value))

    def _fail(self, why: str) -> None:
        self._broken = self._broken or why
        self._received = b""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.errback(LDAPError(why))
        self.abort()


def lostBecause(error: BaseException | None) -> str:
    """Return in one line why a connection was lost, or could not be made."""
    if isinstance(error, VerificationError):
        return "TLS: the certificate is for another host"
    details = error.args[0] if error is not None and error.args else None
    if isinstance(details, list) and details and isinstance(details[0], tuple):
        return f"TLS: {details[0][-1]}"  # OpenSSL's list of (library, function, reason)
    return oneLine(error).rstrip(".")
