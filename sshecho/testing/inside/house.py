"""The house: a server's parts, put together for tests, in place of `sshecho.tap`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from twisted.conch.interfaces import IConchUser
from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import IAnonymous, ISSHPrivateKey, IUsernamePassword
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorCore, IReactorTCP, IReactorTime
from twisted.internet.task import deferLater

from sshecho.cred.chain import makePortal
from sshecho.cred.keyfiles import KeyFilesChecker
from sshecho.cred.memory import MemoryChecker
from sshecho.cred.realm import Avatars, EchoAvatar, IProtocolAvatar, Realm
from sshecho.line import LineFactory
from sshecho.probe.client import probe
from sshecho.probe.hostkeys import HostKeys
from sshecho.probe.identity import Identity
from sshecho.probe.knownhosts import readKnownHosts
from sshecho.probe.sshclient import Client
from sshecho.probe.target import Target
from sshecho.service.gate import Gate
from sshecho.service.listening import AnyFactory
from sshecho.ssh.algorithms import Policy
from sshecho.ssh.avatar import SSHAvatar
from sshecho.ssh.factory import EchoSSHFactory
from sshecho.testing import oldalgorithms
from sshecho.testing.faulty.inforce import InForce, Order, checkUser
from sshecho.testing.inside.calls import Calls
from sshecho.testing.inside.dictation import Dictated
from sshecho.testing.inside.hostkeys import hostKeysFor
from sshecho.testing.inside.linedoor import SeenLine
from sshecho.testing.inside.papers import Papers, checkKey, checkName
from sshecho.testing.inside.recorder import Recorder
from sshecho.testing.inside.rules import Rules
from sshecho.testing.inside.settings import LACKING, Settings, readSettings
from sshecho.testing.inside.sshdoor import SeenConnection, SeenTransport, SeenUserAuth

_PATIENCE = 10.0
"""Seconds in which the first echo has to come."""


class House:
    """One server for tests.

    Args:
        reactor: what listens and counts time.

    Attributes:
        clock: what counts time.
        settings: how it is at present.
        inForce: its faults.
        recorder: what it has seen.
        rules: what was dictated.
        calls: has callables answer.
        papers: files for clients.
    """

    def __init__(self, reactor: IReactorCore) -> None:
        self._reactor = reactor
        self.clock = IReactorTime(reactor)
        self.settings = Settings()
        self.papers = Papers()
        self.inForce = InForce(byUserName=True)
        self.recorder = Recorder()
        self.calls = Calls(self.recorder)
        self.rules = Rules(self.clock, self.calls)
        self._passwords: dict[bytes, bytes] = {}
        self._doors: list[IListeningPort] = []
        oldalgorithms.learn()
        self._gate = Gate(self.settings.limits, self.clock)
        application = partial(Dictated, self.rules)
        avatars: Avatars = {
            IProtocolAvatar: partial(EchoAvatar, application=application),
            IConchUser: partial(SSHAvatar, application=application, greeting=self._greeting),
        }
        keys = KeyFilesChecker(self.papers.authorizedKeys)
        portal = makePortal(
            Realm(avatars),
            {
                IUsernamePassword: [MemoryChecker(self._passwords)],
                ISSHPrivateKey: [keys],
                IAnonymous: [AllowAnonymousAccess()],
            },
        )
        self._ssh = EchoSSHFactory(portal, (), self.clock, self._gate, banner=self._banner)
        self._ssh.protocol = partial(SeenTransport, self)
        self._ssh.userAuth = SeenUserAuth
        self._ssh.connection = SeenConnection
        self._line = LineFactory(portal, self.clock, self._gate)
        self._line.protocol = partial(SeenLine, self)

    def _banner(self) -> bytes:
        return self.settings.banner.encode()

    def _greeting(self) -> bytes:
        return self.settings.greeting.encode()

    async def start(
        self, host: str, port: int, line_port: int, user: str, password: str
    ) -> Mapping[str, object]:
        """Open the doors, log in, and see an echo; for the test a reset is to follow.

        Args:
            host: an address of loopback.
            port: the SSH door's port; 0 for a free one.
            line_port: the line door's, likewise.
            user: who may log in.
            password: their password.

        Returns:
            What the test has to know.

        Raises:
            ValueError: when that can't be done; the text says why.
        """
        checkUser(user)
        self._host, self._user, self._password = host, user, password
        self._port, self._linePort = port, line_port
        self.goUp()
        self.papers.writeConfiguration(host, self._port, user)
        self._apply(self.settings)
        await self._seeEcho()
        return {
            "port": self._port,
            "line_port": self._linePort,
            "private_key": str(self.papers.private_key),
            "known_hosts": str(self.papers.known_hosts),
            "ssh_config": str(self.papers.ssh_config),
            "lacking": sorted(LACKING),
        }

    def goUp(self) -> None:
        """Listen, at the ports that it had if it was up before; nothing if it is up.

        Raises:
            ValueError: when that can't be done; the text says why.
        """
        if self._doors:
            return
        try:
            self._port = self._listen("port", self._port, self._ssh)
            self._linePort = self._listen("line_port", self._linePort, self._line)
        except ValueError:
            Deferred.fromCoroutine(self._close())
            raise

    async def goDown(self) -> None:
        """Listen no more, and cut off who is here."""
        await self._close()
        await self._empty("the server is down")

    async def _close(self) -> None:
        doors, self._doors = self._doors, []
        for door in doors:
            await maybeDeferred(door.stopListening)

    def _listen(self, what: str, port: int, factory: AnyFactory) -> int:
        """Listen at a port, and return its number."""
        reactor = IReactorTCP(self._reactor)
        try:
            door = reactor.listenTCP(port, factory, backlog=128, interface=self._host)
        except CannotListenError as error:
            why = getattr(error.socketError, "strerror", None) or str(error.socketError)
            raise ValueError(f"{what}={port} at {self._host}: {why}") from None
        self._doors.append(door)
        number: int = door.getHost().port  # type: ignore[attr-defined]
        return number

    async def _seeEcho(self) -> None:
        """Log in as a client would.

        Raises:
            ValueError: when no echo comes.
        """
        target = Target("ssh", self._user, self._host, self._port)
        identity = Identity(password=self._password.encode())
        hostKeys = HostKeys(target, readKnownHosts(self.papers.known_hosts))
        report = await probe(
            target,
            TCP4ClientEndpoint(IReactorTCP(self._reactor), self._host, self._port),
            lambda attempt: Client(attempt, identity, hostKeys),
            clock=self.clock,
            seconds=time.monotonic,
            timeout=_PATIENCE,
        )
        if report.error is not None:
            raise ValueError(f"its own login failed: {report.error}")

    async def reset(self, options: Mapping[str, Any]) -> None:
        """Begin anew: have everybody leave, forget what was seen and dictated, and be as told.

        Raises:
            ValueError: when an option can't be had; then nothing has changed.
        """
        settings = readSettings(options)
        self.goUp()
        await self._empty("the next test begins")
        self.rules.clear()
        self.inForce.clear()
        self._gate.forgetTold()
        self._apply(settings)
        self.recorder.clear()

    async def _empty(self, why: str) -> None:
        """Have everybody leave, those too who have connected and are not let in yet."""
        for _ in range(2):  # and no more often: clients may come again and again
            await self._turn()
            here = set(self._gate.visits)
            for visit in here:
                if visit.guest is not None:
                    visit.guest.cut(why)
            while here & set(self._gate.visits):
                await self._turn()

    def _turn(self) -> Deferred[None]:
        """Wait until the reactor has looked at its sockets once, of which some are let in then."""
        return deferLater(self.clock, 0)

    def _apply(self, settings: Settings) -> None:
        self.settings = settings
        for fault in settings.faults:
            self.inForce.begin(Order(fault))
        self._ssh.policy = Policy(
            _names(settings.kex),
            _names(settings.ciphers),
            _names(settings.macs),
            _names(settings.host_keys),
            _names(settings.compression),
        )
        self._ssh.extensions = {b"server-sig-algs": b",".join(_names(settings.public_keys))}
        hostKeys = hostKeysFor(settings.host_keys)
        self._ssh.useHostKeys(hostKeys)
        self.papers.writeKnownHosts(self._host, self._port, [host.key for host in hostKeys])
        self._gate.limits = settings.limits
        passwords = {self._user: self._password, **settings.users}
        self._passwords.clear()
        self._passwords |= {name.encode(): word.encode() for name, word in passwords.items()}
        self.papers.forgetAuthorized()
        self._keys = {user: list(keys) for user, keys in settings.authorized_keys.items()}
        self._keys.setdefault(self._user, []).append(self.papers.publicKey)
        for name, keys in self._keys.items():
            self.papers.authorize(name, keys)

    def authorize(self, user: str, key: str) -> None:
        """Let a user log in with one more key.

        Raises:
            ValueError: when it is none, or the user can have none.
        """
        checkKey(key)
        checkName(user)
        self._keys.setdefault(user, []).append(key)
        self.papers.authorize(user, self._keys[user])


def _names(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)
