"""Host keys, banners and logins of a server that misbehaves."""

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from faultypair import HOST_KEY, FaultyPair, HearingClient
from helpers import inline, logged, told
from sshpair import (
    USERAUTH_BANNER,
    USERAUTH_FAILURE,
    USERAUTH_INFO_REQUEST,
    USERAUTH_INFO_RESPONSE,
    USERAUTH_PK_OK,
    USERAUTH_REQUEST,
    USERAUTH_SUCCESS,
    Channel,
    exitStatus,
)
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import IAnonymous, ISSHPrivateKey, IUsernamePassword

from sshecho.cred.keyfiles import KeyFilesChecker
from sshecho.cred.memory import MemoryChecker
from sshecho.ssh.algorithms import COMPATIBLE


def outcomes(pair):
    """Return what the client was told since this was called last."""
    return [number for number, _ in pair.take()]


def test_deny():
    """The first logins of a server are denied, right or wrong, whatever connection they come by."""
    pair = FaultyPair("deny=3").requestUserAuth()
    with logged() as events:
        pair.password(password=b"wrong").wait(1)
        pair.password().wait(1)
        assert outcomes(pair) == [USERAUTH_FAILURE] * 2
        other = pair.another().requestUserAuth()
        other.password().wait(1)
        assert outcomes(other) == [USERAUTH_FAILURE]
        other.password()
        pair.password()
        assert outcomes(pair) == outcomes(other) == [USERAUTH_SUCCESS]
    denied = told(events, "login.denied")
    assert [event["why"] for event in denied] == ["the fault deny=3"] * 3
    assert len(told(events, "fault")) == 3


def test_deny_by_user_name():
    """By user name the first logins of each connection are denied, and the name is plain."""
    pair = FaultyPair().requestUserAuth()
    with logged() as events:
        for connection in (pair, pair.another().requestUserAuth()):
            connection.password(b"user+deny=1").wait(1)
            assert outcomes(connection) == [USERAUTH_FAILURE]
            connection.password(b"user+deny=1")
            assert outcomes(connection) == [USERAUTH_SUCCESS]
    assert {event["user"] for event in told(events, "login.denied", "login.ok")} == {"user"}


@pytest.fixture
def keyChecker(write, userKey):
    """What lets the user in with a key."""
    path = write("keys", userKey.public().toString("OPENSSH"))
    return {ISSHPrivateKey: [KeyFilesChecker(str(path), b"user", inline)]}


def test_deny_counts_no_questions(userKey, keyChecker):
    """Neither to ask for methods, nor to show a key, nor an unknown method is a login."""
    pair = FaultyPair("deny=1", checkers=keyChecker).requestUserAuth()
    for method in (b"none", b"bogus", b"hostbased"):
        pair.send(USERAUTH_REQUEST, NS(b"user"), NS(b"ssh-connection"), NS(method))
        assert outcomes(pair) == [USERAUTH_FAILURE]
    for _ in range(2):
        pair.key(b"user", userKey, signed=False)
        assert outcomes(pair) == [USERAUTH_PK_OK]
    pair.key(b"user", userKey)
    assert outcomes(pair) == [USERAUTH_FAILURE]
    pair.key(b"user", userKey)
    assert outcomes(pair) == [USERAUTH_SUCCESS]


def test_deny_counts_answers():
    """An answer to the question for the password is a login, the question is none."""
    pair = FaultyPair("deny=1").requestUserAuth()
    for outcome in (USERAUTH_FAILURE, USERAUTH_SUCCESS):
        method = NS(b"keyboard-interactive") + NS(b"") + NS(b"")
        pair.send(USERAUTH_REQUEST, NS(b"user"), NS(b"ssh-connection"), method)
        assert outcomes(pair) == [USERAUTH_INFO_REQUEST]
        pair.send(USERAUTH_INFO_RESPONSE, struct.pack(">L", 1), NS(b"pass")).wait(1)
        assert outcomes(pair) == [outcome]


def test_key_by_user_name(userKey, keyChecker):
    """Who logs in with a key signs the whole name, and is known by the plain one."""
    pair = FaultyPair(checkers=keyChecker).requestUserAuth()
    with logged() as events:
        pair.key(b"user+exit=3", userKey, signed=False)
        assert outcomes(pair) == [USERAUTH_PK_OK]
        pair.key(b"user+exit=3", userKey)
        assert outcomes(pair) == [USERAUTH_SUCCESS]
    assert [event["user"] for event in told(events, "login.ok")] == ["user"]
    channel = Channel(pair).request(b"exec", NS(b"hi"))
    assert exitStatus(3) in channel.take()


def test_key_signed_for_another_name(userKey, keyChecker):
    """What was signed for a name without the faults does not do for one with them."""
    pair = FaultyPair(checkers=keyChecker).requestUserAuth()
    algorithm, blob = userKey.sshType(), userKey.public().blob()
    signed = NS(b"user") + NS(b"ssh-connection") + NS(b"publickey") + b"\1"
    pair.key(b"user+exit=3", userKey, data=signed + NS(algorithm) + NS(blob))
    assert outcomes(pair) == [USERAUTH_FAILURE]


def test_anonymous_by_user_name():
    """Whoever shows nothing may choose faults too."""
    checkers = {IAnonymous: [AllowAnonymousAccess()]}
    pair = FaultyPair(checkers=checkers).requestUserAuth()
    pair.send(USERAUTH_REQUEST, NS(b"anonymous+exit=3"), NS(b"ssh-connection"), NS(b"none"))
    assert outcomes(pair) == [USERAUTH_SUCCESS]
    assert exitStatus(3) in Channel(pair).request(b"exec", NS(b"hi")).take()


def test_name_with_a_plus():
    """A name with a plus that no fault follows is somebody's name."""
    checkers = {IUsernamePassword: [MemoryChecker({b"a+b": b"pass"})]}
    pair = FaultyPair(checkers=checkers).requestUserAuth()
    pair.password(b"a+b+exit=3")
    assert outcomes(pair) == [USERAUTH_SUCCESS]
    assert exitStatus(3) in Channel(pair).request(b"exec", NS(b"hi")).take()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (b"exit=x", b"the fault exit=x: exit=STATUS: it is a whole number from 0 to 4294967295"),
        (b"hang=kex", b"the fault hang=kex: it comes before the user's name is known"),
        (b"slow=1+x", b"the fault x: there is no such fault; there are slow=SECONDS, "),
        (b"exit=\x1b[m", b"the fault exit=\\x1b[m: "),
    ],
)
def test_wrong_choice(chosen, said):
    """A wrong fault in the name is said by a banner, once, and whoever it is, is denied."""
    pair = FaultyPair().requestUserAuth()
    for banners in (1, 0):
        pair.password(b"user+" + chosen).wait(2).wait(2)
        packets = pair.take()
        shown = [payload for number, payload in packets if number == USERAUTH_BANNER]
        assert len(shown) == banners
        for payload in shown:
            text = getNS(payload)[0]
            assert text.startswith(said)
            assert text.endswith(b"\r\n")
            assert text.count(b"\n") == 1
        assert packets[-1][0] == USERAUTH_FAILURE
    pair.inForce.clear()
    pair.password(b"user").wait(2)
    pair.wait(2)
    assert outcomes(pair) == [USERAUTH_SUCCESS]


def test_wrong_choice_and_a_key(userKey, keyChecker):
    """With a wrong fault in the name a key is not even said to be known."""
    pair = FaultyPair(checkers=keyChecker).requestUserAuth()
    pair.key(b"user+exit=x", userKey, signed=False)
    assert outcomes(pair) == [USERAUTH_BANNER, USERAUTH_FAILURE]


def test_other_name():
    """The faults are those of the name that a client says last."""
    pair = FaultyPair().requestUserAuth()
    pair.password(b"user+exit=3", b"wrong").wait(1)
    pair.password(b"user+exit=4")
    assert outcomes(pair) == [USERAUTH_FAILURE, USERAUTH_SUCCESS]
    assert exitStatus(4) in Channel(pair).request(b"exec", NS(b"hi")).take()


def test_request_before_the_service():
    """A login request before its time is none: it chooses nothing, and the connection ends."""
    pair = FaultyPair("big-banner")
    pair.send(USERAUTH_REQUEST, NS(b"user+exit=x"))
    assert USERAUTH_BANNER not in outcomes(pair)
    assert pair.server.closing


def test_malformed_request():
    """A request whose name is cut short is the protocol's to mend, whatever faults there are."""
    pair = FaultyPair("deny=1").requestUserAuth()
    pair.send(USERAUTH_REQUEST, struct.pack(">L", 99))
    assert pair.server.closing


@pytest.mark.parametrize("size", [1, 32_000, 250_000])
def test_big_banner(size):
    """A banner of exactly that size comes before the answer to the first request, and once."""
    pair = FaultyPair(f"big-banner={size}").requestUserAuth()
    pair.client.incoming.largest = 1 << 18
    pair.password(password=b"wrong").wait(1)
    [(first, banner), (second, _)] = pair.take()
    assert (first, second) == (USERAUTH_BANNER, USERAUTH_FAILURE)
    assert len(getNS(banner)[0]) == size
    pair.password()
    assert outcomes(pair) == [USERAUTH_SUCCESS]


def test_big_banner_beside_the_usual():
    """The banner that a server has anyway is shown too."""
    pair = FaultyPair("big-banner=10", banner=lambda: b"Welcome!\n").requestUserAuth()
    pair.password()
    packets = pair.take()
    texts = [getNS(payload)[0] for number, payload in packets if number == USERAUTH_BANNER]
    assert [len(texts[0]), texts[1]] == [10, b"Welcome!\r\n"]


def test_banner_by_user_name():
    """Who asks for a big banner gets it."""
    pair = FaultyPair().requestUserAuth()
    pair.password(b"user+big-banner=77")
    [(number, banner), (success, _)] = pair.take()
    assert (number, success) == (USERAUTH_BANNER, USERAUTH_SUCCESS)
    assert len(getNS(banner)[0]) == 77


HOST_KEYS = {
    "ssh-ed25519": HOST_KEY,
    "ecdsa-sha2-nistp256": Key(ec.generate_private_key(ec.SECP256R1())),
    "ecdsa-sha2-nistp384": Key(ec.generate_private_key(ec.SECP384R1())),
    "ecdsa-sha2-nistp521": Key(ec.generate_private_key(ec.SECP521R1())),
    "rsa-sha2-512": Key(rsa.generate_private_key(65537, 2048)),
    "rsa-sha2-256": Key(rsa.generate_private_key(65537, 2048)),
}


@pytest.mark.parametrize("algorithm", HOST_KEYS)
def test_new_host_key(algorithm):
    """Another key of the same kind is shown, and the client sees it sign; it stays the same."""
    known = HOST_KEYS[algorithm]

    class Picky(HearingClient):
        supportedPublicKeys = (algorithm.encode(),)

    with logged() as events:
        pair = FaultyPair("new-host-key", hostKeys=[known], policy=COMPATIBLE, client=Picky)
    assert pair.client.secure
    assert [event["fault"] for event in told(events, "fault")] == ["new-host-key"]
    shown = pair.client.hostKey
    assert shown != known.public().blob()
    impostor = Key.fromString(shown, type="blob")
    assert (impostor.type(), impostor.size()) == (known.type(), known.size())
    assert pair.another().client.hostKey == shown
    pair.inForce.clear()
    assert pair.another().client.hostKey == known.public().blob()
    pair.begin("new-host-key")
    assert pair.another().client.hostKey == shown


def test_new_host_key_and_new_keys():
    """A connection keeps to the host key that it has shown, though the fault ends."""
    pair = FaultyPair("new-host-key").login()
    shown = pair.client.hostKey
    pair.inForce.clear()
    pair.server.rekey()
    pair.flush()
    assert pair.client.exchanges == 2
    assert pair.client.hostKey == shown
