"""The ssh-userauth service, seen by a client."""

import base64
import struct
from dataclasses import replace

import pytest
from certificates import PlainKey, SecurityKey, certify
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from helpers import inline, logged
from sshpair import (
    DISCONNECT,
    GLOBAL_REQUEST,
    LIMITS,
    LYING,
    SERVICE_REQUEST,
    UNIMPLEMENTED,
    USERAUTH_BANNER,
    USERAUTH_FAILURE,
    USERAUTH_INFO_REQUEST,
    USERAUTH_INFO_RESPONSE,
    USERAUTH_PK_OK,
    USERAUTH_REQUEST,
    USERAUTH_SUCCESS,
    Channel,
    Pair,
)
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import IAnonymous, ISSHPrivateKey, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogLevel, formatEvent

from sshecho.cred.certificate import LARGEST_CERTIFICATE
from sshecho.cred.certificateauthority import CertificateChecker
from sshecho.cred.keyfiles import KeyFilesChecker

NO_PASSWORD = USERAUTH_FAILURE, NS(b"password,keyboard-interactive") + b"\0"
NO_KEY = USERAUTH_FAILURE, NS(b"publickey") + b"\0"


@pytest.fixture(scope="module")
def hostKey() -> Key:
    return Key(ed25519.Ed25519PrivateKey.generate())


@pytest.fixture(scope="module")
def keys(userKey) -> dict[str, Key]:
    return {
        "ed25519": userKey,
        "ecdsa": Key(ec.generate_private_key(ec.SECP256R1())),
        "rsa": Key(rsa.generate_private_key(65537, 2048)),
        "other": Key(ed25519.Ed25519PrivateKey.generate()),
    }


@pytest.fixture
def pair(hostKey) -> Pair:
    return Pair([hostKey])


@pytest.fixture
def keyPair(hostKey, write, keys) -> Pair:
    lines = [keys[kind].public().toString("OPENSSH") for kind in ("ed25519", "ecdsa", "rsa")]
    path = write("keys", b"\n".join(lines))
    checker = KeyFilesChecker(str(path), b"user", inline)
    return Pair([hostKey], {ISSHPrivateKey: [checker]}).requestUserAuth()


def code(packet) -> int:
    number, payload = packet
    assert number == DISCONNECT
    return struct.unpack(">L", payload[:4])[0]


def test_password(pair):
    """The right password is a login."""
    pair.login()
    assert pair.log == [(b"user", "login")]


@pytest.mark.parametrize(
    ("user", "password"),
    [(b"user", b"wrong"), (b"nobody", b"pass"), (b"", b""), (b"", b"pass"), (b"user", b"")]
    + [(b"user", b"pass\0"), (b"\xff", b"\xfe"), (b"user", b"x" * 30_000), (b"anonymous", b"")],
)
def test_wrong_password(pair, user, password):
    """Whatever else is sent gets one and the same answer, after the same delay."""
    pair.requestUserAuth().password(user, password)
    assert pair.take() == []
    pair.clock.advance(1)
    pair.pump.flush()
    assert pair.take() == [NO_PASSWORD]
    assert pair.log == []


QUESTION = NS(b"") * 3 + struct.pack(">L", 1) + NS(b"Password: ") + b"\0"


def askedFor(pair, user=b"user"):
    """Let a client ask to be asked for its password."""
    head = NS(user) + NS(b"ssh-connection") + NS(b"keyboard-interactive")
    return pair.send(USERAUTH_REQUEST, head, NS(b""), NS(b""))


def answered(pair, *answers):
    return pair.send(USERAUTH_INFO_RESPONSE, struct.pack(">L", len(answers)), *map(NS, answers))


def test_keyboard_interactive(pair):
    """A client that would rather be asked is asked for the password, unseen, and gets in."""
    askedFor(pair.requestUserAuth())
    assert pair.take() == [(USERAUTH_INFO_REQUEST, QUESTION)]
    assert answered(pair, b"pass").take() == [(USERAUTH_SUCCESS, b"")]
    assert pair.log == [(b"user", "login")]


@pytest.mark.parametrize("user", [b"user", b"nobody"])
@pytest.mark.parametrize("answers", [(b"wrong",), (b"",), (), (b"pass", b"pass")])
def test_wrong_answers(pair, user, answers):
    """Whoever answers anything else gets what a wrong password gets, and may be asked again."""
    pair.requestUserAuth()
    for _ in range(2):
        askedFor(pair, user)
        assert pair.take() == [(USERAUTH_INFO_REQUEST, QUESTION)]
        assert answered(pair, *answers).take() == []
        pair.clock.advance(1)
        pair.pump.flush()
        assert pair.take() == [NO_PASSWORD]
    assert pair.log == []


def test_answers_count(pair):
    """Six wrong answers end the connection, as six wrong passwords do."""
    pair.requestUserAuth()
    for _ in range(6):
        answered(askedFor(pair), b"wrong")
        pair.clock.advance(1)
        pair.pump.flush()
    assert code(pair.take()[-1]) == 14


def test_abandoned_question(pair):
    """Who asks for something else instead of answering gets that, and no word of the question."""
    askedFor(pair.requestUserAuth())
    pair.take()
    pair.password()
    assert pair.take() == [(USERAUTH_SUCCESS, b"")]


def test_abandoned_questions_count(pair):
    """Questions that are not answered count as tries, but the next request is answered."""
    pair.requestUserAuth()
    for _ in range(6):
        askedFor(pair)
    assert pair.take() == [(USERAUTH_INFO_REQUEST, QUESTION)] * 6
    askedFor(pair)
    assert code(pair.take()[-1]) == 14


def test_no_question_that_is_abandoned_already(pair):
    """Nothing is asked of a client that has sent its next request."""
    pair.requestUserAuth().password(password=b"wrong")
    askedFor(pair)
    pair.password()
    pair.clock.advance(1)
    pair.pump.flush()
    assert pair.take() == [NO_PASSWORD, (USERAUTH_SUCCESS, b"")]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [(False, NS(b"pass")), (True, b"\0\0"), (True, LYING + b"pass"), (True, NS(b"pass") + b"\0")],
)
def test_malformed_answers(pair, asked, answer):
    """An answer that can't be read, or to nothing, ends the connection."""
    pair.requestUserAuth()
    if asked:
        askedFor(pair)
        pair.take()
    pair.send(USERAUTH_INFO_RESPONSE, struct.pack(">L", 1), answer)
    assert code(pair.take()[-1]) == 2
    assert pair.log == []


def test_gone_with_the_question(pair):
    """A client that leaves instead of answering leaves nothing behind."""
    askedFor(pair.requestUserAuth())
    with logged() as events:
        pair.lose()
        pair.clock.advance(600)
    assert [event for event in events if event["log_level"] >= LogLevel.warn] == []


def test_banner(hostKey):
    """The banner comes once, with CR LF, before the answer to the first request."""
    pair = Pair([hostKey], banner=lambda: "Grüß\nGott\r\n".encode()).requestUserAuth()
    pair.send(USERAUTH_REQUEST, NS(b"user"), NS(b"ssh-connection"), NS(b"none"))
    shown = (USERAUTH_BANNER, NS("Grüß\r\nGott\r\n".encode()) + NS(b""))
    assert pair.take() == [shown, NO_PASSWORD]
    assert pair.password().take() == [(USERAUTH_SUCCESS, b"")]


def test_password_change(pair):
    """A request to change a password is no login, even with the right one."""
    pair.requestUserAuth()
    pair.send(
        USERAUTH_REQUEST, NS(b"user"), NS(b"ssh-connection"), NS(b"password"), b"\1", NS(b"pass")
    )
    pair.clock.advance(1)
    pair.pump.flush()
    assert pair.take() == [NO_PASSWORD]


@pytest.mark.parametrize(
    ("method", "service"),
    [(b"none", b"ssh-connection"), (b"hostbased", b"ssh-connection"), (b"\xff", b"ssh-connection")]
    + [(b"password", b"ssh-userauth"), (b"password", b""), (b"publickey", b"ssh-connection")],
)
def test_not_to_be_had(pair, method, service):
    """A method or a service that is not to be had is refused, and the methods that are told."""
    data = b"" if method == b"none" else b"\0" + NS(b"pass") + NS(b"")
    pair.requestUserAuth().send(USERAUTH_REQUEST, NS(b"user"), NS(service), NS(method), data)
    pair.clock.advance(1)
    pair.pump.flush()
    assert pair.take() == [NO_PASSWORD]
    assert pair.log == []


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("ed25519", b"ssh-ed25519"), ("ecdsa", b"ecdsa-sha2-nistp256")]
    + [("rsa", b"rsa-sha2-256"), ("rsa", b"rsa-sha2-512")],
)
def test_key(keyPair, keys, kind, algorithm):
    """A listed key is known when it is offered, and is a login when it has signed."""
    key = keys[kind]
    keyPair.key(b"user", key, algorithm, signed=False)
    assert keyPair.take() == [(USERAUTH_PK_OK, NS(algorithm) + NS(key.public().blob()))]
    keyPair.key(b"user", key, algorithm)
    assert keyPair.take() == [(USERAUTH_SUCCESS, b"")]
    assert keyPair.log == [(b"user", "login")]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("user", "kind", "algorithm"),
    [(b"user", "other", None), (b"nobody", "ed25519", None), (b"", "ed25519", None)]
    + [(b"user", "rsa", b"ssh-rsa")],
)
def test_wrong_key(keyPair, keys, user, kind, algorithm, signed):
    """Another key, another user and SHA-1 get one and the same answer, signed or not."""
    keyPair.key(user, keys[kind], algorithm, signed=signed)
    assert keyPair.take() == [NO_KEY]
    assert keyPair.log == []


@pytest.mark.parametrize("signed", [False, True])
def test_dsa(hostKey, write, signed):
    """A DSA key is denied, though its user's file lists it."""
    key = Key(dsa.generate_private_key(1024))
    path = write("keys", key.public().toString("OPENSSH"))
    checker = KeyFilesChecker(str(path), b"user", inline)
    pair = Pair([hostKey], {ISSHPrivateKey: [checker]}).requestUserAuth()
    pair.key(b"user", key, b"ssh-dss", signed=signed)
    assert pair.take() == [NO_KEY]


def test_wrong_signature(keyPair, keys):
    """A signature of something else is denied."""
    keyPair.key(b"user", keys["ed25519"], data=b"something else")
    assert keyPair.take() == [NO_KEY]


def test_signed_with_another_algorithm(keyPair, keys):
    """A signature that says another algorithm than the request is denied, SHA-1 above all."""
    key = keys["rsa"]
    head = NS(b"user") + NS(b"ssh-connection") + NS(b"publickey") + b"\1"
    head += NS(b"rsa-sha2-512") + NS(key.public().blob())
    message = NS(keyPair.client.sessionID) + bytes([USERAUTH_REQUEST]) + head
    keyPair.send(USERAUTH_REQUEST, head, NS(key.sign(message, b"ssh-rsa")))
    assert keyPair.take() == [NO_KEY]


@pytest.mark.parametrize("blob", [b"", b"ssh-rsa AAAA", b"{", NS(b"ssh-ed25519") + b"x" * 9000])
def test_odd_keys(keyPair, blob):
    """What is no key blob of the type that the request says, or too long, is denied unparsed."""
    head = NS(b"user") + NS(b"ssh-connection") + NS(b"publickey") + b"\0"
    keyPair.send(USERAUTH_REQUEST, head, NS(b"ssh-ed25519"), NS(blob))
    assert keyPair.take() == [NO_KEY]


SIGNATURES = [
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"rsa-sha2-512",
    b"rsa-sha2-256",
    b"sk-ssh-ed25519@openssh.com",
    b"sk-ecdsa-sha2-nistp256@openssh.com",
]


def test_what_users_may_sign_with(pair):
    """The server tells what users may sign with, whatever its host keys are (RFC 8308)."""
    assert pair.client.peerExtensions[b"server-sig-algs"].split(b",") == SIGNATURES


AUTHORITY = PlainKey(ed25519.Ed25519PrivateKey.generate())
CERTIFIED = {
    b"ssh-ed25519-cert-v01@openssh.com": PlainKey(ed25519.Ed25519PrivateKey.generate()),
    b"ecdsa-sha2-nistp256-cert-v01@openssh.com": PlainKey(ec.generate_private_key(ec.SECP256R1())),
    b"ecdsa-sha2-nistp384-cert-v01@openssh.com": PlainKey(ec.generate_private_key(ec.SECP384R1())),
    b"ecdsa-sha2-nistp521-cert-v01@openssh.com": PlainKey(ec.generate_private_key(ec.SECP521R1())),
    b"rsa-sha2-512-cert-v01@openssh.com": PlainKey(rsa.generate_private_key(65537, 2048)),
    b"rsa-sha2-256-cert-v01@openssh.com": PlainKey(rsa.generate_private_key(65537, 2048)),
    b"sk-ssh-ed25519-cert-v01@openssh.com": SecurityKey("ed25519"),
    b"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com": SecurityKey("ecdsa"),
}


@pytest.fixture
def certificatePair(hostKey, write) -> Pair:
    path = write("ca", b"ssh-ed25519 " + base64.b64encode(AUTHORITY.blob))
    checker = CertificateChecker(str(path), inline)
    return Pair([hostKey], {ISSHPrivateKey: [checker]}).requestUserAuth()


def show(pair, algorithm, blob, key=None, signature=None):
    """Show a certificate, and sign with its key if it is given."""
    head = NS(b"user") + NS(b"ssh-connection") + NS(b"publickey") + bytes([key is not None])
    head += NS(algorithm) + NS(blob)
    if key is not None:
        message = NS(pair.client.sessionID) + bytes([USERAUTH_REQUEST]) + head
        head += NS(key.sign(message, signature))
    return pair.send(USERAUTH_REQUEST, head).take()


@pytest.mark.parametrize("algorithm", CERTIFIED)
def test_certificate(certificatePair, algorithm):
    """A certificate is known when it is offered, and is a login when its key has signed."""
    key = CERTIFIED[algorithm]
    blob = certify(key, AUTHORITY)
    plain = algorithm.replace(b"-cert-v01@openssh.com", b"")
    known = [(USERAUTH_PK_OK, NS(algorithm) + NS(blob))]
    assert show(certificatePair, algorithm, blob) == known
    assert show(certificatePair, algorithm, blob, key, plain) == [(USERAUTH_SUCCESS, b"")]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("algorithm", "signature"),
    [
        (b"ssh-rsa-cert-v01@openssh.com", b"ssh-rsa"),
        (b"ssh-rsa-cert-v01@openssh.com", b"rsa-sha2-512"),
        (b"rsa-sha2-512", b"rsa-sha2-512"),
        (b"ssh-ed25519-cert-v01@openssh.com", b"rsa-sha2-512"),
    ],
)
def test_certificate_by_another_algorithm(certificatePair, algorithm, signature, signed):
    """An algorithm that is not the certificate's is denied, and SHA-1, whatever has signed."""
    key = CERTIFIED[b"rsa-sha2-512-cert-v01@openssh.com"]
    blob = certify(key, AUTHORITY)
    answer = show(certificatePair, algorithm, blob, key if signed else None, signature)
    assert answer == [NO_KEY]


@pytest.mark.parametrize("signature", [b"ssh-rsa", b"rsa-sha2-256"])
def test_certificate_signed_with_another_algorithm(certificatePair, signature):
    """A signature that says another algorithm than the certificate's request is denied."""
    algorithm = b"rsa-sha2-512-cert-v01@openssh.com"
    key = CERTIFIED[algorithm]
    blob = certify(key, AUTHORITY)
    assert show(certificatePair, algorithm, blob, key, signature) == [NO_KEY]


@pytest.mark.parametrize("largest", [True, False])
def test_size_of_certificates(certificatePair, monkeypatch, largest):
    """A certificate may be larger than a key, and beyond its own bound reaches no checker."""
    algorithm, key = next(iter(CERTIFIED.items()))
    room = LARGEST_CERTIFICATE - len(certify(key, AUTHORITY, principals=[b"user", b""]))
    blob = certify(key, AUTHORITY, principals=[b"user", b"x" * (room + 1 - largest)])
    monkeypatch.setattr("sshecho.cred.certificate.LARGEST_CERTIFICATE", 1 << 20)
    number, _ = show(certificatePair, algorithm, blob)[0]
    assert number == (USERAUTH_PK_OK if largest else USERAUTH_FAILURE)


@pytest.mark.parametrize(
    "blob", [b"x" * 9000, b"", NS(b"sk-ssh-ed25519@openssh.com") + b"\xff" * 8]
)
@pytest.mark.parametrize("algorithm", [b"sk-ssh-ed25519@openssh.com", *CERTIFIED])
def test_odd_certificates(certificatePair, algorithm, blob):
    """What is no certificate, or a damaged one, is denied, and nothing breaks."""
    with logged() as seen:
        for shown in (blob, NS(algorithm) + blob):
            assert show(certificatePair, algorithm, shown) == [NO_KEY]
    assert not [event for event in seen if event["log_level"] > LogLevel.info]


def anonymousPair(hostKey):
    checkers = {IAnonymous: [AllowAnonymousAccess()]}
    return Pair([hostKey], checkers).requestUserAuth()


def test_anonymous(hostKey):
    """The user `anonymous` gets in with the method `none`, where that is wanted."""
    pair = anonymousPair(hostKey)
    pair.send(USERAUTH_REQUEST, NS(b"anonymous"), NS(b"ssh-connection"), NS(b"none"))
    assert pair.take() == [(USERAUTH_SUCCESS, b"")]
    assert pair.log == [(b"anonymous", "login")]


def test_not_anonymous(hostKey):
    """No other user does; and `none` is not listed as a method (RFC 4252, section 5.2)."""
    pair = anonymousPair(hostKey)
    pair.send(USERAUTH_REQUEST, NS(b"root"), NS(b"ssh-connection"), NS(b"none"))
    assert pair.take() == [(USERAUTH_FAILURE, NS(b"") + b"\0")]


def test_six_tries(pair):
    """The sixth failure ends the connection; a right password behind it does not count."""
    pair.requestUserAuth()
    for _ in range(5):
        pair.password(password=b"wrong")
        pair.clock.advance(1)
        pair.pump.flush()
        assert pair.take() == [NO_PASSWORD]
    pair.client.sendPacket(
        USERAUTH_REQUEST,
        NS(b"user") + NS(b"ssh-connection") + NS(b"password") + b"\0" + NS(b"wrong"),
    )
    pair.password()
    pair.clock.advance(1)
    pair.pump.flush()
    [packet] = pair.take()
    assert code(packet) == 14
    assert pair.log == []


def test_only_the_first_none_is_free(pair):
    """With the first `none` a client asks which methods there are; each other one is a try."""
    pair.requestUserAuth()
    for _ in range(7):
        pair.send(USERAUTH_REQUEST, NS(b"user"), NS(b"ssh-connection"), NS(b"none"))
    packets = pair.take()
    assert packets[:-1] == [NO_PASSWORD] * 6
    assert code(packets[-1]) == 14


def test_a_none_behind_a_guess_does_not_hide_it(pair):
    """Requests in one write are answered in order, and each failure counts."""
    pair.requestUserAuth()
    head = NS(b"user") + NS(b"ssh-connection")
    for _ in range(6):
        pair.client.sendPacket(USERAUTH_REQUEST, head + NS(b"password") + b"\0" + NS(b"wrong"))
        pair.client.sendPacket(USERAUTH_REQUEST, head + NS(b"none"))
    for _ in range(12):
        pair.pump.flush()
        pair.clock.advance(1)
    pair.pump.flush()
    packets = pair.take()
    assert packets[:-1] == [NO_PASSWORD] * 6
    assert code(packets[-1]) == 14


def test_many_requests_at_once(pair):
    """A flood of requests ends the connection instead of being kept."""
    pair.requestUserAuth()
    head = NS(b"user") + NS(b"ssh-connection")
    for _ in range(500):
        pair.client.sendPacket(USERAUTH_REQUEST, head + NS(b"password") + b"\0" + NS(b"wrong"))
    pair.pump.flush()
    [packet] = pair.take()
    assert code(packet) == 14
    pair.clock.advance(1)
    pair.pump.flush()
    assert pair.take() == []


@pytest.mark.parametrize("asked", [False, True])
def test_too_slow(pair, asked):
    """Who has not logged in two minutes after the connection began is disconnected."""
    pair.clock.advance(119)
    if asked:
        pair.requestUserAuth()
    pair.clock.advance(1)
    pair.pump.flush()
    [packet] = pair.take()
    assert code(packet) == 11


def test_not_too_slow(hostKey):
    """Who is in may be silent; keys are changed that something was said under, and no others."""
    pair = Pair([hostKey], limits=replace(LIMITS, keepalive=None)).login()
    before = pair.client.exchanges
    for _ in range(3):
        pair.clock.advance(3600)
        pair.pump.flush()
    assert pair.take() == []
    assert pair.client.exchanges == before + 1
    pair.send(GLOBAL_REQUEST, NS(b"keepalive@openssh.com"), b"\0")
    pair.clock.advance(3600)
    pair.pump.flush()
    assert pair.client.exchanges == before + 2
    pair.lose()
    assert pair.clock.getDelayedCalls() == []


def test_a_goodbye_that_is_not_taken(pair):
    """A client that does not take its goodbye is cut, and its time-out goes with it."""
    aborted = []
    pair.serverTCP.abortConnection = lambda: aborted.append(True)
    pair.serverTCP.loseConnection = lambda: None
    pair.server.sendDisconnect(11, b"bye")
    pair.clock.advance(4.9)
    assert not aborted
    pair.clock.advance(0.1)
    assert aborted
    assert pair.clock.getDelayedCalls() == []


def test_no_message_of_a_service_while_keys_are_exchanged(pair):
    """A client that asks for new keys and then goes on with its service is disconnected."""
    pair.login()
    pair.client.sendKexInit()
    pair.client._held = None
    pair.send(80, NS(b"keepalive@openssh.com"), b"\1")
    assert code(pair.take()[-1]) == 2


@pytest.mark.parametrize(
    ("number", "payload"),
    [(80, b""), (80, NS(b"\xff") + b"\1"), (81, b""), (91, b"\0" * 16), (92, b"\0" * 12)]
    + [(80, NS(b"x")), (80, LYING + b"x\1"), (90, LYING + b"session" + b"\1" * 12)]
    + [(90, NS(b"session")), (93, b"\0\0\0\7" * 2), (94, b"\0\0\0\7" + NS(b"x")), (97, b"\0")]
    + [
        (98, b"\0\0\0\7" + NS(b"shell") + b"\1"),
        (21, b""),
        (21, b"x"),
        (3, b""),
        (4, b""),
        (20, b""),
    ],
)
def test_messages_that_no_client_sends(pair, number, payload):
    """A message that can't be read, or means nothing here, ends the connection, logged out."""
    with logged() as seen:
        pair.login().send(number, payload)
    assert code(pair.take()[-1]) == 2
    assert not [event for event in seen if event["log_level"] > LogLevel.info]
    pair.lose()
    assert pair.log == [(b"user", "login"), (b"user", "logout")]


def test_unknown_messages(pair):
    """A message of an unknown number is answered so, and its content is not logged."""
    with logged() as seen:
        pair.send(SERVICE_REQUEST, NS(b"ssh-userauth")).send(66, b"hunter2").password()
        pair.send(19, b"hunter2")
    answers = [number for number, _ in pair.take()]
    assert answers == [6, UNIMPLEMENTED, USERAUTH_SUCCESS, UNIMPLEMENTED]
    assert "hunter2" not in repr(seen)


def test_no_new_keys(pair):
    """NEWKEYS without an exchange of keys ends the connection."""
    pair.client.sendKexInit()
    pair.send(21)
    assert code(pair.take()[-1]) == 2


def test_nothing_behind_a_goodbye(pair):
    """What comes behind a goodbye, ours or theirs, is not served, and does not put off the end."""
    pair.serverTCP.loseConnection = pair.clientTCP.loseConnection = lambda: None
    aborted = []
    pair.serverTCP.abortConnection = lambda: aborted.append(True)
    pair.requestUserAuth().send(SERVICE_REQUEST, NS(b"x"))
    assert code(pair.take()[-1]) == 7
    pair.clock.advance(4)
    pair.password().send(SERVICE_REQUEST, NS(b"x"))
    assert pair.take() == []
    assert pair.log == []
    pair.clock.advance(1)
    assert aborted


def test_a_denial_behind_a_goodbye(slow):
    """A checker that denies when the client has been told goodbye sends nothing behind it."""
    pair, checker = slow
    pair.serverTCP.loseConnection = pair.clientTCP.loseConnection = lambda: None
    pair.password().clock.advance(120)
    checker.answers[0].errback(UnauthorizedLogin())
    pair.clock.advance(1)
    pair.pump.flush()
    assert [number for number, _ in pair.take()] == [DISCONNECT]


def test_an_answer_behind_a_goodbye(slow):
    """A checker that answers when the client has been told goodbye lets nobody in."""
    pair, checker = slow
    pair.serverTCP.loseConnection = pair.clientTCP.loseConnection = lambda: None
    pair.password().clock.advance(120)
    checker.answers[0].callback(b"user")
    pair.pump.flush()
    assert [number for number, _ in pair.take()] == [DISCONNECT]
    assert pair.log == [(b"user", "login"), (b"user", "logout")]
    assert len(pair.clock.getDelayedCalls()) == 1


def test_nothing_is_left_of_a_lost_connection(pair):
    """A connection that breaks before the login leaves no time-out behind."""
    pair.requestUserAuth().lose()
    assert pair.clock.getDelayedCalls() == []


def test_logout_though_the_service_breaks(pair, monkeypatch):
    """A service that breaks as the connection ends does not keep its user logged in."""
    pair.login()

    def breaks():
        raise ZeroDivisionError

    monkeypatch.setattr(pair.server.service, "serviceStopped", breaks)
    with pytest.raises(ZeroDivisionError):
        pair.server.connectionLost()
    assert pair.log == [(b"user", "login"), (b"user", "logout")]


@pytest.mark.parametrize(
    "payload",
    [b"", b"\0\0\0", NS(b"user"), NS(b"user") + NS(b"ssh-connection") + b"\0\0"]
    + [
        NS(b"user") + NS(b"ssh-connection") + NS(method) + data
        for method, data in [
            (b"password", b"\0"),
            (b"password", b"\0" + LYING + b"pass"),
            (b"password", b"\0" + NS(b"pass") + b"\0"),
            (b"publickey", b"\1" + NS(b"ssh-ed25519") + NS(b"key")),
            (b"publickey", b"\1" + NS(b"ssh-ed25519") + NS(b"key") + LYING + b"signature"),
            (b"publickey", b"\0" + NS(b"ssh-ed25519") + NS(b"key") + NS(b"signature")),
        ]
    ],
)
def test_malformed(pair, payload):
    """A request that can't be read ends the connection with a protocol error."""
    pair.requestUserAuth().send(USERAUTH_REQUEST, payload)
    [packet] = pair.take()
    assert code(packet) == 2


@pytest.mark.parametrize("service", [b"ssh-connection", b"x", b""])
def test_services_in_their_turn(pair, service):
    """A service that is not due ends the connection."""
    pair.requestUserAuth().send(SERVICE_REQUEST, NS(service))
    [packet] = pair.take()
    assert code(packet) == 7


def test_userauth_before_each_try(pair):
    """Who asks for ssh-userauth before each try, as Paramiko does, has it; each try counts."""
    for number in range(1, 7):
        pair.requestUserAuth()
        assert pair.take() == []
        pair.password(b"user", b"wrong")
        pair.clock.advance(1)
        pair.pump.flush()
        [packet] = pair.take()
        assert packet == NO_PASSWORD if number < 6 else code(packet) == 14


@pytest.mark.parametrize("service", [b"ssh-userauth", b"ssh-connection"])
def test_no_service_twice(pair, service):
    """After the login no service can be had again, and the login is logged out once."""
    pair.login().send(SERVICE_REQUEST, NS(service))
    [packet] = pair.take()
    assert code(packet) == 7
    assert pair.lose().log == [(b"user", "login"), (b"user", "logout")]


def test_no_connection_before_the_login(pair):
    """The connection service is not to be had before the login."""
    pair.send(SERVICE_REQUEST, NS(b"ssh-connection"))
    [packet] = pair.take()
    assert code(packet) == 7


def test_no_second_login(pair):
    """A request behind a successful one is passed over, and logs nobody in."""
    pair.requestUserAuth()
    request = NS(b"user") + NS(b"ssh-connection") + NS(b"password") + b"\0" + NS(b"pass")
    for _ in range(3):
        pair.client.sendPacket(USERAUTH_REQUEST, request)
    pair.pump.flush()
    assert [number for number, _ in pair.take()] == [USERAUTH_SUCCESS]
    assert pair.lose().log == [(b"user", "login"), (b"user", "logout")]


class SlowChecker:
    """A checker that answers when the test tells it to."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self):
        self.answers = []

    def requestAvatarId(self, credentials):
        self.answers.append(Deferred())
        return self.answers[-1]


@pytest.fixture
def slow(hostKey):
    checker = SlowChecker()
    return Pair([hostKey], {IUsernamePassword: [checker]}).requestUserAuth(), checker


def test_one_after_another(slow):
    """A request waits until the one before it is answered; behind a success it is dropped."""
    pair, checker = slow
    pair.password().password().password()
    assert len(checker.answers) == 1
    checker.answers[0].callback(b"user")
    pair.pump.flush()
    assert pair.take() == [(USERAUTH_SUCCESS, b"")]
    assert len(checker.answers) == 1
    assert pair.log == [(b"user", "login")]


def test_gone_before_the_answer(slow):
    """Who leaves while a checker takes its time is never in, and the checker may stop."""
    pair, checker = slow
    with logged() as seen:
        pair.password().lose()
        assert checker.answers[0].called  # cancelled
        checker.answers[0].callback(b"user")
    pair.clock.advance(1)
    assert pair.log == []
    assert not [event for event in seen if event["log_level"] > LogLevel.info]


def test_goodbye_before_the_answer(slow):
    """Who says goodbye while a checker takes its time is logged out as soon as they are in."""
    pair, checker = slow
    pair.password().server.closing = True
    checker.answers[0].callback(b"user")
    assert pair.log == [(b"user", "login"), (b"user", "logout")]


@pytest.mark.parametrize("ending", ["lose", "disconnect", "session"])
def test_one_logout(pair, ending):
    """However a connection ends, each login has one logout."""
    pair.login()
    if ending == "disconnect":
        pair.client.sendDisconnect(11, b"bye")
        pair.pump.flush()
    elif ending == "session":
        Channel(pair).request(b"shell")
    pair.lose()
    assert pair.log == [(b"user", "login"), (b"user", "logout")]


class Careless:
    """A checker that accepts a key although nothing was signed with it."""

    credentialInterfaces = (ISSHPrivateKey,)

    def requestAvatarId(self, credentials):
        return succeed(credentials.username)


def test_an_offered_key_is_no_login(hostKey, keys):
    """A checker that accepts a key without a signature lets nobody in."""
    pair = Pair([hostKey], {ISSHPrivateKey: [Careless()]}).requestUserAuth()
    pair.key(b"user", keys["ed25519"], signed=False)
    assert pair.take() == [NO_KEY]
    assert pair.log == [(b"user", "login"), (b"user", "logout")]


def test_said_without_the_password(pair):
    """Logins and denials are said with user, method and address, and never with the password."""
    with logged() as seen:
        pair.requestUserAuth().password(b"us\x1ber", b"hunter2")
        pair.clock.advance(1)
        pair.pump.flush()
        pair.password()
    texts = [formatEvent(event) for event in seen if event["log_namespace"] == "sshecho"]
    assert [text.split(" from ")[0] for text in texts] == [
        r"ssh: 'us\x1ber' denied by password",
        "ssh: 'user' logged in by password",
    ]
    assert "hunter2" not in repr(seen)


def test_host_keys(hostKey, keys):
    """The client is offered every type of host key, ed25519 first, and never SHA-1."""
    pair = Pair([hostKey, keys["ecdsa"], keys["rsa"]])
    assert pair.server.supportedPublicKeys == (
        b"ssh-ed25519",
        b"ecdsa-sha2-nistp256",
        b"rsa-sha2-512",
        b"rsa-sha2-256",
    )
    assert getNS(pair.client.hostKey)[0] in (b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"ssh-rsa")
