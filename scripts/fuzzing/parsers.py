"""The target that is parsers: each reads whatever it is, or says that it can't."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from twisted.conch.error import ValidPublicKey
from twisted.cred.error import UnauthorizedLogin

from fuzzing.targets import KEY
from sshecho.cred.authorizedkeys import AuthorizedKey, authorise, parseAuthorizedKeys
from sshecho.cred.certificate import parseCertificate
from sshecho.cred.certificateauthority import parseAuthorities
from sshecho.cred.credentials import PublicKey
from sshecho.cred.keyname import nameKey
from sshecho.cred.keyoptions import KeyOptions, parseOptions, splitOptions
from sshecho.cred.publickey import loadKey
from sshecho.cred.shadow import parseShadow
from sshecho.cred.signature import verify
from sshecho.cred.sources import isFrom, parseSources
from sshecho.cred.userlines import parseLines
from sshecho.people import escape, userName
from sshecho.ssh.loginrequest import LoginRequest
from sshecho.ssh.modes import parseModes
from sshecho.ssh.packets import negotiation
from sshecho.ssh.packets.errors import ProtocolError
from sshecho.ssh.packets.keyexchange import METHODS, KeyExchangeError
from sshecho.telnet import Telnet, TelnetError
from sshecho.wire import Reader

_BLOB = KEY.public().blob()
_NOW = 1_800_000_000
_LISTED = (
    AuthorizedKey(_BLOB, KeyOptions()),
    AuthorizedKey(_BLOB, KeyOptions(isAuthority=True)),
)
_FORESEEN = (ValueError, UnauthorizedLogin, ProtocolError, KeyExchangeError, TelnetError)


def parse(data: bytes) -> None:
    """Let the parser that the first byte names read the rest."""
    if data:
        with suppress(*_FORESEEN):
            PARSERS[data[0] % len(PARSERS)](data[1:])


def _strings(data: bytes) -> None:
    reader = Reader(data)
    while reader.more:
        reader.string()
    reader.end()


def _loginRequest(data: bytes) -> None:
    request = LoginRequest.parse(data)
    request.password()
    if request.method == b"publickey":
        request.shownKey()
        key = request.publicKey(bytes(32), "192.0.2.1")
        if key is not None:
            _authorise(key)


def _authorise(key: PublicKey) -> None:
    with suppress(ValidPublicKey):
        authorise(b"user", _LISTED, key, _NOW)


def _shownKey(data: bytes) -> None:
    str(nameKey(data))
    _authorise(PublicKey(b"user", b"ssh-ed25519", data, b"message", b"signature", "::1"))


def _signed(data: bytes) -> None:
    """Signatures by any key, of which a line's first part is the key and the rest the signature."""
    reader = Reader(data)
    key, signature = reader.string(), reader.string()
    verify(key, signature, b"message")


def _authorizedKeys(data: bytes) -> None:
    for entry in parseAuthorizedKeys("keys", data, lambda _: None):
        entry.options.refusal("192.0.2.1", _NOW)


def _options(data: bytes) -> None:
    options, _ = splitOptions(data)
    for address in ("192.0.2.1", "2001:db8::1", None):
        parseOptions(options).refusal(address, _NOW)


def _sources(data: bytes) -> None:
    sources = parseSources(data)
    for address in ("192.0.2.1", "::ffff:192.0.2.1", "fe80::1%eth0", "", None):
        isFrom(address, sources)


def _share(data: bytes) -> None:
    """The first byte names the method; group exchange is another's."""
    methods = [method for method in METHODS.values() if not method.groupExchange]
    if data:
        methods[data[0] % len(methods)].start().answer(data[1:])


def _telnet(data: bytes) -> None:
    """What comes in one piece means the same in any pieces."""
    whole = Telnet().feed(data)
    telnet = Telnet()
    parts = [telnet.feed(data[at : at + 1]) for at in range(len(data))]
    kept = b"".join(part[0] for part in parts), b"".join(part[1] for part in parts)
    assert kept == whole
    assert len(whole[1]) <= len(data)


def _people(data: bytes) -> None:
    assert escape(data.decode(errors="backslashreplace")).isprintable()
    assert userName(data).isprintable()


PARSERS: list[Callable[[bytes], object]] = [
    _strings,
    _loginRequest,
    _shownKey,
    _signed,
    parseCertificate,
    loadKey,
    _authorizedKeys,
    parseAuthorities,
    _options,
    _sources,
    lambda data: negotiation.read(bytes(16) + data),
    _share,
    parseModes,
    _telnet,
    parseShadow,
    lambda data: parseLines(data, lambda secret: secret),
    _people,
]
