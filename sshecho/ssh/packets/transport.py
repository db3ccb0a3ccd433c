"""The SSH transport (RFC 4253), what both sides have in common: version, key exchange, messages."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from twisted import __version__ as version
from twisted.conch.ssh.address import SSHTransportAddress
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import (
    DISCONNECT_BY_APPLICATION,
    DISCONNECT_PROTOCOL_ERROR,
    DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED,
    MSG_DEBUG,
    MSG_DISCONNECT,
    MSG_EXT_INFO,
    MSG_IGNORE,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    MSG_UNIMPLEMENTED,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from sshecho.service.closing import MOST_DROPPED
from sshecho.service.limits import LINGER, Limits
from sshecho.session import IStreamTransport
from sshecho.ssh.packets import negotiation
from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.keyexchange import METHODS, Method, deriveKey
from sshecho.ssh.packets.negotiation import Agreed, Direction, Names, Offer
from sshecho.ssh.packets.protection import CIPHERS, MACS, Protection, protect
from sshecho.ssh.packets.stream import Incoming, Outgoing
from sshecho.ssh.packets.writing import writeNow
from sshecho.wire import Reader

if TYPE_CHECKING:
    from sshecho.ssh.packets.compression import Compression

REKEY_INTERVAL = 3600
"""Seconds after which keys that carried something are changed (RFC 4253, section 9)."""
KEY_EXCHANGE_TIME = 60
"""Seconds that a change of keys may take."""

_MOST_HELD = 1 << 20  # bytes that may wait for new keys
_MOST_JOINED = 1 << 16  # bytes that may wait for the end of a turn
_TURN = 64  # messages that are handled before others have their turn
_COST_OF_KEYS = 20  # messages that one of a key exchange counts for: it is much work
_MOST_EXTENSIONS = 64
_HELD_MESSAGE = 64  # bytes that a message is counted for above its own
_LONGEST_VERSION = 255
_LONGEST_PREFACE = 1 << 12
_FIRST_OF_KEY_EXCHANGE, _FIRST_OF_A_METHOD, _FIRST_OF_A_SERVICE = 20, 30, 50
_GENERIC = (MSG_DISCONNECT, MSG_IGNORE, MSG_UNIMPLEMENTED, MSG_DEBUG)
_HANDLERS = {
    1: "ssh_DISCONNECT",
    2: "ssh_IGNORE",
    3: "ssh_UNIMPLEMENTED",
    4: "ssh_DEBUG",
    5: "ssh_SERVICE_REQUEST",
    6: "ssh_SERVICE_ACCEPT",
    7: "ssh_EXT_INFO",
    20: "ssh_KEXINIT",
    21: "ssh_NEWKEYS",
    30: "ssh_KEX_INIT",
    31: "ssh_KEX_REPLY",
    32: "ssh_KEX_DH_GEX_INIT",
    33: "ssh_KEX_DH_GEX_REPLY",
    34: "ssh_KEX_DH_GEX_REQUEST",
}

_tables: dict[type, dict[int, str]] = {}  # of each class that has handled messages
_log = Logger()


class SSHTransport(Protocol, TimeoutMixin):
    """One side of a connection; `ServerTransport` and `ClientTransport` are the two.

    Services find here what they find in Conch's `SSHTransportBase`. What is different: the
    ciphers; strict key exchange; keys are changed in time; nothing is taken before its time; and
    what is sent while data is read goes out at the end of that, in one piece.

    Attributes:
        ourVersionString: what we call ourselves, without the line's end.
        otherVersionString: what the other side calls itself.
        supportedKeyExchanges: names, best first; so are the others.
        supportedPublicKeys: what the server may sign with.
        sessionID: the first key exchange's hash; None until there are keys.
        agreed: what is in use; None until there are keys.
        strictKeyExchange: whether both sides keep to it (OpenSSH PROTOCOL, section 1.10).
        peerExtensions: what the other side has told of itself (RFC 8308).
        service: who takes what is not the transport's.
        closing: whether a goodbye has been said by either side, or the connection is gone.
        rekeyLimit: bytes that a key carries, in either direction.
    """

    # Those without a default are kept beside the instance's dictionary: one of more than thirty
    # takes five times the memory, and longer to look into.
    __slots__ = (
        "_messages",
        "_method",
        "_next",
        "_nextIncoming",
        "_offer",
        "avatar",
        "incoming",
        "logoutFunction",
        "otherKexInitPayload",
        "ourKexInitPayload",
        "outgoing",
        "peerExtensions",
    )

    transport: IStreamTransport
    factory: Any
    isClient = False
    ourVersionString = b"SSH-2.0-Twisted_" + version.encode("ascii")
    otherVersionString = b""
    supportedKeyExchanges: Names = tuple(METHODS)
    supportedPublicKeys: Names = ()
    supportedCiphers: Names = tuple(CIPHERS)
    supportedMACs: Names = tuple(MACS)
    supportedCompressions: Names = (b"none",)
    rekeyLimit = Limits.rekeyLimit

    gotVersion = False
    buf = b""  # what came before the version is whole
    sessionID: bytes | None = None
    agreed: Agreed | None = None
    strictKeyExchange = False
    service: SSHService | None = None
    closing = False
    avatar: object
    logoutFunction: Callable[[], None]
    _peerSupportsExtensions = False
    _halted = False  # whether nothing more is to be read
    _messages: Iterator[tuple[int, bytes]]  # those that came last
    _resting = False  # whether the others have their turn, before the rest of those
    _late = b""  # what came meanwhile
    _dropped = 0  # bytes that came behind a goodbye
    _joined: list[bytes] | None = None  # what goes out at the end of this turn
    _joinedSize = 0
    _held: list[tuple[int, bytes]] | None = None  # what waits for our new keys
    _heldSize = 0
    _due: frozenset[int] | None = frozenset([MSG_KEXINIT])  # of the other side's key exchange
    _ignoreGuess = False
    _nextIncoming: Protection
    _compression: Compression | None = None  # of our keys; None where none was ever offered
    _method: Method
    ourKexInitPayload: bytes
    otherKexInitPayload: bytes

    def connectionMade(self) -> None:
        """Begin."""
        self.peerExtensions: dict[bytes, bytes] = {}
        self.incoming = Incoming()
        self.outgoing = Outgoing()
        self._messages = iter(())
        self.greet()

    def greet(self) -> None:
        """Say who we are, and what we offer; may be overridden."""
        self._joined = [self.ourVersionString, b"\r\n"]
        self.sendKexInit()
        self._flush()

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        """Stop the service, and log out whoever is in."""
        self.closing = self._halted = True
        self._forget()
        self.setTimeout(None)
        service, self.service = self.service, None
        try:
            if service is not None:
                service.serviceStopped()
        finally:
            if hasattr(self, "avatar"):
                self.logoutFunction()

    def _forget(self) -> None:
        """Let go of what has come and will not be handled any more."""
        self._messages = iter(())
        self._late = self.buf = b""

    # What comes.

    def dataReceived(self, data: bytes) -> None:
        """Handle what has come, and send together all that is answered to it."""
        self._take(data)

    def _take(self, data: bytes) -> None:
        if self.closing:
            self._dropped += len(data)
            if self._dropped > MOST_DROPPED:
                self.transport.pauseProducing()
        elif self._resting:
            self._late += data  # nothing more is read, but TLS had it already
        elif not self._halted:
            self._messages = self.incoming.messages(data) if self.gotVersion else self._first(data)
            self._handle()

    def _handle(self) -> None:
        """Handle messages, but no more than are some milliseconds' work: others wait."""
        self._joined = []
        work = 0
        try:
            for number, payload in self._messages:
                self.dispatchMessage(number, payload)
                if self._halted:
                    break
                exchange = _FIRST_OF_KEY_EXCHANGE <= number < _FIRST_OF_A_SERVICE
                work += _COST_OF_KEYS if exchange else 1
                if work >= _TURN:
                    self._rest()
                    break
        except ProtocolError as error:
            self.sendDisconnect(error.code, error.why.encode("ascii", "backslashreplace"))
        finally:
            self._rekeyIfDue()
            self._flush()

    def _rest(self) -> None:
        self._resting = True
        self.transport.pauseProducing()
        self.later(self._goOn)

    def later(self, work: Callable[[], object]) -> None:
        """Do something when the others had their turn; may be overridden."""
        self.callLater(0, work)

    def _goOn(self) -> None:
        """Handle the rest, and what has come meanwhile; then read on."""
        self._resting = False
        if self._halted:
            return
        self._handle()
        late, self._late = self._late, b""
        if late:
            self._take(late)
        if not self._resting and not self._halted:
            self.readOn()

    def readOn(self) -> None:
        """Read what comes next."""
        self.transport.resumeProducing()

    def _first(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the messages behind the version, once that has come."""
        rest = self._versionReceived(data)
        if rest:
            yield from self.incoming.messages(rest)

    def _versionReceived(self, data: bytes) -> bytes:
        """Look for the other side's version, and return what follows it (section 4.2).

        A server may say something else before it, line by line.
        """
        self.buf += data
        lines = self.buf.split(b"\n")  # the last of which is not whole
        for number, line in enumerate(lines):
            if not self.isClient or line.startswith(b"SSH-"):
                if len(line) >= _LONGEST_VERSION:
                    raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "the version is too long")
                if number == len(lines) - 1:
                    return b""
                self._checkVersion(line.removesuffix(b"\r"))
                self.buf = b""
                return b"\n".join(lines[number + 1 :])
        if len(self.buf) > _LONGEST_PREFACE:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "no version comes")
        return b""

    def _checkVersion(self, line: bytes) -> None:
        if not line.startswith(b"SSH-") or b"\0" in line:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "that is no SSH version")
        self.otherVersionString = line
        self.gotVersion = True
        if not line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
            code = DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED
            raise ProtocolError(code, "only SSH 2.0 is spoken here")

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Hand a message to whoever handles it.

        Raises:
            ProtocolError: when its time has not come.
        """
        if self._due is not None or _FIRST_OF_KEY_EXCHANGE <= messageNum < _FIRST_OF_A_SERVICE:
            if self._ignoreGuess and _FIRST_OF_A_METHOD <= messageNum < _FIRST_OF_A_SERVICE:
                self._ignoreGuess = False
                return
            self._checkDue(messageNum)
        owner = self if messageNum < _FIRST_OF_A_SERVICE else self.service
        kind = type(owner)
        table = _tables.get(kind) or _tables.setdefault(kind, _handlers(kind))
        name = table.get(messageNum)
        try:
            if name is not None:
                getattr(owner, name)(payload)
            elif isinstance(owner, SSHService) and _takesAll(type(owner)):
                owner.packetReceived(messageNum, payload)
            else:
                self.unhandled(messageNum)
        except ProtocolError:
            raise
        except (ValueError, LookupError, struct.error):
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "malformed message") from None
        except Exception:
            _log.failure("A message could not be handled")
            raise ProtocolError(DISCONNECT_BY_APPLICATION, "an error") from None

    def _checkDue(self, number: int) -> None:
        """See to it that a message of a key exchange is due, or that none is (section 7.1).

        Raises:
            ProtocolError: when something else is due.
        """
        if number >= _FIRST_OF_KEY_EXCHANGE and number < _FIRST_OF_A_SERVICE:
            due = number in (self._due or (MSG_KEXINIT,))
        elif self.strictKeyExchange and self.agreed is None:
            due = number == MSG_DISCONNECT
        else:
            due = number in _GENERIC
        if not due:
            raise ProtocolError(
                DISCONNECT_PROTOCOL_ERROR, f"message {number} is not due in the key exchange"
            )

    def unhandled(self, messageNum: int) -> None:
        """Answer a message that nobody handles (section 11.4).

        Raises:
            ProtocolError: when it is for a service, and there is none.
        """
        if messageNum >= _FIRST_OF_A_SERVICE and self.service is None:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "no service runs yet")
        self.sendUnimplemented()

    # What goes out.

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        """Send a message; while keys are exchanged, keep what is not part of that."""
        if self.closing:
            return
        if self._held is not None and not _partOfKeyExchange(messageType):
            self._hold(messageType, payload)
        else:
            self._send(messageType, payload)

    def _send(self, number: int, payload: bytes) -> None:
        pieces = self.outgoing.packet(number, payload)
        if self._joined is None:
            writeNow(self.transport, b"".join(pieces))
            self._rekeyIfDue()
            return
        self._joined += pieces
        self._joinedSize += len(payload)
        if self._joinedSize > _MOST_JOINED:
            self._flush()
            self._joined = []

    def _flush(self) -> None:
        """Send what this turn has brought."""
        joined, self._joined, self._joinedSize = self._joined, None, 0
        if joined:
            writeNow(self.transport, b"".join(joined))

    def _hold(self, number: int, payload: bytes) -> None:
        """Keep a message for the new keys.

        A side that asks and asks, and exchanges no keys, could make that grow without end.
        """
        assert self._held is not None
        self._held.append((number, payload))
        self._heldSize += len(payload) + _HELD_MESSAGE
        if self._heldSize > _MOST_HELD:
            self.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, b"too much waits for new keys")

    # The key exchange (section 7).

    @property
    def exchangingKeys(self) -> bool:
        """Whether what is sent has to wait for new keys."""
        return self._held is not None

    def rekey(self) -> None:
        """Change the keys, unless that is under way."""
        if self._held is None and self._due is None and not self.closing:
            self.sendKexInit()

    def _rekeyIfDue(self) -> None:
        if self.outgoing.carried > self.rekeyLimit or self.incoming.carried > self.rekeyLimit:
            self.rekey()

    def sendKexInit(self) -> None:
        """Offer what we support, and keep from now on what is not part of the key exchange."""
        self._offer = self._ourOffer()
        payload = negotiation.write(self._offer)
        self.ourKexInitPayload = bytes([MSG_KEXINIT]) + payload
        self._held = []
        self._heldSize = 0
        self._send(MSG_KEXINIT, payload)
        self.awaitNext()

    def _ourOffer(self) -> Offer:
        said = self._ourMarkers() if self.sessionID is None else ()
        ciphers, macs = tuple(self.supportedCiphers), tuple(self.supportedMACs)
        compressions = tuple(self.supportedCompressions)
        return Offer(
            (*self.supportedKeyExchanges, *said),
            tuple(self.supportedPublicKeys),
            (ciphers, ciphers),
            (macs, macs),
            (compressions, compressions),
        )

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Agree on what to use, and begin."""
        theirs = negotiation.read(packet)
        self.otherKexInitPayload = bytes([MSG_KEXINIT]) + packet
        if self._held is None:
            self.sendKexInit()
        ours = self._offer
        if self.sessionID is None:
            self._readMarkers(theirs.keyExchanges)
        pair = (ours, theirs) if self.isClient else (theirs, ours)
        self._next = negotiation.agree(*pair)
        self._method = METHODS[self._next.keyExchange]
        self._ignoreGuess = negotiation.guessedWrong(theirs, ours)
        self.beginKeyExchange(self._method)

    def _ourMarkers(self) -> Names:
        """Return what we say of ourselves among the methods of our first KEXINIT."""
        if self.isClient:
            return negotiation.EXTENSIONS_CLIENT, negotiation.STRICT_CLIENT
        return negotiation.EXTENSIONS_SERVER, negotiation.STRICT_SERVER

    def _readMarkers(self, names: Names) -> None:
        """Read what the other side says of itself among the methods of its first KEXINIT."""
        if self.isClient:
            extensions, strict = negotiation.EXTENSIONS_SERVER, negotiation.STRICT_SERVER
        else:
            extensions, strict = negotiation.EXTENSIONS_CLIENT, negotiation.STRICT_CLIENT
        self._peerSupportsExtensions = extensions in names
        self.strictKeyExchange = strict in names
        if self.strictKeyExchange and self.incoming.sequence != 1:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "KEXINIT was not the first message")

    def beginKeyExchange(self, method: Method) -> None:
        """Do what is ours to do once it is known how keys are exchanged."""
        raise NotImplementedError

    def keysAgreed(self, secret: bytes, exchangeHash: bytes) -> None:
        """Change our key, and wait for the other side to change its own (section 7.3).

        Args:
            secret: the shared secret, as it is hashed.
            exchangeHash: what it was agreed on in.
        """
        first = self.sessionID is None
        self.sessionID = self.sessionID or exchangeHash
        outgoing = self._protection(secret, exchangeHash, toClient=not self.isClient)
        self._nextIncoming = self._protection(secret, exchangeHash, toClient=self.isClient)
        self._due = frozenset([MSG_NEWKEYS])
        self._send(MSG_NEWKEYS, b"")
        self.outgoing.protectWith(outgoing, recount=self.strictKeyExchange)
        if any(name != b"none" for name in self.supportedCompressions):
            self._compress()
        if first:
            self.firstKeysAgreed()
        held, self._held = self._held or [], None
        for number, payload in held:
            self.sendPacket(number, payload)

    def _compress(self) -> None:
        """Compress as was agreed on, our side first; none is in use unless one was offered."""
        from sshecho.ssh.packets.compression import Compression  # which most servers never need

        ways = (self._next.toServer, self._next.toClient)
        out, into = ways if self.isClient else reversed(ways)
        before = self._compression
        self._compression = Compression(
            out.compression,
            into.compression,
            isClient=self.isClient,
            loggedIn=before is not None and before.loggedIn,
        )
        self.outgoing.deflate = self._compression.deflate

    def firstKeysAgreed(self) -> None:
        """Say what is to be said before anything else under the first keys."""

    def _protection(self, secret: bytes, exchangeHash: bytes, *, toClient: bool) -> Protection:
        """Return what protects one direction with the new keys (section 7.2)."""
        letters = {"iv": b"AB", "key": b"CD", "mac": b"EF"}
        way: Direction = self._next.toClient if toClient else self._next.toServer
        assert self.sessionID is not None

        def derive(kind: str, size: int) -> bytes:
            letter = letters[kind][toClient : toClient + 1]
            assert self.sessionID is not None
            return deriveKey(self._method, secret, exchangeHash, letter, self.sessionID, size)

        return protect(way.cipher, way.mac, derive)

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """Take what follows with the new key."""
        if packet:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "malformed NEWKEYS")
        self.incoming.protectWith(self._nextIncoming, recount=self.strictKeyExchange)
        if self._compression is not None:
            self.incoming.inflate = self._compression.inflate
        self.agreed = self._next
        self._due = None
        self.ourKexInitPayload = self.otherKexInitPayload = b""  # idle connections are many
        self.awaitNext()

    @property
    def kexAlg(self) -> bytes:
        """How the keys were agreed on."""
        return self._next.keyExchange

    @property
    def keyAlg(self) -> bytes:
        """How the server signed that."""
        return self._next.hostKey

    # Time.

    def awaitNext(self) -> None:
        """Count the time anew, for what is awaited now."""
        if self.closing:
            self.setTimeout(LINGER)
        elif self._held is not None or self._due is not None:
            self.setTimeout(KEY_EXCHANGE_TIME)
        else:
            self.sleep()

    def sleep(self) -> None:
        """Count the time until something is to be done though nothing has come."""
        self.setTimeout(REKEY_INTERVAL)

    def wake(self) -> None:
        """Change keys that are old."""
        if self.outgoing.carried or self.incoming.carried:
            self.rekey()
        else:  # whoever is away, with keys that nothing was said under, is left in peace
            self.sleep()

    def timeoutConnection(self) -> None:
        """Do without what was awaited, or see to what is to be done."""
        if self.closing:
            self.transport.abortConnection()
        elif self._held is not None or self._due is not None:
            self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"too slow to exchange keys")
        else:
            self.wake()

    # The generic messages (section 11).

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        """Close: the other side says that it is leaving."""
        reader = Reader(packet)
        code, why = reader.number(4), reader.string()
        self.receiveError(code, why)
        self.prepareToClose()
        self.transport.loseConnection()

    def ssh_IGNORE(self, packet: bytes) -> None:
        """Do nothing."""

    def ssh_UNIMPLEMENTED(self, packet: bytes) -> None:
        """Pass on what the other side did not understand."""
        reader = Reader(packet)
        number = reader.number(4)
        reader.end()
        self.receiveUnimplemented(number)

    def ssh_DEBUG(self, packet: bytes) -> None:
        """Pass on what the other side wants to be seen."""
        reader = Reader(packet)
        shown, text, language = reader.number(1) != 0, reader.string(), reader.string()
        reader.end()
        self.receiveDebug(shown, text, language)

    def ssh_EXT_INFO(self, packet: bytes) -> None:
        """Keep what the other side tells of itself, in place of what it told before (RFC 8308)."""
        reader = Reader(packet)
        count = reader.number(4)
        if count > _MOST_EXTENSIONS:
            raise ProtocolError(DISCONNECT_PROTOCOL_ERROR, "too many extensions")
        told = [(reader.string(), reader.string()) for _ in range(count)]
        reader.end()
        self.peerExtensions = dict(told)

    def sendIgnore(self, message: bytes) -> None:
        """Send what the other side ignores."""
        self.sendPacket(MSG_IGNORE, NS(message))

    def sendDebug(self, message: bytes, alwaysDisplay: bool = False, language: bytes = b"") -> None:
        """Send what the other side may show."""
        self.sendPacket(MSG_DEBUG, bytes([alwaysDisplay]) + NS(message) + NS(language))

    def sendUnimplemented(self) -> None:
        """Say that we did not understand the message that is being handled."""
        last = (self.incoming.sequence - 1) & 0xFFFFFFFF
        self.sendPacket(MSG_UNIMPLEMENTED, struct.pack(">L", last))

    def sendExtInfo(self, extensions: list[tuple[bytes, bytes]]) -> None:
        """Tell of ourselves, if the other side wants to hear it (RFC 8308, section 2.3)."""
        if self._peerSupportsExtensions:
            told = b"".join(NS(name) + NS(value) for name, value in extensions)
            self._send(MSG_EXT_INFO, struct.pack(">L", len(extensions)) + told)

    def sendDisconnect(self, reason: int, desc: bytes) -> None:
        """Say why, and close once that has gone out."""
        if self.closing:
            return
        self.prepareToClose()
        self._send(MSG_DISCONNECT, struct.pack(">L", reason) + NS(desc) + NS(b""))
        self._flush()
        self.close()

    def close(self) -> None:
        """Close once what was said has gone out."""
        self.transport.loseConnection()

    def prepareToClose(self) -> None:
        """Read nothing more, and give the other side a moment to take what it is owed."""
        self.closing = self._halted = True
        self._held = None  # nothing goes out any more
        self._forget()
        self.awaitNext()

    def loseConnection(self) -> None:
        """Leave."""
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"closed here")

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Take note of why the other side leaves; may be overridden."""

    def receiveUnimplemented(self, seqnum: int) -> None:
        """Take note of what the other side did not understand; may be overridden."""

    def receiveDebug(self, alwaysDisplay: bool, message: bytes, lang: bytes) -> None:
        """Take note of what the other side wants to be seen; may be overridden."""

    # What services ask for.

    def setService(self, service: SSHService) -> None:
        """Let a service take over from the one that runs."""
        if self.service is not None:
            self.service.serviceStopped()
        self.service = service
        service.transport = self  # type: ignore[assignment]  # which stands in for Conch's
        service.serviceStarted()

    def isEncrypted(self, direction: str = "out") -> bool:
        """Return whether there are keys for "in", "out" or "both"."""
        keys = {"out": self.sessionID is not None, "in": self.agreed is not None}
        keys["both"] = keys["out"] and keys["in"]
        return keys[direction]

    isVerified = isEncrypted

    def getPeer(self) -> SSHTransportAddress:
        """Return the other side's address."""
        return SSHTransportAddress(self.transport.getPeer())

    def getHost(self) -> SSHTransportAddress:
        """Return our address."""
        return SSHTransportAddress(self.transport.getHost())


def _partOfKeyExchange(number: int) -> bool:
    """Return whether a message may be sent while keys are exchanged (section 7.1)."""
    return number in _GENERIC or _FIRST_OF_KEY_EXCHANGE <= number < _FIRST_OF_A_SERVICE


def _takesAll(service: type[SSHService]) -> bool:
    """Return whether a service has its own way to find out who handles a message."""
    return service.packetReceived is not SSHService.packetReceived


def _handlers(owner: type) -> dict[int, str]:
    """Return the names of the methods that handle messages, of a class of transport or service."""
    if issubclass(owner, SSHTransport):
        names = _HANDLERS
    elif issubclass(owner, SSHService) and _takesAll(owner):
        names = {}
    else:
        messages: dict[int, str] = getattr(owner, "protocolMessages", {})
        names = {number: f"ssh_{name[4:]}" for number, name in messages.items()}
    return {number: name for number, name in names.items() if hasattr(owner, name)}
