"""The subsystem ``inspect``, seen by a client."""

import json
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import inline
from sshpair import DATA, FAILURE, SUCCESS, Channel, Pair, exitStatus
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.cred.credentials import ISSHPrivateKey, IUsernamePassword
from twisted.internet.address import IPv4Address

from sshecho import __version__
from sshecho.cred.identity import Identity, Terms
from sshecho.cred.keyfiles import KeyFilesChecker
from sshecho.cred.keyname import nameKey
from sshecho.cred.memory import MemoryChecker

HOST_KEY = Key(ed25519.Ed25519PrivateKey.generate())


def inspected(channel) -> dict[str, object]:
    """Ask for the subsystem; return what it says."""
    channel.take()
    packets = channel.request(b"subsystem", NS(b"inspect")).take()
    assert packets[0] == (SUCCESS, b"")
    assert packets[-3] == exitStatus()
    text = b"".join(getNS(payload)[0] for number, payload in packets if number == DATA)
    assert text.endswith((b"}\n", b"}\r\n"))
    return json.loads(text)


@pytest.fixture
def pair(write, userKey) -> Pair:
    path = write("keys", userKey.public().toString("OPENSSH"))
    return Pair(
        [HOST_KEY],
        {
            ISSHPrivateKey: [KeyFilesChecker(str(path), b"user", inline)],
            IUsernamePassword: [MemoryChecker({b"user": b"pass"})],
        },
    ).requestUserAuth()


def test_connection(pair, userKey):
    """It tells who is there, how they got in and on what; times and bytes are the server's."""
    pair.server.transport.getHost = lambda: IPv4Address("TCP", "192.0.2.1", 22)
    pair.clock.advance(2)
    pair.key(b"user", userKey)
    pair.take()
    pair.clock.advance(3.5)
    first = Channel(pair).request(b"shell")
    first.data(b"Hi").take()
    told = inspected(Channel(pair, mine=8))
    assert told["user"] == "user"
    name = {"type": "ED25519", "fingerprint": nameKey(userKey.public().blob()).fingerprint}
    assert told["authentication"] == {"method": "publickey", "key": name, "refused": []}
    assert told["version"]["client"].startswith("SSH-2.0-Twisted_")
    assert told["version"]["server"] == f"SSH-2.0-sshecho_{__version__}"
    assert told["algorithms"]["kex"] == pair.client.kexAlg.decode()
    assert told["algorithms"]["host_key"] == "ssh-ed25519"
    for what in ("cipher", "mac", "compression"):
        assert set(told["algorithms"][what]) == {"in", "out"}
    assert told["strict_kex"] is True
    assert told["extensions"]["client"] == {}
    assert told["extensions"]["server"]["server-sig-algs"].startswith("ssh-ed25519,")
    assert (told["host"], told["peer"]) == ("192.0.2.1:22", "192.0.2.2:5555")
    assert told["bytes"] == {"in": 2, "out": 2}
    assert told["time"] == {
        "connected": "1970-01-01T00:00:00.000Z",
        "logged_in": "1970-01-01T00:00:02.000Z",
        "opened": "1970-01-01T00:00:05.500Z",
        "now": "1970-01-01T00:00:05.500Z",
    }


def test_refused(pair, userKey):
    """What was refused before the login is told in order, with the keys; the question is not."""
    other = Key(ed25519.Ed25519PrivateKey.generate())
    head = NS(b"user") + NS(b"ssh-connection")
    pair.send(50, head + NS(b"none"))
    pair.key(b"user", other, signed=False)
    pair.send(50, head + NS(b"gss\x1bapi\xff" + b"x" * 100))
    pair.password(password=b"wrong")
    pair.clock.advance(1)
    pair.pump.flush()
    pair.password()
    pair.take()
    authentication = inspected(Channel(pair))["authentication"]
    fingerprint = nameKey(other.public().blob()).fingerprint
    assert authentication["refused"] == [
        {"method": "publickey", "key": {"type": "ED25519", "fingerprint": fingerprint}},
        {"method": "gss\x1bapi\ufffd" + "x" * 56, "key": None},
        {"method": "password", "key": None},
    ]
    assert (authentication["method"], authentication["key"]) == ("password", None)


def test_session(pair):
    """It tells what the session has asked for: terminal, window, environment, channel."""
    pair.password()
    pair.take()
    channel = Channel(pair, window=1 << 16, maxPacket=1 << 14)
    told = inspected(channel)
    assert (told["pty"], told["window"], told["environment"]) == (None, None, {})
    assert told["channel"] == {"window": 1 << 16, "packet": 1 << 14}
    channel = Channel(pair).request(b"env", NS(b"LANG") + NS(b"\xc3\xbc\xff\x1b"))
    modes = struct.pack(">BLB", 53, 1, 0)
    channel.request(b"pty-req", NS(b"vt100") + struct.pack(">4L", 132, 43, 1320, 860) + NS(modes))
    told = inspected(channel)
    assert told["pty"] == {"term": "vt100", "modes": {"ECHO": 1}}
    assert told["window"] == {"columns": 132, "rows": 43, "width": 1320, "height": 860}
    assert told["environment"] == {"LANG": "\u00fc\\xff\x1b"}


def test_one_program(pair):
    """It is a program like any other: there is no second one, and it is no second one."""
    pair.password()
    pair.take()
    channel = Channel(pair).request(b"shell")
    channel.take()
    assert channel.request(b"subsystem", NS(b"inspect")).take() == [(FAILURE, b"")]
    channel = Channel(pair, window=0).request(b"subsystem", NS(b"inspect"))
    channel.take()
    assert channel.request(b"shell").take() == [(FAILURE, b"")]


class Forced:
    """Lets a user in who has to run something."""

    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials):
        return Identity(b"user", Terms(command=b"forced"))


def test_forced_command():
    """Whoever has to run something else runs it here too, and learns nothing."""
    channel = Channel(Pair([HOST_KEY], {IUsernamePassword: [Forced()]}).login())
    packets = channel.request(b"subsystem", NS(b"inspect")).take()
    assert packets[:2] == [(SUCCESS, b""), (DATA, NS(b"forced\n"))]
    channel = Channel(channel.pair, mine=8).request(b"subsystem", NS(b"sftp"))
    assert channel.take() == [(FAILURE, b"")]
