"""The service that the options describe: of one process, or of a parent with workers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from signal import SIGHUP, SIGUSR2
from typing import TYPE_CHECKING, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFromThreads,
    IReactorProcess,
    IReactorTime,
)

from sshecho.people import tell
from sshecho.tap.options import DEMONSTRATION, EchoOptions, Options

if TYPE_CHECKING:
    from sshecho.service.auditlog import AuditLog
    from sshecho.service.doors import Door
    from sshecho.service.gate import Gate
    from sshecho.service.house import House
    from sshecho.service.listening import AnyFactory
    from sshecho.service.proxy import ProxyFactory
    from sshecho.tap.rooms import Rooms
    from sshecho.workers.crew import Crew


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
    from sshecho.cred.realm import Avatars
    from sshecho.service.auditlog import AuditLog
    from sshecho.service.descriptors import reserveDescriptors
    from sshecho.service.gate import Gate
    from sshecho.service.house import House
    from sshecho.service.reload import readAgain, tellAllRead
    from sshecho.service.signals import OnSignal
    from sshecho.service.welcome import welcome
    from sshecho.tap.rooms import makeRooms

    clock = IReactorTime(reactor)
    limits = reserveDescriptors(config["limits"])
    gate = Gate(limits, clock, penalizeLoopback=bool(config["penalize-loopback"]))
    audit = None if config["audit"] is None else AuditLog(config["audit"], clock)
    crew = None
    if config["workers"] is not None:
        crew = _makeCrew(config, reactor, gate, audit, inherits=console)
    others: Avatars = {}
    if config["metrics"] is not None:
        from twisted.web.resource import IResource

        from sshecho.web.door import WebDoor, pages
        from sshecho.web.overview import GateOverview

        overview = GateOverview(gate, crew)
        others = {IResource: pages(overview, clock)}
    rooms = makeRooms(config, gate, clock, others)
    if crew is None:
        doors = _doors(config, reactor, gate, rooms)
        readers = rooms.readers
    else:
        doors = crew.doors = _handingDoors(config, reactor, gate, crew)
        readers = rooms.userReaders if config["admin"] else []
    companions: list[Service] = []
    if audit is not None:
        readers.append(audit.reopen)
        companions.append(audit)
    if config["penalties"] is not None:
        from sshecho.service.sharedpenalties import sharePenalties

        companions.append(sharePenalties(config["penalties"], gate, clock))

    def announce(doors: Sequence[Door]) -> None:
        user = DEMONSTRATION if config["demonstration"] else None
        for line in welcome(doors, rooms.hostKeys, user, config["trusted-proxy"]):
            tell("{line}", line=line)
        if config["metrics"] is not None:
            tell("{line}", line=web.announcement())

    async def reload() -> None:
        read = readAgain(readers)
        if (crew is None or await crew.reload()) and read:
            tellAllRead()

    signals = IReactorFromThreads(reactor)
    companions.append(OnSignal(signals, SIGHUP, lambda: Deferred.fromCoroutine(reload())))
    replace = _noWorkers if crew is None else crew.replace
    companions.append(OnSignal(signals, SIGUSR2, replace))
    if config["metrics"] is not None:
        endpoint, admins, hosts = config["metrics"], config["admin"], config["admin-host"]
        web = WebDoor(endpoint, reactor, overview, rooms.portal, gate, admins, hosts)
        companions.append(web)
    return House(doors, gate, announce, companions, crew, reactor.stop)


def _loopbackOnly(config: Options) -> str:
    """Return why the doors may be on loopback only; empty if they may be anywhere."""
    if config["fault"]:
        return "--fault is for loopback addresses only"
    if config["demonstration"]:
        return "the demonstration login is for loopback addresses only; give --auth"
    return ""


def _noWorkers() -> None:
    tell("SIGUSR2: there are no workers to replace (--workers)")


def _doors(config: Options, reactor: IReactorCore, gate: Gate, rooms: Rooms) -> list[Door]:
    from sshecho.service.doors import Door

    def behindProxy(kind: str, factory: AnyFactory) -> ProxyFactory:
        from sshecho.service.proxy import ProxyFactory  # which few need

        return ProxyFactory(gate, IReactorTime(reactor), config["trusted-proxy"], kind, factory)

    return [
        Door(
            kind,
            endpoint,
            rooms.factories[kind],
            reactor,
            loopbackOnly=_loopbackOnly(config),
            behindProxy=behindProxy,
        )
        for kind, endpoint in config.doors()
    ]


def _handingDoors(config: Options, reactor: IReactorCore, gate: Gate, crew: Crew) -> list[Door]:
    """Return the doors of a parent: who comes in there is handed to a worker."""
    from sshecho.service.doors import Door, endpointBehindProxies, endpointKind
    from sshecho.service.listening import Listening
    from sshecho.service.proxy import enterByProxy
    from sshecho.workers.handing import Enter, Handing

    def door(number: int, kind: str, endpoint: str) -> Door:
        behind = endpointBehindProxies(endpoint)
        if behind is None:
            enter: Enter = partial(gate.enter, kind)
        else:
            enter = partial(enterByProxy, gate, config["trusted-proxy"], kind)
        listensAt = endpoint if behind is None else behind
        handing = Handing(number, enter, crew.hand, tls=endpointKind(listensAt) == "ssl")
        return Door(
            kind,
            endpoint,
            handing,
            cast(IReactorCore, Listening(reactor, lambda _: handing)),
            loopbackOnly=_loopbackOnly(config),
            behindProxy=lambda _, factory: factory,
            transport=handing.transport,
        )

    return [door(number, *each) for number, each in enumerate(config.doors())]


def _makeCrew(
    config: Options, reactor: IReactorCore, gate: Gate, audit: AuditLog | None, *, inherits: bool
) -> Crew:
    from sshecho.workers.crew import Crew

    start = {
        "arguments": config["arguments"],
        "chapter": isinstance(config, EchoOptions),
        "folder": config["folder"],
        "audited": audit is not None,
        "counted": config["metrics"] is not None,
    }
    process = IReactorProcess(reactor)
    keep = _keepNot if audit is None else audit.write
    return Crew(config["workers"], process, gate, start, keep, inherits=inherits)


def _keepNot(_: dict[str, object]) -> None:
    """Stand in for the audit log where there is none."""
