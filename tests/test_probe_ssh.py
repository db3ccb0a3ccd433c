"""A probe of the SSH door, against servers in memory."""

import struct
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from helpers import inline, logged
from probing import PASSWORD, Probing, Says, Wire, sshServer
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import IAnonymous, ISSHPrivateKey, IUsernamePassword
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from sshecho.cred.keyfiles import KeyFilesChecker
from sshecho.cred.keyname import fingerprint
from sshecho.cred.memory import MemoryChecker
from sshecho.probe.hostkeys import HostKeys
from sshecho.probe.identity import Identity
from sshecho.ssh.algorithms import MODERN

KEYS = {
    "ed25519": Key(ed25519.Ed25519PrivateKey.generate()),
    "ecdsa": Key(ec.generate_private_key(ec.SECP521R1())),
    "rsa": Key(rsa.generate_private_key(65537, 2048)),
}
HOST = KEYS["ed25519"]
WRONG = Identity(password=b"wrong")


def test_echo():
    """A password's login ends with an echo, and all that was negotiated is known."""
    report = Probing(Wire(sshServer(HOST))).report
    assert report.error is None
    attempt = report.attempt
    assert attempt.server_version.startswith("SSH-2.0-sshecho_")
    assert attempt.peer == "127.0.0.1:2222"
    assert attempt.host_key.fingerprint == fingerprint(HOST.public().blob())
    assert (attempt.host_key.type, attempt.host_key.trust) == ("ED25519", "loopback")
    assert attempt.negotiated.kex == MODERN.keyExchanges[0].decode()
    assert attempt.negotiated.host_key_algorithm == "ssh-ed25519"
    assert attempt.negotiated.cipher_out == attempt.negotiated.cipher_in == "aes256-gcm@openssh.com"
    assert attempt.negotiated.mac_out == attempt.negotiated.mac_in == "implicit"
    assert attempt.negotiated.compression_out == attempt.negotiated.compression_in == "none"
    assert attempt.auth_method == "password"
    assert list(attempt.steps) == ["tcp", "version", "kex", "auth", "echo"]


@pytest.mark.parametrize("kind", KEYS)
def test_host_keys_of_each_type(kind):
    """A server may have a host key of any type."""
    attempt = Probing(Wire(sshServer(KEYS[kind]))).report.attempt
    assert attempt.host_key.type == kind.upper()
    assert "echo" in attempt.steps


@pytest.mark.parametrize("kind", KEYS)
def test_keys(kind, write):
    """A key of each type gets in, RSA without SHA-1; with another nobody does."""
    path = write("keys", KEYS[kind].public().toString("OPENSSH"))
    server = sshServer(HOST, {ISSHPrivateKey: [KeyFilesChecker(str(path), b"user", inline)]})
    others = [key for name, key in KEYS.items() if name != kind]
    report = Probing(Wire(server), identity=Identity(keys=[*others, KEYS[kind]])).report
    assert report.error is None
    assert report.attempt.auth_method == "publickey"
    probing = Probing(Wire(server), identity=Identity(keys=others))
    assert probing.error == "denied by publickey; the server takes publickey"
    assert Probing(Wire(server)).error == "denied: the server takes publickey only"


@pytest.mark.parametrize(
    ("signature", "error"),
    [
        (NS(b"ssh-rsa"), "the key exchange failed: the host has not signed as was agreed on"),
        (NS(b"rsa-sha2-512") + NS(b"wrong"), "the key exchange failed: bad signature of the host"),
    ],
)
def test_host_that_has_not_signed(monkeypatch, signature, error):
    """A host that signs with SHA-1, or not with its key, is not believed, and gets no password."""
    monkeypatch.setattr(Key, "sign", lambda *_, **__: signature)
    server = sshServer(KEYS["rsa"])
    report = Probing(Wire(server)).report
    assert str(report.error) == error
    assert getattr(report.attempt.host_key, "trust", None) is None
    assert report.attempt.step == "kex"


def test_denied():
    """A wrong password is denied, by the server's time."""
    clock = Clock()
    probing = Probing(Wire(sshServer(HOST, clock=clock)), identity=WRONG)
    clock.advance(1)
    probing.flush()
    assert (probing.step, probing.error) == (
        "auth",
        "denied by password; the server takes password, keyboard-interactive",
    )


def test_anonymous():
    """Whoever has neither key nor password gets in by none, or is told what is wanted."""
    checkers = {IAnonymous: [AllowAnonymousAccess()]}
    server = sshServer(HOST, checkers)
    nothing = Identity()
    assert Probing(Wire(server), "anonymous@h", nothing).report.attempt.auth_method == "none"
    error = Probing(Wire(sshServer(HOST)), "anonymous@h", nothing).error
    assert error == "denied: the server takes password, keyboard-interactive only"


@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.1"])
def test_no_password_for_a_stranger(peer):
    """A host whose key is not believed gets no login at all, and no word of what we know."""
    seen, said = [], []

    class Checker(MemoryChecker):
        def requestAvatarId(self, credentials):
            seen.append(credentials)

    def build(make=sshServer(HOST, {IUsernamePassword: [Checker({})]})):  # noqa: B008
        server = make()
        server.receiveError = lambda code, why: said.append(why)
        return server

    pins = ["SHA256:" + "A" * 43] if peer == "127.0.0.1" else []
    wire = Wire(build, peer=peer)
    probing = Probing(wire, hostKeys=lambda target: HostKeys(target, pins=pins))
    assert probing.error.startswith("host key SHA256:")
    assert probing.step == "kex"
    assert probing.report.error.final
    assert probing.report.attempt.host_key.trust is None
    assert (seen, wire.server.service) == ([], None)
    assert said == [b"host key not verifiable"]


class Silent(Protocol):
    """An application that swallows all."""


class Greets(Protocol):
    """An application that greets before it echoes."""

    def connectionMade(self):
        self.transport.write(b"Welcome, stranger")

    def dataReceived(self, data):
        self.transport.write(data)


class Ends(Protocol):
    """An application that ends at once."""

    def connectionMade(self):
        self.transport.loseConnection()


class Asked:
    """A checker that never answers."""

    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials):
        return Deferred()


@pytest.mark.parametrize(
    ("server", "step", "error"),
    [
        (lambda: Says(), "version", "connected, but no SSH version came within 10 s"),
        (lambda: Says(b"SSH-2.0-x\r\n"), "kex", "the key exchange did not end within 10 s"),
        (
            sshServer(HOST, {IUsernamePassword: [Asked()]}),
            "auth",
            "no answer to the login within 10 s",
        ),
        (sshServer(HOST, application=Silent), "echo", "no echo within 10 s"),
    ],
    ids=["version", "kex", "auth", "echo"],
)
def test_nothing_hangs(server, step, error):
    """A server that falls silent at any step is given up after a while, and not before."""
    wire = Wire(server)
    probing = Probing(wire).advance(9.9)
    assert probing.report is None
    probing.advance(1.2)
    assert (probing.step, probing.error) == (step, error)
    assert wire.client.transport.disconnecting


def test_other_bytes():
    """What was not sent is no echo, wherever it stands."""
    probing = Probing(Wire(sshServer(HOST, application=Greets)))
    assert (probing.step, probing.error) == ("echo", "no echo: 17 bytes came that were not sent")


def test_a_session_that_ends():
    """A session that ends without an echo is said."""
    assert "no echo: the server " in Probing(Wire(sshServer(HOST, application=Ends))).error


@pytest.mark.parametrize(
    ("said", "step", "error"),
    [
        (
            b"HTTP/1.1 400 \x1b[2J\r\n\r\n",
            "version",
            "this is no SSH server: it says 'HTTP/1.1",
        ),
        (b"x" * 5000, "version", "this is no SSH server: it says 'xxx"),
        (b"SSH-1.5-old\r\n", "kex", "the key exchange failed: only SSH 2.0 is spoken here"),
        (b"SSH-\r\n", "kex", "the key exchange failed: only SSH 2.0 is spoken here"),
        (b"SSH-2.0-x\r\n" + b"\xff" * 64, "kex", "the key exchange failed: bad packet length"),
        (
            b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14" + b"\0" * 10,
            "kex",
            "the key exchange failed: malformed KEXINIT",
        ),
    ],
)
def test_garbage(said, step, error):
    """What is no SSH is said in one line, and logged nowhere as an error."""
    with logged() as events:
        probing = Probing(Wire(lambda: Says(said)))
    assert error in probing.error
    assert probing.step == step
    assert not [event for event in events if event.get("log_failure")]


@pytest.mark.parametrize("when", ["version", "kex", "auth"])
def test_a_server_that_goes(when):
    """A server that closes is said, with the step where it did."""
    server = {
        "version": Says,
        "kex": lambda: Says(b"SSH-2.0-x\r\n"),
        "auth": sshServer(HOST, {IUsernamePassword: [Asked()]}),
    }[when]
    wire = Wire(server)
    probing = Probing(wire)
    wire.server.transport.loseConnection()
    probing.flush()
    assert (probing.step, probing.error) == (when, "the server closed the connection")


def test_a_server_that_says_why():
    """A server's own words are in the error."""
    wire = Wire(sshServer(HOST, {IUsernamePassword: [Asked()]}))
    probing = Probing(wire)
    wire.server.sendDisconnect(11, b"going down")
    probing.flush()
    assert probing.error == "the server ended the connection: going down"


def test_new_keys():
    """A server that exchanges keys again in the middle is no trouble."""
    wire = Wire(sshServer(HOST, application=Silent))
    probing = Probing(wire)
    wire.server.sendKexInit()
    probing.flush()
    assert probing.report is None
    assert list(wire.client._attempt.steps) == ["tcp", "version", "kex", "auth"]
    assert not wire.server.exchangingKeys
    assert wire.client._attempt.host_key.trust == "loopback"


class Interactive(SSHService):
    """A server's ssh-userauth that asks questions, in the rounds that the class says."""

    name = b"ssh-userauth"
    protocolMessages: ClassVar = {50: "MSG_USERAUTH_REQUEST", 61: "MSG_USERAUTH_INFO_RESPONSE"}

    def serviceStarted(self):
        self.left = list(self.rounds)

    def ssh_USERAUTH_REQUEST(self, packet):
        if getNS(packet, 3)[2] == b"none":
            self.transport.sendPacket(53, NS(b"a banner\n") + NS(b""))
            self.transport.sendPacket(51, NS(self.methods) + b"\0")
        else:
            self.go()

    def ssh_USERAUTH_INFO_RESPONSE(self, packet):
        (count,) = struct.unpack(">L", packet[:4])
        self.answers.extend(getNS(packet[4:], count)[:-1] if count else [])
        self.go()

    def go(self):
        if self.left:
            prompts = self.left.pop(0)
            head = NS(b"name") + NS(b"do") + NS(b"") + struct.pack(">L", len(prompts))
            self.transport.sendPacket(60, head + b"".join(NS(t) + bytes([e]) for t, e in prompts))
        elif self.answers == [PASSWORD.password]:
            self.transport.loggedIn()
            self.transport.sendPacket(52, b"")
        else:
            self.transport.sendPacket(51, NS(self.methods) + b"\0")


def interactive(*rounds, methods=b"keyboard-interactive"):
    answers = []
    service = type(
        "Service", (Interactive,), {"rounds": rounds, "methods": methods, "answers": answers}
    )
    make = sshServer(HOST)

    def build():
        server = make()
        server.factory.getService = lambda transport, name: service
        return server

    wire = Wire(build)
    wire.answers = answers
    return wire


HIDDEN = (b"Password: ", False)


@pytest.mark.parametrize("rounds", [[[HIDDEN]], [[HIDDEN], []], [[], [HIDDEN]]])
def test_keyboard_interactive(rounds):
    """Where only keyboard-interactive is offered, the password answers its one hidden question."""
    wire = interactive(*rounds)
    probing = Probing(wire)
    assert wire.client._attempt.auth_method == "keyboard-interactive"
    assert wire.client._attempt.step == "echo"
    denied = Probing(interactive(*rounds), identity=WRONG)
    assert denied.error == "denied by keyboard-interactive; the server takes keyboard-interactive"
    assert probing.report is None


@pytest.mark.parametrize(
    "rounds",
    [
        [[HIDDEN], [(b"Code: ", False)]],
        [[(b"Code: ", False), HIDDEN]],
        [[(b"Code: ", True)]],
    ],
)
def test_other_questions(rounds):
    """The password is not given to a question that is shown, nor to a second one."""
    wire = interactive(*rounds)
    assert Probing(wire).error == "denied: the server asks for more than a password: 'Code:'"
    assert len(wire.answers) == len(rounds) - 1


def test_endless_questions():
    """Who asks without end is given up."""
    assert Probing(interactive(*[[]] * 50)).error == "message 60 is no answer to a login"


def test_other_methods():
    """Methods that nothing was given for are said, whatever is in their names."""
    error = Probing(interactive(methods=b"hostbased,gss\x1bapi")).error
    assert error == "denied: the server takes hostbased, gss\x1bapi only"
