"""The login over SSH, with requests that no client should send, slow checkers, and breaks in it."""

import struct

from certificates import PlainKey, SecurityKey, certify
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fuzzing.visitor import Visitor
from fuzzmachine import (
    BY_APPLICATION,
    NO_MORE_METHODS,
    NO_SERVICE,
    PROTOCOL_ERROR,
    Long,
    Machine,
    bounded,
    lying,
    numbers,
    payloads,
    sizes,
    texts,
)
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from twisted.conch.ssh.common import NS

from sshecho.cred.authorizedkeys import AuthorizedKey
from sshecho.cred.keyoptions import KeyOptions
from sshecho.service.limits import Limits
from sshecho.ssh.algorithms import USER_ALGORITHMS
from sshecho.ssh.userauth import PASSWORD_DELAY

DISCONNECT, SERVICE_REQUEST, REQUEST, FAILURE, SUCCESS, INFO_REQUEST, INFO_RESPONSE = (
    1,
    5,
    50,
    51,
    52,
    60,
    61,
)
USER, SERVICE = NS(b"user"), NS(b"ssh-connection")

ED25519 = PlainKey(ed25519.Ed25519PrivateKey.generate())
ECDSA = PlainKey(ec.generate_private_key(ec.SECP256R1()))
RSA = PlainKey(rsa.generate_private_key(65537, 2048))
DEVICE = SecurityKey("ed25519")
AUTHORITY = PlainKey(ed25519.Ed25519PrivateKey.generate())
STRANGER = PlainKey(ed25519.Ed25519PrivateKey.generate())
LISTED = [AuthorizedKey(key.blob, KeyOptions()) for key in (ED25519, ECDSA, RSA, DEVICE)]
LISTED.append(AuthorizedKey(AUTHORITY.blob, KeyOptions(isAuthority=True)))
BLOBS = {
    "ed25519": ED25519.blob,
    "ecdsa": ECDSA.blob,
    "rsa": RSA.blob,
    "device": DEVICE.blob,
    "stranger": STRANGER.blob,
    "certificate": certify(ED25519, AUTHORITY),
    "stranger's certificate": certify(ED25519, STRANGER),
    "many principals": certify(ED25519, AUTHORITY, principals=[b"x" * 9] * 2300),
    "odd certificate": certify(ED25519, AUTHORITY, critical={b"x": b""}, extensions=b"\0\0\0\7"),
    "dsa": NS(b"ssh-dss") + NS(b"\1" * 128) * 4,
    "8 KiB": NS(b"ssh-rsa") + NS(b"\3") + NS(b"\1" * 8170),
    "more than 8 KiB": NS(b"ssh-rsa") + NS(b"\3") + NS(b"\1" * 9000),
    "no type": NS(b""),
    "a type only": NS(b"ssh-ed25519"),
}
ALGORITHMS = [*USER_ALGORITHMS, b"ssh-rsa", b"ssh-dss", b"rsa-sha2-256-cert-v00@openssh.com", b""]
METHODS = [b"none", b"password", b"publickey", b"keyboard-interactive", b"hostbased", b"gssapi"]

users = st.sampled_from([b"user", b"user", b"anonymous", b"root"]) | texts
blobs = st.sampled_from([Long(blob) for blob in BLOBS.values()]) | st.binary(max_size=80) | texts
signatures = st.sampled_from(
    [b"", NS(b"ssh-ed25519") + NS(bytes(64)), NS(b"rsa-sha2-512") + NS(b"\xff" * 256)]
)
signatures |= st.sampled_from(
    [NS(b"ecdsa-sha2-nistp256") + NS(NS(b"\xff" * 32) * 2), NS(b"ssh-rsa") + NS(b"")]
)
signatures |= (
    st.sampled_from([NS(b"sk-ssh-ed25519@openssh.com") + NS(bytes(64)) + bytes(5)]) | texts
)


class Login(Machine):
    """A client that has keys, and would log in, or not."""

    most = 1_200_000  # login requests that wait for one another

    timeOuts = frozenset([PROTOCOL_ERROR, BY_APPLICATION, NO_MORE_METHODS])
    listed = LISTED

    @initialize(slow=st.booleans())
    def begin(self, slow):
        self.slow = slow
        self.house = self.furnish()

    def arrive(self):
        self.waitUntilWelcome()
        visitor = Visitor(self.house)
        if visitor.code is None:
            visitor.requestUserAuth()
        visitor.take()
        visitor.failures = visitor.replies = visitor.asked = 0
        visitor.loginsBefore = self.house.logins
        return visitor

    def lastWords(self):
        """Return login requests of every kind."""
        self.live.asked += len(METHODS)
        heads = [USER + SERVICE + NS(method) + b"\0" for method in METHODS]
        return b"".join(self.live.packet(REQUEST, head, NS(b"pass"), NS(b"")) for head in heads)

    def act(self, codes, number, *parts):
        """Send something, for which the server may leave for one of these reasons only."""
        visitor = self.live
        gone = visitor.wire.closing
        visitor.asked += number in (REQUEST, INFO_RESPONSE)
        visitor.send(number, *parts)
        if not gone and visitor.wire.closing:
            codes = codes | {NO_MORE_METHODS}
            assert visitor.code in (codes if number != DISCONNECT else (*codes, None))
        self.read()

    def read(self):
        """See to it that the answers are no more than the questions, and the tries are limited."""
        visitor = self.live
        packets = [number for number, _ in visitor.take()]
        visitor.replies += sum(number in (FAILURE, SUCCESS, INFO_REQUEST) for number in packets)
        visitor.failures += packets.count(FAILURE)
        assert packets.count(SUCCESS) <= self.house.logins - visitor.loginsBefore <= 1
        assert visitor.replies <= visitor.asked
        assert visitor.failures <= Limits.maxAuthTries

    def request(self, user, service, method, data):
        self.act({PROTOCOL_ERROR}, REQUEST, NS(user), NS(service), NS(method), data)

    @rule(
        user=users,
        service=st.just(b"ssh-connection") | texts,
        method=st.sampled_from(METHODS) | texts,
        data=payloads,
    )
    def anyRequest(self, user, service, method, data):
        self.request(user, service, method, data)

    @rule(payload=payloads)
    def noRequest(self, payload):
        self.act({PROTOCOL_ERROR}, REQUEST, payload)

    @rule(
        user=users,
        change=st.sampled_from([b"\0", b"\0", b"\1", b"\xff", b""]),
        password=st.sampled_from([NS(b"pass"), NS(b"no"), NS(b"")]) | texts.map(NS) | lying,
        extra=st.sampled_from([b"", b"", b"\0"]) | texts.map(NS),
    )
    def password(self, user, change, password, extra):
        self.request(user, b"ssh-connection", b"password", change + password + extra)

    @rule(
        user=users,
        signed=st.sampled_from([b"\0", b"\1", b"\2", b""]),
        algorithm=st.sampled_from(ALGORITHMS) | texts,
        blob=blobs,
        signature=signatures.map(NS) | lying | st.just(b""),
    )
    def key(self, user, signed, algorithm, blob, signature):
        data = signed + NS(algorithm) + NS(blob) + signature
        self.request(user, b"ssh-connection", b"publickey", data)

    @rule(
        key=st.sampled_from([ED25519, ECDSA, RSA, DEVICE, STRANGER]),
        certificate=st.booleans(),
        spoil=st.integers(-1, 400),
    )
    def signedKey(self, key, certificate, spoil):
        """A key that has signed, though perhaps with a byte changed."""
        name = b"rsa-sha2-256" if key is RSA else key.name
        head = b"\1" + NS(name) + NS(key.blob)
        if certificate and key is ED25519:
            blob = certify(key, AUTHORITY)
            head = b"\1" + NS(b"ssh-ed25519-cert-v01@openssh.com") + NS(blob)
        head = USER + SERVICE + NS(b"publickey") + head
        message = NS(self.live.peer.sessionID) + bytes([REQUEST]) + head
        request = bytearray(head + NS(key.sign(message, name)))
        if 0 <= spoil < len(request):
            request[spoil] ^= 1
        self.act({PROTOCOL_ERROR}, REQUEST, bytes(request))

    @rule(user=users, data=st.just(NS(b"") * 2) | payloads)
    def ask(self, user, data):
        self.request(user, b"ssh-connection", b"keyboard-interactive", data)

    @rule(times=st.integers(2, 12), method=st.sampled_from([b"password", b"publickey", b"none"]))
    def guess(self, times, method):
        """Who guesses again and again has to go."""
        data = {
            b"password": b"\0" + NS(b"no"),
            b"publickey": b"\0" + NS(STRANGER.name) + NS(STRANGER.blob),
            b"none": b"",
        }
        for _ in range(times):
            self.request(b"user", b"ssh-connection", method, data[method])
            self.wait(PASSWORD_DELAY)

    @rule(
        count=st.sampled_from([0, 1, 1, 1, 2]) | sizes,
        answers=st.lists(st.just(NS(b"pass")) | texts.map(NS) | lying, max_size=3),
    )
    def respond(self, count, answers):
        self.act({PROTOCOL_ERROR}, INFO_RESPONSE, struct.pack(">L", count), *answers)

    @rule(name=st.sampled_from([b"ssh-userauth", b"ssh-connection"]) | texts)
    def service(self, name):
        self.act({PROTOCOL_ERROR, NO_SERVICE}, SERVICE_REQUEST, NS(name))

    @rule(number=numbers.filter(lambda number: number not in range(20, 50)), payload=payloads)
    def anything(self, number, payload):
        self.act({PROTOCOL_ERROR, NO_SERVICE}, number, payload)

    @rule(which=st.integers(0, 9), keys=st.booleans())
    def answer(self, which, keys):
        """A checker answers, for the client that is here or for one that has left."""
        (self.house.keys if keys else self.house.passwords).answer(which)
        self.live.settle()
        self.read()

    @rule()
    def rekey(self):
        if not self.live.wire.closing:
            self.live.rekey()


Login.TestCase.settings = bounded(150)
TestLogin = Login.TestCase
