"""Conch, Twisted's own: a test case for trial."""

from twisted.conch.client.knownhosts import KnownHostsFile
from twisted.conch.endpoints import SSHCommandClientEndpoint
from twisted.conch.error import HostKeyChanged
from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.python.filepath import FilePath
from twisted.trial.unittest import TestCase

import sshecho.testing


class Reader(Protocol):
    """Reads what a command says."""

    def __init__(self):
        self.said = b""
        self.ended = Deferred()

    def dataReceived(self, data):
        self.said += data

    def connectionLost(self, reason):
        self.ended.callback((self.said, reason.value))


async def run(server, command):
    """Run a command, and return what it said and how it ended."""
    endpoint = SSHCommandClientEndpoint.newConnection(
        reactor,
        command,
        server.user.encode(),
        server.host,
        server.port,
        keys=[Key.fromFile(str(server.private_key))],
        knownHosts=KnownHostsFile.fromPath(FilePath(str(server.known_hosts))),
    )
    reader = await endpoint.connect(Factory.forProtocol(Reader))
    return await reader.ended


class ConchTest(TestCase):
    """A client that runs commands."""

    timeout = 30

    def setUp(self):
        self.server = sshecho.testing.Server(ciphers=["aes128-ctr"], macs=["hmac-sha2-256"])
        self.server.start()
        self.addCleanup(self.server.close)

    async def test_command(self):
        """A command's output comes, and how it ended."""
        self.server.respond("make", stdout="cc main.c\n", exit_status=2)
        said, reason = await run(self.server, b"make")
        self.assertEqual(said, b"cc main.c\n")
        self.assertIsInstance(reason, ProcessTerminated)
        self.assertEqual(reason.exitCode, 2)
        event = await deferToThread(self.server.wait_for, "logout")  # it blocks
        self.assertEqual(event["user"], "user")

    async def test_another_host_key(self):
        """A server that is not who it was is refused."""
        self.server.misbehave("new-host-key")
        with self.assertRaises(HostKeyChanged):
            await run(self.server, b"hello")
        self.assertEqual(self.server.logins, [])
