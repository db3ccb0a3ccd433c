"""The options, and the service made of them: the only place where the parts are put together."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from signal import SIGHUP, SIGUSR2
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from twisted.application.service import Service
from twisted.conch.interfaces import IConchUser
from twisted.cred.credentials import IAnonymous, ISSHPrivateKey, IUsernamePassword
from twisted.cred.strcred import (
    AuthOptionMixin,
    ICheckerFactory,
    InvalidAuthArgumentString,
    InvalidAuthType,
)
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorProcess,
    IReactorTime,
)
from twisted.python.usage import UsageError

from sshecho.cred.auth import checkerFactories, checkerFactory
from sshecho.cred.chain import makePortal
from sshecho.cred.memory import MemoryChecker
from sshecho.cred.realm import EchoAvatar, IProtocolAvatar, Realm
from sshecho.echo import Echo
from sshecho.options import Options as CommonOptions
from sshecho.people import tell
from sshecho.service.limits import limitOptions, limitsOf
from sshecho.service.start import StartError

if TYPE_CHECKING:
    from sshecho.service.auditlog import AuditLog
    from sshecho.service.doors import Door
    from sshecho.service.gate import Gate
    from sshecho.service.gatekeeper import Gatekeeper
    from sshecho.service.house import House
    from sshecho.service.listening import AnyFactory
    from sshecho.service.proxy import Network
    from sshecho.ssh.hostkeys import HostKey
    from sshecho.workers.crew import Crew
    from sshecho.workers.link import Link
    from sshecho.workers.reception import Reception

DEMONSTRATION = ("user", "pass")
"""Who gets in when there is no --auth: on loopback only, and said at the start."""

OFF = "off"

_MOST = 256  # workers


def defaultHostKeys() -> Path:
    """Return the folder of the host keys: below XDG_STATE_HOME, or what stands in for it."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # A path that is not absolute is to be ignored, says the specification.
    return Path(state if os.path.isabs(state) else "~/.local/state") / "sshecho" / "keys"


class Options(CommonOptions, AuthOptionMixin):
    """The options of `sshecho serve` and of `twistd sshecho`."""

    synopsis = "[options]"
    optParameters: ClassVar = [
        ["host-keys", None, None, "folder of the ssh_host_*_key files"],
        ["app", None, None, "MODULE:NAME, what a login gets: it returns an IProtocol"],
        ["banner", None, None, "file of what is shown before an SSH login"],
        ["greeting", None, None, "file of what an SSH session with a terminal begins with"],
        ["audit", None, None, "file of the audit log, a JSON object a line; - is standard output"],
        *limitOptions(),
    ]
    optFlags: ClassVar = [
        ["penalize-loopback", None, "let failed logins from loopback slow it down too"],
    ]
    supportedInterfaces = (IUsernamePassword, ISSHPrivateKey, IAnonymous)
    defaultSSH = "tcp:2222:interface=127.0.0.1"
    defaultLine = "tcp:8000:interface=127.0.0.1"

    @property
    def longdesc(self) -> str:
        """What the help says below the options."""
        user, password = DEMONSTRATION
        return (
            "An echo you log in to, over SSH and over a plain line protocol. Unless they are "
            f"given, --ssh is {self.defaultSSH} and --line is {self.defaultLine}. Without --auth "
            f"it is a demonstration for loopback: user {user}, password {password}."
        )

    def __init__(self) -> None:
        CommonOptions.__init__(self)
        self["ssh"] = []
        self["line"] = []
        self["algorithms"] = "modern"
        self["trusted-proxy"] = []
        self["workers"] = None
        self["folder"] = os.getcwd()  # what the arguments are relative to; twistd may change it
        self._onlyKeys = ""

    def opt_ssh(self, endpoint: str) -> None:
        """Twisted server endpoint of the SSH door; 'off' closes it; may be given again."""
        self["ssh"].append(endpoint)

    def opt_line(self, endpoint: str) -> None:
        """Twisted server endpoint of the line door; 'off' closes it; may be given again."""
        self["line"].append(endpoint)

    def opt_trusted_proxy(self, name: str) -> None:
        """Network, or address, of proxies to believe at haproxy: endpoints; may be given again."""
        try:
            self["trusted-proxy"].append(ip_network(name))
        except ValueError as error:
            raise UsageError(f"--trusted-proxy {name}: {error}") from None

    def opt_algorithms(self, name: str) -> None:
        """What the SSH door offers: 'modern' (the default), or 'compatible' with older clients."""
        from sshecho.ssh.algorithms import POLICIES

        if name not in POLICIES:
            raise UsageError(f"--algorithms {name}: it is either {' or '.join(POLICIES)}")
        self["algorithms"] = name

    def opt_workers(self, number: str) -> None:
        """How many processes serve, behind one that listens; 'auto' for as many as cores (1)."""
        if number == "auto":
            self["workers"] = len(os.sched_getaffinity(0))
            return
        if not re.fullmatch(r"[0-9]{1,3}", number, re.ASCII) or not 1 <= int(number) <= _MOST:
            raise UsageError(f"--workers {number}: it is a number from 1 to {_MOST}, or auto")
        self["workers"] = int(number) if int(number) > 1 else None

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the arguments, and keep them, for workers to parse."""
        self["arguments"] = list(sys.argv[1:] if options is None else options)
        super().parseOptions(self["arguments"])

    def opt_auth(self, spec: str) -> None:
        """A credentials checker, TYPE[:ARG]; given again, each adds to the chain."""
        authType, _, argument = spec.partition(":")
        factory = self._checkerFactory("--auth", authType)
        try:
            checker = factory.generateChecker(argument)
            self.addChecker(checker)
        except InvalidAuthArgumentString as error:
            raise UsageError(f"--auth {authType}: {error}") from None
        except Exception as error:  # a file that can't be used, or someone else's plugin
            why = str(error) or type(error).__name__
            raise StartError(f"--auth {authType}: {why}") from None
        if set(checker.credentialInterfaces) == {ISSHPrivateKey}:
            self._onlyKeys = authType

    def _checkerFactory(self, option: str, authType: str) -> ICheckerFactory:
        try:
            factory = checkerFactory(authType)
        except InvalidAuthType:
            why = "there is no such checker; --help-auth lists them"
            raise UsageError(f"{option} {authType}: {why}") from None
        if not self.supportsCheckerFactory(factory):
            raise UsageError(f"{option} {authType}: no door takes the credentials that it checks")
        return factory

    def _checkerFactoriesForOptHelpAuth(self) -> Iterator[ICheckerFactory]:
        # Twisted's would list its own beside ours of the same name.
        return (f for f in checkerFactories() if self.supportsCheckerFactory(f))

    def opt_help_auth_type(self, authType: str) -> NoReturn:
        """Show help for one checker."""
        factory = self._checkerFactory("--help-auth-type", authType)
        lines = [
            f"Usage: --auth {authType}[:ArgString]",
            f"ArgString format: {factory.argStringFormat}",
            "",
            *(f"  {line.strip()}" for line in factory.authHelp.strip().splitlines()),
            "",
        ]
        self.authOutput.write("\n".join(lines) + "\n")
        raise SystemExit(0)

    def postOptions(self) -> None:
        """Fill in what was not given."""
        for door, default in (("ssh", self.defaultSSH), ("line", self.defaultLine)):
            endpoints = self[door] or [default]
            if OFF in endpoints and set(endpoints) != {OFF}:
                raise UsageError(f"--{door}: it is either {OFF} or open")
            self[door] = [endpoint for endpoint in endpoints if endpoint != OFF]
            for endpoint in self[door]:
                self._checkProxied(door, endpoint)
        if not self["ssh"] and not self["line"]:
            raise UsageError("both doors are off: nothing to serve")
        if self._onlyKeys and not self["ssh"]:
            raise UsageError(f"--auth {self._onlyKeys}: only SSH takes keys, and --ssh is off")
        self["demonstration"] = "credCheckers" not in self
        if self["demonstration"] and self["app"] is not None:
            raise UsageError("--app: the demonstration login is for the echo only; give --auth")
        if self["demonstration"]:
            user, password = DEMONSTRATION
            self.addChecker(MemoryChecker({user.encode(): password.encode()}))
        # Absolute from the start: twistd may change the folder.
        for option in ("banner", "greeting"):
            if self[option] is not None:
                self[option] = Path(self[option]).absolute()
        folder = os.path.expanduser(self["host-keys"] or defaultHostKeys())
        if self["ssh"] and folder.startswith("~"):
            raise UsageError(f"--host-keys: there is no such home folder: {folder}")
        self["host-keys"] = Path(folder).absolute()
        self["limits"] = limitsOf(self)

    def _checkProxied(self, door: str, endpoint: str) -> None:
        from sshecho.service.doors import PROXIES, endpointKind

        if endpointKind(endpoint) != PROXIES:
            return
        behind = endpointKind(endpoint.partition(":")[2])
        why = ""
        if behind == PROXIES:
            why = "one PROXY header is enough"
        elif behind == "unix":
            why = "whoever connects there has no address that --trusted-proxy could name"
        elif not self["trusted-proxy"]:
            why = "a PROXY header from anyone would be believed; give --trusted-proxy"
        if why:
            raise UsageError(f"--{door} {endpoint}: {why}")


class EchoOptions(Options):
    """The options of the chapter's `twistd echo`: all of them, with the SSH door closed."""

    defaultSSH = OFF


Readers = list[Callable[[], None]]
"""What reads files again; see `readAgain`."""


@dataclass
class _Rooms:
    """What the options make of the doors, the same in every process.

    Attributes:
        factories: what builds the protocols, by the kind of door.
        hostKeys: those of the SSH door.
        readers: what reads files again.
    """

    factories: dict[str, AnyFactory]
    hostKeys: Sequence[HostKey]
    readers: Readers


def _doors(config: Options) -> list[tuple[str, str]]:
    """Return the kind and the endpoint of each door; its place is its number."""
    return [(kind, endpoint) for kind in ("ssh", "line") for endpoint in config[kind]]


def _makeRooms(config: Options, gate: Gatekeeper, clock: IReactorTime) -> _Rooms:
    from sshecho.cred.files import FileChecker
    from sshecho.line import LineFactory
    from sshecho.service.application import loadApplication
    from sshecho.service.text import Text
    from sshecho.ssh.algorithms import POLICIES
    from sshecho.ssh.avatar import SSHAvatar
    from sshecho.ssh.factory import EchoSSHFactory
    from sshecho.ssh.hostkeys import BadHostKeyError, loadHostKeys
    from sshecho.ssh.terminal import GREETING

    application = Echo if config["app"] is None else loadApplication(config["app"])
    banner = Text("--banner", config["banner"], b"")
    greeting = Text("--greeting", config["greeting"], GREETING)
    realm = Realm(
        {
            IProtocolAvatar: partial(EchoAvatar, application=application),
            IConchUser: partial(SSHAvatar, application=application, greeting=greeting),
        }
    )
    portal = makePortal(realm, config["credInterfaces"])

    def readHostKeys(*, make: bool) -> list[HostKey]:
        try:
            return loadHostKeys(config["host-keys"], make=make)
        except BadHostKeyError as error:
            raise StartError(f"host key {error}") from None

    rooms = _Rooms({"line": LineFactory(portal, clock, gate)}, (), [banner.read, greeting.read])
    if config["ssh"]:
        rooms.hostKeys = readHostKeys(make=True)
        policy = POLICIES[config["algorithms"]]
        factory = EchoSSHFactory(portal, rooms.hostKeys, clock, gate, policy, banner)
        rooms.factories["ssh"] = factory
        rooms.readers.append(lambda: factory.useHostKeys(readHostKeys(make=False)))
    checkers = {id(checker): checker for checker in config["credCheckers"]}.values()
    rooms.readers += [checker.checkFile for checker in checkers if isinstance(checker, FileChecker)]
    return rooms


def makeService(
    config: Options, reactor: IReactorCore | None = None, *, console: bool = False
) -> House:
    """Return the service that the options describe.

    Args:
        config: the parsed options.
        reactor: what listens and counts time; the global one if not given.
        console: whether standard error is for people, and workers share it.

    Raises:
        StartError: when a host key or an endpoint can't be used.
    """
    # twistd imports this module to parse options, before it has chosen a reactor.
    if reactor is None:
        from twisted.internet import reactor as theReactor

        reactor = IReactorCore(theReactor)
    from sshecho.service.auditlog import AuditLog
    from sshecho.service.descriptors import reserveDescriptors
    from sshecho.service.doors import Door
    from sshecho.service.gate import Gate
    from sshecho.service.house import House
    from sshecho.service.proxy import ProxyFactory
    from sshecho.service.reload import readAgain, tellAllRead
    from sshecho.service.signals import OnSignal
    from sshecho.service.welcome import welcome

    clock = IReactorTime(reactor)
    gate = Gate(
        reserveDescriptors(config["limits"]),
        clock,
        penalizeLoopback=bool(config["penalize-loopback"]),
    )
    rooms = _makeRooms(config, gate, clock)
    companions: list[Service] = []
    audit = None
    readers = rooms.readers if config["workers"] is None else []
    if config["audit"] is not None:
        audit = AuditLog(config["audit"], clock)
        readers.append(audit.reopen)
        companions.append(audit)
    door = partial(Door, loopbackOnly=config["demonstration"])
    trusted = config["trusted-proxy"]
    crew = None
    if config["workers"] is None:
        doors = [
            door(
                kind,
                endpoint,
                rooms.factories[kind],
                reactor,
                behindProxy=partial(ProxyFactory, gate, clock, trusted),
            )
            for kind, endpoint in _doors(config)
        ]
        replace = _noWorkers
    else:
        crew = _makeCrew(config, reactor, gate, audit, inherits=console)
        doors = [
            _handingDoor(door, kind, number, endpoint, trusted, reactor, gate, crew)
            for number, (kind, endpoint) in enumerate(_doors(config))
        ]
        crew.doors = doors
        replace = crew.replace

    def announce(doors: Sequence[Door]) -> None:
        user = DEMONSTRATION if config["demonstration"] else None
        for line in welcome(doors, rooms.hostKeys, user, config["trusted-proxy"]):
            tell("{line}", line=line)

    async def reload() -> None:
        read = readAgain(readers)
        if (crew is None or await crew.reload()) and read:
            tellAllRead()

    signals = IReactorFromThreads(reactor)
    companions.append(OnSignal(signals, SIGHUP, lambda: Deferred.fromCoroutine(reload())))
    companions.append(OnSignal(signals, SIGUSR2, replace))
    return House(doors, gate, announce, companions, crew, reactor.stop)


def _noWorkers() -> None:
    tell("SIGUSR2: there are no workers to replace (--workers)")


# Several processes: what the parent and the workers make of the same options.


def _makeCrew(
    config: Options, reactor: IReactorCore, gate: Gate, audit: AuditLog | None, *, inherits: bool
) -> Crew:
    from sshecho.workers.crew import Crew

    options = {
        "arguments": config["arguments"],
        "chapter": isinstance(config, EchoOptions),
        "folder": config["folder"],
        "audited": audit is not None,
    }

    def audited(record: dict[str, object]) -> None:
        if audit is not None:
            audit.write(record)

    return Crew(
        config["workers"],
        IReactorProcess(reactor),
        gate,
        lambda: options,
        audited,
        inherits=inherits,
    )


def _handingDoor(
    door: Callable[..., Door],
    kind: str,
    number: int,
    endpoint: str,
    trusted: Sequence[Network],
    reactor: IReactorCore,
    gate: Gate,
    crew: Crew,
) -> Door:
    """Return a door of the parent's: who comes in there is handed to a worker."""
    from sshecho.service.doors import PROXIES, endpointKind
    from sshecho.service.listening import Listening
    from sshecho.service.proxy import enterByProxy
    from sshecho.workers.handing import Handing

    proxied = endpointKind(endpoint) == PROXIES
    tls = endpointKind(endpoint.partition(":")[2] if proxied else endpoint) == "ssl"
    enter = partial(enterByProxy, gate, trusted, kind) if proxied else partial(gate.enter, kind)
    handing = Handing(number, enter, crew.hand, tls=tls)
    return door(
        kind,
        endpoint,
        handing,
        Listening(reactor, lambda _: handing),
        behindProxy=lambda _, factory: factory,
        transport=handing.transport,
    )


def makeReception(
    start: Mapping[str, Any], link: Link, reactor: IReactorCore, done: Callable[[], None]
) -> tuple[Reception, Readers]:
    """Return a worker's reception.

    Args:
        start: what the parent says of the options.
        link: to the parent.
        reactor: what runs the worker.
        done: called once no connection is left and none will come.

    Returns:
        The reception, and what reads files again.

    Raises:
        StartError: when something that the options name can't be used.
    """
    from sshecho.cred.threads import shareCores
    from sshecho.service.proxy import ProxyFactory
    from sshecho.workers.behind import behind
    from sshecho.workers.reception import Reception

    config = EchoOptions() if start["chapter"] else Options()
    try:
        config.parseOptions(start["arguments"])
    except UsageError as error:
        raise StartError(str(error)) from None
    shareCores(config["workers"])
    reception = Reception(link, config["limits"], IReactorFDSet(reactor), done)
    clock = IReactorTime(reactor)
    rooms = _makeRooms(config, reception, clock)
    reception.factories = [
        behind(
            endpoint,
            rooms.factories[kind],
            partial(ProxyFactory, reception, clock, config["trusted-proxy"], kind),
            reactor,
        )
        for kind, endpoint in _doors(config)
    ]
    return reception, rooms.readers
