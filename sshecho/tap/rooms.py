"""The rooms behind the doors: what the options make of them, the same in every process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from twisted.conch.interfaces import IConchUser
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime

from sshecho.cred.chain import makePortal
from sshecho.cred.files import FileChecker
from sshecho.cred.realm import Avatars, EchoAvatar, IProtocolAvatar, Realm
from sshecho.echo import Echo
from sshecho.line import LineFactory
from sshecho.service.application import loadApplication
from sshecho.service.gatekeeper import Gatekeeper
from sshecho.service.start import StartError
from sshecho.service.text import Text
from sshecho.ssh.algorithms import POLICIES
from sshecho.ssh.avatar import SSHAvatar
from sshecho.ssh.factory import EchoSSHFactory
from sshecho.ssh.hostkeys import BadHostKeyError, HostKey, loadHostKeys
from sshecho.ssh.terminal import GREETING
from sshecho.tap.options import Options

Readers = list[Callable[[], None]]
"""What reads files again; see `sshecho.service.reload`."""


@dataclass
class Rooms:
    """What stands behind the doors.

    Attributes:
        portal: where everybody logs in.
        factories: what builds the protocols, by the kind of door.
        hostKeys: those of the SSH door.
        readers: what reads files again.
        userReaders: those of them that read who may log in.
    """

    portal: Portal
    factories: dict[str, EchoSSHFactory | LineFactory]
    hostKeys: Sequence[HostKey] = ()
    readers: Readers = field(default_factory=list)
    userReaders: Readers = field(default_factory=list)


def makeRooms(
    config: Options, gate: Gatekeeper, clock: IReactorTime, others: Avatars | None = None
) -> Rooms:
    """Return what stands behind the doors.

    Args:
        config: the parsed options.
        gate: who lets connections in.
        clock: what time-outs are counted with.
        others: what else the realm has avatars for.

    Raises:
        StartError: when something that the options name can't be used.
    """
    application = Echo if config["app"] is None else loadApplication(config["app"])
    banner = Text("--banner", config["banner"], b"")
    greeting = Text("--greeting", config["greeting"], GREETING)
    avatars: Avatars = {
        IProtocolAvatar: partial(EchoAvatar, application=application),
        IConchUser: partial(SSHAvatar, application=application, greeting=greeting),
    }
    portal = makePortal(Realm({**avatars, **(others or {})}), config["credInterfaces"])

    def readHostKeys(*, make: bool) -> list[HostKey]:
        try:
            return loadHostKeys(config["host-keys"], make=make)
        except BadHostKeyError as error:
            raise StartError(f"host key {error}") from None

    rooms = Rooms(portal, {"line": LineFactory(portal, clock, gate)})
    rooms.readers += [banner.read, greeting.read]
    if config["ssh"]:
        rooms.hostKeys = readHostKeys(make=True)
        policy = POLICIES[config["algorithms"]]
        factory = EchoSSHFactory(portal, rooms.hostKeys, clock, gate, policy, banner)
        rooms.factories["ssh"] = factory
        rooms.readers.append(lambda: factory.useHostKeys(readHostKeys(make=False)))
    checkers = {id(checker): checker for checker in config["credCheckers"]}.values()
    rooms.userReaders += [each.checkFile for each in checkers if isinstance(each, FileChecker)]
    rooms.readers += rooms.userReaders
    if config["fault"]:
        from sshecho.testing.faulty import inForce, misbehave  # which few need

        misbehave(rooms.factories.values(), inForce(config["fault"]))
    if config["metrics"] is not None:  # else all this is not worth its memory
        from sshecho.web.timing import timeEchoes

        timeEchoes(rooms.factories.values())
    return rooms
