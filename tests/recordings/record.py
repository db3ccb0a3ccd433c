"""Record one key exchange by each method, and what the client took for right.

The clients are OpenSSH's `ssh` and, for what that has not, asyncssh. What is written holds a
private key that was used once, and all that the exchange's hash is made of. Run it, with the
methods to record anew, from the checkout:

    .venv/bin/python tests/recordings/record.py curve25519-sha256 mlkem768x25519-sha256
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path

import asyncssh
from asyncssh import kex_dh
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import MSG_KEX_DH_GEX_REPLY, MSG_KEXDH_REPLY
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from sshecho.ssh.packets.server import ServerTransport
from sshecho.wire import Reader

RECORDINGS = Path(__file__).with_name("keyexchanges.json")
HYBRID = "mlkem768x25519-sha256"


class Recorder(ServerTransport):
    """A server that keeps what it sees, until the client asks for a service."""

    supportedPublicKeys = (b"ssh-ed25519",)

    def _answer(self, agreement, number, packet):
        self.agreement = agreement
        self.clientShare = packet[4:]
        super()._answer(agreement, number, packet)

    def sendPacket(self, messageType, payload):
        if messageType in (MSG_KEXDH_REPLY, MSG_KEX_DH_GEX_REPLY):
            reader = Reader(payload)
            self.shownKey, self.serverShare = reader.string(), reader.string()
        super().sendPacket(messageType, payload)

    def ssh_SERVICE_REQUEST(self, packet):
        assert self.isEncrypted("both")
        self.factory.accepted = self
        self.loseConnection()


def privateKey(key):
    """Return what a private key is, as bytes."""
    if isinstance(key, X25519PrivateKey):
        return key.private_bytes_raw()
    if isinstance(key, EllipticCurvePrivateKey):
        number = key.private_numbers().private_value
    else:
        number = key.private_numbers().x
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def runSSH(port, method):
    """Let OpenSSH exchange keys."""
    options = [
        f"KexAlgorithms={method}",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
    ]
    command = ["ssh", "-F", "none", "-p", str(port), *(f"-o{option}" for option in options)]
    subprocess.run([*command, "nobody@127.0.0.1"], capture_output=True, timeout=30, check=False)


def runAsyncSSH(port, method):
    """Let asyncssh exchange keys, and return its private keys: a seed and an X25519 key."""
    runs = []

    class Kept(kex_dh._KexHybridECDH):
        def __init__(self, *args):
            super().__init__(*args)
            runs.append(self)

    name = method.encode("ascii")
    kex_dh.register_kex_alg(
        name, Kept, kex_dh.sha256, (kex_dh.MLKEM, b"mlkem768", kex_dh.Curve25519DH), True
    )

    async def connect():
        with contextlib.suppress(asyncssh.Error):  # the server leaves
            await asyncssh.connect(
                "127.0.0.1",
                port,
                kex_algs=[method],
                known_hosts=None,
                config=None,
                username="nobody",
                client_keys=None,
                agent_path=None,
            )

    asyncio.run(asyncio.wait_for(connect(), 30))
    (run,) = runs
    return [run._pq._priv_key.private_bytes_raw(), run._priv._priv_key.private_bytes_raw()]


async def record(method):
    """Return one recording."""
    factory = ServerFactory()
    factory.protocol = Recorder
    key = Key(Ed25519PrivateKey.generate())
    factory.privateKeys, factory.publicKeys = {b"ssh-ed25519": key}, {b"ssh-ed25519": key.public()}
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    run = runAsyncSSH if method == HYBRID else runSSH
    private = await deferToThread(run, port.getHost().port, method)
    await port.stopListening()
    seen = factory.accepted
    if private is None:
        private = [privateKey(seen.agreement._key)]
    return {
        "method": method,
        "side": "client" if method == HYBRID else "server",
        "private": [key.hex() for key in private],
        "versions": [seen.otherVersionString.decode(), seen.ourVersionString.decode()],
        "offers": [seen.otherKexInitPayload.hex(), seen.ourKexInitPayload.hex()],
        "hostKey": seen.shownKey.hex(),
        "group": seen._request.hex(),
        "shares": [seen.clientShare.hex(), seen.serverShare.hex()],
        "hash": seen.sessionID.hex(),
    }


async def main(methods):
    """Record, and write what was recorded in place of what there was."""
    known = json.loads(RECORDINGS.read_text()) if RECORDINGS.exists() else []
    recordings = {recording["method"]: recording for recording in known}
    for method in methods:
        recordings[method] = await record(method)
    text = json.dumps([recordings[method] for method in sorted(recordings)], indent=1)
    RECORDINGS.write_text(text + "\n")


if __name__ == "__main__":
    react(lambda _: Deferred.fromCoroutine(main(sys.argv[1:])))
