"""LDAP, as much of it as a login needs, byte by byte."""

import pytest
from helpers import result
from pyasn1.codec.ber import encoder
from pyasn1_modules.rfc2251 import LDAPMessage
from service_identity import VerificationError
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from sshecho.cred.ldapclient import LINGER, MAX_ANSWER, LDAPClient, LDAPError, lostBecause

BIND = bytes.fromhex("301c 020101 6017 020103 0409") + b"uid=alice" + b"\x80\x07pa ss\xffx"
START_TLS = bytes.fromhex("301d 020101 7718 8016") + b"1.3.6.1.4.1.1466.20037"
UNBIND = bytes.fromhex("3005 020102 4200")
TLS = object()


class Transport(StringTransport):
    """A transport that keeps in order what is written, and where TLS begins."""

    def __init__(self) -> None:
        super().__init__()
        self.tls: list[tuple[object, bytes]] = []

    def startTLS(self, tls: object) -> None:
        self.tls.append((tls, self.value()))


def connected() -> tuple[LDAPClient, Transport]:
    client, transport = LDAPClient(), Transport()
    client.makeConnection(transport)
    return client, transport


def binding() -> tuple[LDAPClient, Transport, Deferred[str]]:
    client, transport = connected()
    return client, transport, Deferred.fromCoroutine(client.bind(b"uid=alice", b"pa ss\xffx"))


def startingTLS() -> tuple[LDAPClient, Transport, Deferred[None]]:
    client, transport = connected()
    return client, transport, Deferred.fromCoroutine(client.startTLS(TLS))


def answer(
    operation: str = "bindResponse", code: int = 0, number: int = 1, text: str = ""
) -> bytes:
    message = LDAPMessage()
    message["messageID"] = number
    response = message["protocolOp"][operation]
    response["resultCode"] = code
    response["matchedDN"] = ""
    response["errorMessage"] = text
    return encoder.encode(message)


def test_bind():
    """A bind is the bytes that RFC 4511 asks for, and nothing follows until the answer."""
    client, transport, bind = binding()
    assert transport.value() == BIND
    client.dataReceived(bytes.fromhex("300c 020101 6107 0a0100 0400 0400"))
    assert result(bind) == "success"
    assert transport.value() == BIND
    assert not transport.disconnected


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, "success"),
        (49, "invalidCredentials"),
        (53, "unwillingToPerform"),
        (14, "saslBindInProgress"),
        (123, "123"),
        (-1, "-1"),
        (256, "256"),
    ],
)
def test_result_code(code, name):
    """The name of the result code is returned, and for one without a name its number."""
    client, _, bind = binding()
    client.dataReceived(answer(code=code, text="why"))
    assert result(bind) == name


def test_long_lengths():
    """Lengths may have more bytes than they need, as Active Directory's do."""
    client, _, bind = binding()
    client.dataReceived(bytes.fromhex("308400000010 020101 618400000007 0a0131 0400 0400"))
    assert result(bind) == "invalidCredentials"


def test_in_pieces():
    """An answer that comes byte by byte is put together."""
    client, _, bind = binding()
    whole = answer(code=49, text="x" * 1000)
    for position in range(len(whole)):
        assert not bind.called
        client.dataReceived(whole[position : position + 1])
    assert result(bind) == "invalidCredentials"


@pytest.mark.parametrize("codes", [(0, 49), (49, 0)])
def test_two_answers(codes):
    """The first of two answers counts, and the second is for nobody."""
    client, _, bind = binding()
    client.dataReceived(b"".join(answer(code=code) for code in codes))
    assert result(bind) == ("invalidCredentials" if codes[0] else "success")


def test_answer_left_over():
    """What came with an earlier answer is no answer to the next question."""
    client, _, bind = binding()
    client.dataReceived(answer(code=49) + answer(code=0))
    assert result(bind) == "invalidCredentials"
    again = Deferred.fromCoroutine(client.bind(b"uid=bob", b"x"))
    client.dataReceived(answer(code=49, number=2))
    with pytest.raises(LDAPError, match=r"something else"):
        result(again)


def test_answered_unasked():
    """An answer that comes before the question is for nobody."""
    client, _ = connected()
    client.dataReceived(answer())
    bind = Deferred.fromCoroutine(client.bind(b"uid=alice", b"x"))
    assert not bind.called
    client.dataReceived(answer(code=49))
    assert result(bind) == "invalidCredentials"


@pytest.mark.parametrize(
    "wrong",
    [
        answer(number=0),
        answer(number=2),
        bytes.fromhex("300b 0200 6107 0a0100 0400 0400"),
        answer("extendedResp"),
        answer("searchResDone"),
        UNBIND.replace(b"\x02\x01\x02", b"\x02\x01\x01"),
        BIND,
    ],
)
def test_wrong_answer(wrong):
    """An answer to another question, or of another kind, lets nobody in."""
    client, _, bind = binding()
    client.dataReceived(wrong)
    with pytest.raises(
        LDAPError, match=r"^the directory answers something else than it was asked$"
    ):
        result(bind)


@pytest.mark.parametrize(
    "noise",
    [
        b"\0",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"\x30\x00",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x80" * 1000,
        bytes.fromhex("3003 020101 6107 0a0100 0400 0400"),
        bytes.fromhex("300b 020101 6106 0a00 0400 0400"),  # a result code without a byte
        bytes.fromhex("300c 020101 6107 020100 0400 0400"),
        b"\x30\x90" + b"\xff" * 16,
        b"\x30\x40\x02\x88" + b"\xff" * 8,  # which pyasn1 answers with an OverflowError
    ],
)
def test_not_ldap(noise):
    """What is not LDAP is refused, and the connection is closed."""
    client, transport, bind = binding()
    client.dataReceived(noise + bytes(100))
    with pytest.raises(LDAPError, match=r"^the answer is not LDAP$"):
        result(bind)
    assert transport.disconnected
    client.dataReceived(answer())  # what was still on the way


@pytest.mark.parametrize("size", [1000, MAX_ANSWER])
def test_too_long(size):
    """An answer over 64 KiB is refused before all of it has come, and the connection is closed."""
    client, transport, bind = binding()
    whole = answer(code=49, text="x" * MAX_ANSWER * 2)
    sent = 0
    while not bind.called:
        client.dataReceived(whole[sent : sent + size])
        sent += size
    assert MAX_ANSWER < sent <= MAX_ANSWER + size
    with pytest.raises(LDAPError, match=r"^an answer is too long$"):
        result(bind)
    assert transport.disconnected


def test_longest():
    """An answer of 64 KiB is taken."""
    client, _, bind = binding()
    short = len(answer(code=49, text="x" * 60_000))
    client.dataReceived(answer(code=49, text="x" * (60_000 + MAX_ANSWER - short)))
    assert result(bind) == "invalidCredentials"


@pytest.mark.parametrize("received", [b"", answer()[:5]])
def test_lost_while_asking(received):
    """A connection that is lost in the middle fails the bind, and says why."""
    client, _, bind = binding()
    if received:
        client.dataReceived(received)
    client.connectionLost(Failure(ConnectionLost("too bad.")))
    with pytest.raises(LDAPError, match=r"^Connection to the other side was lost.*too bad$"):
        result(bind)


def test_lost_before_asking():
    """Over a connection that is lost already nothing is asked, and it can still be closed."""
    client, transport = connected()
    client.connectionLost(Failure(ConnectionDone()))
    with pytest.raises(LDAPError, match=r"^Connection was closed cleanly$"):
        result(Deferred.fromCoroutine(client.bind(b"uid=alice", b"x")))
    client.close(Clock())
    client.abort()
    assert transport.value() == b""
    assert not transport.disconnecting  # which nobody touched


def test_reason_is_the_first():
    """What broke the connection stays the reason when it is lost in turn."""
    client, _ = connected()
    client.dataReceived(bytes(100))
    client.connectionLost(Failure(ConnectionDone()))
    with pytest.raises(LDAPError, match=r"^the answer is not LDAP$"):
        result(Deferred.fromCoroutine(client.bind(b"uid=alice", b"x")))


def test_start_tls():
    """StartTLS is asked for, TLS begins with the answer, and only then is the password sent."""
    client, transport, starting = startingTLS()
    assert (transport.value(), transport.tls) == (START_TLS, [])
    client.dataReceived(answer("extendedResp"))
    assert result(starting) is None
    assert transport.tls == [(TLS, START_TLS)]
    bind = Deferred.fromCoroutine(client.bind(b"uid=alice", b"pa ss\xffx"))
    assert transport.value() == START_TLS + BIND.replace(b"\x02\x01\x01", b"\x02\x01\x02", 1)
    client.dataReceived(answer(number=2))
    assert result(bind) == "success"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (answer("extendedResp", 2), "^StartTLS is refused: protocolError$"),
        (answer("extendedResp", 52), "^StartTLS is refused: unavailable$"),
        (answer("bindResponse"), "something else"),
        (answer("extendedResp", number=0), "something else"),
    ],
)
def test_start_tls_refused(reply, why):
    """Where StartTLS is refused there is no TLS, and an error."""
    client, transport, starting = startingTLS()
    client.dataReceived(reply)
    with pytest.raises(LDAPError, match=why):
        result(starting)
    assert (transport.value(), transport.tls) == (START_TLS, [])


@pytest.mark.parametrize("more", [b"\x30", answer(number=2), b"\x16\x03\x03"])
def test_injection(more):
    """Bytes behind the answer to StartTLS never pass for encrypted ones: TLS is not begun."""
    client, transport, starting = startingTLS()
    client.dataReceived(answer("extendedResp") + more)
    with pytest.raises(LDAPError, match=r"unencrypted"):
        result(starting)
    assert transport.tls == []


def test_empty_password():
    """An empty password, with which every bind succeeds, is not sent."""
    client, transport = connected()
    with pytest.raises(LDAPError, match=r"^an empty password is never sent$"):
        result(Deferred.fromCoroutine(client.bind(b"uid=alice", b"")))
    assert transport.value() == b""


def test_close():
    """Closing says goodbye first."""
    clock = Clock()
    client, transport, bind = binding()
    client.dataReceived(answer())
    assert result(bind) == "success"
    client.close(clock)
    assert transport.value() == BIND + UNBIND
    assert transport.disconnecting
    client.connectionLost(Failure(ConnectionDone()))
    assert clock.getDelayedCalls() == []


def test_close_without_end():
    """A directory that does not close its side is left after a while."""
    clock = Clock()
    client, transport = connected()
    client.close(clock)
    clock.advance(LINGER - 1)
    assert not transport.disconnected
    clock.advance(1)
    assert transport.disconnected


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, "None"),
        (ValueError(), "ValueError"),
        (ValueError("one\ntwo"), "one"),
        (ValueError([("SSL routines", "", "certificate verify failed")]), None),
        (ConnectionDone(), "Connection was closed cleanly"),
        (VerificationError(errors=[]), "TLS: the certificate is for another host"),
    ],
)
def test_lost_because(error, text):
    """Why a connection was lost is one line, and OpenSSL's list is put into words."""
    assert lostBecause(error) == (text or "TLS: certificate verify failed")


def test_no_secret():
    """No error holds the password, nor does the client show it."""
    client, _, bind = binding()
    client.dataReceived(bytes(100))
    with pytest.raises(LDAPError) as caught:
        result(bind)
    for shown in (str(caught.value), repr(caught.value), repr(client), repr(vars(client))):
        assert "pa ss" not in shown
