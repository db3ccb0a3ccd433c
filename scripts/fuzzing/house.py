"""Both doors in memory, over one portal and one clock, with all who went in and out counted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.keys import Key
from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import IAnonymous, ISSHPrivateKey, IUsernamePassword
from twisted.internet.task import Clock

from fuzzing.checkers import Checker, checkKey, checkPassword
from sshecho.cred.authorizedkeys import AuthorizedKey
from sshecho.cred.chain import makePortal
from sshecho.cred.realm import EchoAvatar, IProtocolAvatar, Realm
from sshecho.echo import Echo
from sshecho.line import LineFactory
from sshecho.service.gate import Gate
from sshecho.service.limits import Limits
from sshecho.ssh.algorithms import COMPATIBLE
from sshecho.ssh.avatar import SSHAvatar
from sshecho.ssh.factory import EchoSSHFactory
from sshecho.ssh.hostkeys import HostKey

HOST_KEY = HostKey(Path(), Key(Ed25519PrivateKey.generate()))
LIMITS = Limits()


class Ticking(Clock):
    """A clock that goes on by itself, as it does for whoever works.

    Args:
        tick: seconds from one look at it to the next.
    """

    def __init__(self, tick: float) -> None:
        super().__init__()
        self._tick = tick

    def seconds(self) -> float:
        """Return the time."""
        self.rightNow += self._tick
        return self.rightNow


class House:
    """The doors, and who is in: the demonstration's user, by password or key, and anonymous.

    Args:
        keys: the user's.
        limits: what clients may ask for.
        tick: how fast time goes by while something is done, as `Ticking` has it.

    Attributes:
        clock: what time is told by.
        gate: who may come in.
        passwords, keys: what checks them.
        ssh, line: the factories of the doors.
        logins, logouts: how many there were.
    """

    def __init__(
        self, keys: Sequence[AuthorizedKey] = (), limits: Limits = LIMITS, tick: float = 0.0
    ) -> None:
        self.clock = Ticking(tick)
        self.gate = Gate(limits, self.clock)
        self.logins = self.logouts = 0
        realm = Realm(
            {
                IConchUser: partial(self._entered, SSHAvatar),
                IProtocolAvatar: partial(self._entered, EchoAvatar),
            }
        )
        self.passwords = Checker(IUsernamePassword, checkPassword)
        self.keys = Checker(ISSHPrivateKey, partial(checkKey, keys))
        portal = makePortal(
            realm,
            {
                IUsernamePassword: [self.passwords],
                ISSHPrivateKey: [self.keys],
                IAnonymous: [AllowAnonymousAccess()],
            },
        )
        self.ssh = EchoSSHFactory(
            portal, [HOST_KEY], self.clock, self.gate, COMPATIBLE, lambda: b"Welcome.\n"
        )
        self.line = LineFactory(portal, self.clock, self.gate)

    def _entered(self, kind: type[SSHAvatar | EchoAvatar], user: bytes) -> SSHAvatar | EchoAvatar:
        self.logins += 1
        avatar = kind(user, Echo)
        avatar.logout = self._left  # type: ignore[method-assign]
        return avatar

    def _left(self) -> None:
        self.logouts += 1

    def checkEmpty(self) -> None:
        """See to it that nothing is left of connections that are gone.

        Raises:
            AssertionError: when something is.
        """
        self.clock.advance(0)
        assert self.logins == self.logouts
        assert not self.gate._visits
        assert not self.gate._startups
        told = [told.timer for told in self.gate._told.values()]
        left = [call for call in self.clock.getDelayedCalls() if call not in told]
        assert not left, left
