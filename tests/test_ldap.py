"""Passwords in a directory."""

import pytest
from helpers import Password, denied, logged, result
from pyasn1.codec.ber import encoder
from pyasn1_modules.rfc2251 import LDAPMessage
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import formatEvent
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sshecho.cred.directory import canonical, escape, isLoopback, parseURL
from sshecho.cred.ldap import TIMEOUT, LDAPChecker, LDAPCheckerFactory

URL = "ldap://127.0.0.1/uid=%u,dc=example"
LOGIN = Password(b"alice", b"pa ss")
BIND = bytes.fromhex("3025 020101 6020 020103 0414") + b"uid=alice,dc=example\x80\x05pa ss"
MENDED = "ldap://127.0.0.1:389: it is mended, and lets people in again"


@implementer(IStreamClientEndpoint)
class Endpoint:
    """A directory that gives prepared answers: bytes, an error, or None for no answer."""

    def __init__(self, *answers: bytes | Exception | None) -> None:
        self._answers = list(answers)
        self.transports: list[StringTransport] = []

    def connect(self, factory):
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            return fail(answer)
        protocol = factory.buildProtocol(None)
        transport = StringTransport()
        self.transports.append(transport)
        protocol.makeConnection(transport)
        if answer is not None:
            write = transport.write

            def reply(data: bytes) -> None:
                write(data)
                transport.write = write
                protocol.dataReceived(answer)

            transport.write = reply
        return succeed(protocol)


def answer(code: int = 0) -> bytes:
    message = LDAPMessage()
    message["messageID"] = 1
    response = message["protocolOp"]["bindResponse"]
    response["resultCode"] = code
    response["matchedDN"] = ""
    response["errorMessage"] = "pa ss"
    return encoder.encode(message)


def checking(*answers, url=URL) -> tuple[LDAPChecker, Endpoint, Clock]:
    endpoint, clock = Endpoint(*answers), Clock()
    return LDAPChecker(parseURL(url), lambda: endpoint, clock), endpoint, clock


@pytest.mark.parametrize(
    ("user", "escaped"),
    [
        (b"alice", b"alice"),
        (b"", b""),
        (b'"', rb"\22"),
        (b"#1", rb"\231"),
        (b"a+b", rb"a\2bb"),
        (b"a,ou=b", rb"a\2cou\3db"),
        (b"a;b", rb"a\3bb"),
        (b"<a>", rb"\3ca\3e"),
        (b"\\2c", rb"\5c2c"),
        (b" a b ", rb"\20a\20b\20"),
        (b"\0\n\r\x7f", rb"\00\0a\0d\7f"),
        (b"a*(b)/c_-.@!", b"a*(b)/c_-.@!"),
        ("b\u00f6b\u20ac".encode(), "b\u00f6b\u20ac".encode()),
    ],
)
def test_escape(user, escaped):
    """What has a meaning in a DN is escaped, and the rest is left as it is."""
    assert escape(user) == escaped


@pytest.mark.parametrize("byte", range(128))
def test_escape_each_byte(byte):
    """Of ASCII nothing but what is harmless stays as it is, and the escapes give it back."""
    character = bytes([byte])
    escaped = escape(character)
    if escaped == character:
        assert character not in b'\0 "#+,;<=>\\'
    else:
        assert escaped[:1] == b"\\"
        assert bytes.fromhex(escaped[1:].decode()) == character


@pytest.mark.parametrize(
    ("url", "where", "startTLS", "name"),
    [
        ("ldap://example.org/uid=%u,dc=x", "ldap://example.org:389", True, b"uid=b\\2cb,dc=x"),
        ("ldap://example.org:3/cn=%u", "ldap://example.org:3", True, b"cn=b\\2cb"),
        ("ldap://localhost/uid=%u", "ldap://localhost:389", False, b"uid=b\\2cb"),
        ("ldap://127.0.0.1/uid=%u????!StartTLS", "ldap://127.0.0.1:389", True, b"uid=b\\2cb"),
        ("ldap://[::1]/uid=%u????starttls", "ldap://[::1]:389", True, b"uid=b\\2cb"),
        ("ldap://[::1]/uid=%u", "ldap://[::1]:389", False, b"uid=b\\2cb"),
        ("ldaps://example.org/uid=%u", "ldaps://example.org:636", False, b"uid=b\\2cb"),
        ("LDAPS://Example.org:7/uid=%u", "ldaps://example.org:7", False, b"uid=b\\2cb"),
        ("ldaps://x/cn=%u,ou=%u", "ldaps://x:636", False, b"cn=b\\2cb,ou=b\\2cb"),
        ("ldaps://x/cn=%u%20%c3%a9%3f%25u", "ldaps://x:636", False, b"cn=b\\2cb \xc3\xa9?%u"),
        ("ldaps://x/%u@example.org", "ldaps://x:636", False, b"b\\2cb@example.org"),
    ],
)
def test_good_url(url, where, startTLS, name):
    """A URL says where the directory is, whether it is encrypted, and as whom to bind."""
    directory = parseURL(url)
    assert str(directory) == where
    assert directory.startTLS is startTLS
    assert directory.name(b"b,b") == name


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "not an LDAP URL such as"),
        ("ldap.example.org", "not an LDAP URL such as"),
        ("http://example.org/uid=%u", "not an LDAP URL such as"),
        ("ldapi:///uid=%u", "not an LDAP URL such as"),
        ("ldap:///uid=%u", "not an LDAP URL such as"),
        ("ldap://%u.example.org/uid=%u", "not an LDAP URL such as"),
        ("ldap://h..x/uid=%u", "not an LDAP URL: "),
        ("ldap://\udcff.org/uid=%u", "not an LDAP URL: "),
        ("ldap://example.org:0/uid=%u", "there is no port 0"),
        ("ldap://example.org:x/uid=%u", "not an LDAP URL: Port"),
        ("ldap://example.org:70000/uid=%u", "not an LDAP URL: Port"),
        ("ldap://[::1/uid=%u", "not an LDAP URL: "),
        ("ldap://admin:pw@example.org/uid=%u", "users bind as themselves"),
        ("ldap://@example.org/uid=%u", "users bind as themselves"),
        ("ldap://example.org", "the DN has no %u"),
        ("ldap://example.org/", "the DN has no %u"),
        ("ldap://example.org/uid=user", "the DN has no %u"),
        ("ldap://example.org/uid=%25u", "the DN has no %u"),
        ("ldap://example.org/uid=%u,dc=%ff", "the DN is not UTF-8"),
        ("ldap://example.org/uid=%u,dc=\udcff", "the DN is not UTF-8"),
        ("ldap://example.org/uid=%u,dc=a#b", "a # in the DN is written %23"),
        ("ldap://example.org/uid=%u?", "only ????!StartTLS is known"),
        ("ldap://example.org/uid=%u?uid?sub", "only ????!StartTLS is known"),
        ("ldap://example.org/uid=%u????!StartTLS,x", "only ????!StartTLS is known"),
        ("ldap://example.org/uid=%u???!StartTLS", "only ????!StartTLS is known"),
    ],
)
def test_bad_url(url, why):
    """What is no such URL is refused by the factory, which says why, without a password."""
    with pytest.raises(InvalidAuthArgumentString) as caught:
        LDAPCheckerFactory().generateChecker(url)
    assert why in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("alice", "alice"),
        ("ALICE", "alice"),
        ("\u00dcser", "\u00fcser"),
        ("Smith, J.", "smith, j."),
        ("a@b", "a@b"),
        (" alice", None),
        ("alice ", None),
        ("a  b", None),
        ("a\tb", None),
        ("alice\n", None),
        ("\uff41lice", None),
        ("u\u0308ser", None),
        ("\u0130stanbul", None),
        ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c3"),
        ("\u03bf\u03b4\u03bf\u03c2", "\u03bf\u03b4\u03bf\u03c3"),
        ("wei\u00df", "wei\u00df"),
        ("al\u00adice", None),
        ("al\u200bice", None),
        ("al\u034fice", None),
        ("", None),
        (" ", None),
        ("x" * 5000, None),
    ],
)
def test_canonical(user, name):
    """Of the names that a directory takes for one account, it has one name here."""
    assert canonical(user.encode()) == (name and name.encode())
    assert canonical(user.encode() + b"\xff") is None


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("localhost", True),
        ("LocalHost", True),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("example.org", False),
    ],
)
def test_is_loopback(host, answer):
    """Only this machine is loopback, and a name that looks like it is not."""
    assert isLoopback(host) is answer


def test_interfaces():
    """The checker and its factory are what strcred asks for."""
    factory = LDAPCheckerFactory()
    verifyObject(ICheckerFactory, factory)
    checker = factory.generateChecker(URL)
    verifyObject(ICredentialsChecker, checker)
    assert checker.credentialInterfaces == factory.credentialInterfaces


def test_accepted():
    """Who can bind gets in; the directory is told goodbye, and the clock has nothing left."""
    checker, endpoint, clock = checking(answer())
    assert result(checker.requestAvatarId(LOGIN)) == b"alice"
    [transport] = endpoint.transports
    assert transport.value() == BIND + bytes.fromhex("3005 020102 4200")
    assert transport.disconnecting
    clock.advance(TIMEOUT)
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    "login",
    [
        (b"alice", b""),
        (b"", b"x"),
        (b"", b""),
        (b"\xff", b"x"),
        (b"alice\xc3", b"x"),
        (b"\xed\xa0\x80", b"x"),
    ],
)
def test_never_asked(login):
    """Without a password, without a name or with one that is not UTF-8 nobody is asked about."""
    checker, endpoint, _ = checking(answer())
    with logged() as seen:
        assert denied(checker.requestAvatarId(Password(*login)))
    assert endpoint.transports == []
    assert seen == []


@pytest.mark.parametrize("code", [16 + 3, 32, 34, 48, 49, 50, 53])
def test_denials(code):
    """What a directory says about the user denies this login, and is no outage."""
    checker, _, _ = checking(answer(code))
    with logged() as seen, pytest.raises(UnauthorizedLogin) as caught:
        result(checker.requestAvatarId(LOGIN))
    assert "directory can't be asked" not in str(caught.value)
    assert "pa ss" not in str(caught.value)
    assert seen == []


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1, "operationsError"),
        (2, "protocolError"),
        (7, "authMethodNotSupported"),
        (8, "strongAuthRequired"),
        (10, "referral"),
        (13, "confidentialityRequired"),
        (14, "saslBindInProgress"),
        (51, "busy"),
        (52, "unavailable"),
        (80, "other"),
        (123, "123"),
    ],
)
def test_other_results(code, name):
    """Any other result lets nobody in and is an outage, said without what the directory says."""
    checker, _, _ = checking(answer(code))
    with logged() as seen:
        assert denied(checker.requestAvatarId(LOGIN))
    [text] = map(formatEvent, seen)
    assert text.startswith(f"ldap://127.0.0.1:389: the bind failed: {name}; until it is mended")
    assert "pa ss" not in text


def test_outage_and_mended():
    """An outage is said once, another reason again, and that it is over: once."""
    checker, _, _ = checking(
        *(Refused(), Refused(), b"HTTP/1.1 400 Bad Request" * 9, Refused()), answer(49), answer()
    )
    with logged() as seen:
        for _ in range(4):
            with pytest.raises(UnauthorizedLogin, match=r"^the directory can't be asked$"):
                result(checker.requestAvatarId(LOGIN))
        assert denied(checker.requestAvatarId(LOGIN))
        assert result(checker.requestAvatarId(LOGIN)) == b"alice"
    texts = [formatEvent(event) for event in seen]
    assert [text.split(";")[0].split(": ", 1)[1] for text in texts] == [
        "Connection was refused by other side",
        "the answer is not LDAP",
        "Connection was refused by other side",
        "it is mended, and lets people in again",
    ]
    assert texts[-1] == MENDED
    assert not any("\n" in text or "pa ss" in text for text in texts)


def test_never_answers():
    """A directory that does not answer denies after a while, and is not kept connected."""
    checker, endpoint, clock = checking(None)
    with logged() as seen:
        login = checker.requestAvatarId(LOGIN)
        clock.advance(TIMEOUT - 1)
        assert not login.called
        clock.advance(1)
        assert denied(login)
    assert endpoint.transports[0].disconnected
    [text] = map(formatEvent, seen)
    assert text.startswith("ldap://127.0.0.1:389: no answer within 10 seconds; until")
    assert clock.getDelayedCalls() == []


def test_never_connects():
    """A directory that can't be reached denies after a while, and the attempt is given up."""
    given = []
    attempt: Deferred[object] = Deferred(given.append)

    @implementer(IStreamClientEndpoint)
    class Nowhere:
        def connect(self, factory):
            return attempt

    clock = Clock()
    login = LDAPChecker(parseURL(URL), Nowhere, clock).requestAvatarId(LOGIN)
    clock.advance(TIMEOUT)
    assert denied(login)
    assert given == [attempt]


def test_password_waits_for_tls():
    """Where StartTLS is refused or not answered the password is not sent."""
    refused = bytes.fromhex("300c 020101 7807 0a0102 0400 0400")
    for reply in (refused, None, answer()):
        checker, endpoint, clock = checking(reply, url=URL + "????!StartTLS")
        login = checker.requestAvatarId(LOGIN)
        clock.advance(TIMEOUT)
        assert denied(login)
        [transport] = endpoint.transports
        assert b"1.3.6.1.4.1.1466.20037" in transport.value()
        assert b"pa ss" not in transport.value()
        assert transport.disconnected


def test_broken_endpoint():
    """An error that nobody thought of denies too, and is said in one line."""

    def broken():
        raise ZeroDivisionError("one\ntwo")

    checker = LDAPChecker(parseURL(URL), broken, Clock())
    with logged() as seen:
        assert denied(checker.requestAvatarId(LOGIN))
    [text] = map(formatEvent, seen)
    assert text.startswith("ldap://127.0.0.1:389: one; until")


def test_left_while_connecting():
    """Who leaves while the directory is being connected to is no outage of it."""

    def refuse(connecting: Deferred) -> None:
        connecting.errback(ConnectingCancelledError(None))

    class Connecting:
        def connect(self, factory):
            return Deferred(refuse)

    checker = LDAPChecker(parseURL(URL), Connecting, Clock())
    with logged() as seen:
        asking = checker.requestAvatarId(LOGIN)
        asking.cancel()
        with pytest.raises(CancelledError):
            result(asking)
    assert seen == []
