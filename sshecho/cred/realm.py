"""The realm: gives each login an avatar behind the interface that its door asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol as Structure
from typing import cast

from twisted.cred.checkers import ANONYMOUS
from twisted.cred.portal import IRealm
from twisted.internet.interfaces import IProtocol
from zope.interface import Attribute, Interface, implementer

Application = Callable[[], IProtocol]
"""What a login gets: called once a session, returns the protocol that runs in it."""

ANONYMOUS_USER = b"anonymous"
"""The user name of an anonymous login, and the only one that may log in so."""


class IProtocolAvatar(Interface):
    """The avatar of a login at a plain protocol's door: it acts for one user."""

    user: bytes = Attribute("The user's name, as the checker that let them in has it.")

    def application() -> IProtocol:
        """Return the protocol that runs in a new session of this user."""

    def logout() -> None:
        """Let go of what this login holds; called once, when the connection has ended."""


class Avatar(Structure):
    """What the realm asks of every avatar, whatever its interface."""

    def logout(self) -> None:
        """Let go of what this login holds; called once, when the connection has ended."""


@implementer(IProtocolAvatar)
class EchoAvatar:
    """The avatar of one login.

    Attributes:
        user: the user's name.
        application: returns the protocol that runs in a new session.
    """

    def __init__(self, user: bytes, application: Application) -> None:
        self.user = user
        self.application = application

    def logout(self) -> None:
        """Nothing to let go of: an echo keeps nothing."""


Avatars = Mapping[type[Interface], Callable[[bytes], Avatar]]
"""For each interface that a door may ask for, what makes its avatar: a callable of the user's
name."""


@implementer(IRealm)
class Realm:
    """Makes avatars.

    Args:
        avatars: all that it has.
    """

    def __init__(self, avatars: Avatars) -> None:
        self._avatars = avatars

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface]
    ) -> tuple[type[Interface], Avatar, Callable[[], None]]:
        """Return the avatar of a user who has been let in.

        Args:
            avatarId: the user's name, with or without terms (`sshecho.cred.identity`), or
                ANONYMOUS.
            mind: not used.
            interfaces: what the door can talk to; the first that is known here is taken.

        Returns:
            The interface, the avatar that provides it, and its logout.

        Raises:
            NotImplementedError: when none of the interfaces is known here.
        """
        user = ANONYMOUS_USER if avatarId == ANONYMOUS else cast(bytes, avatarId)
        for interface in interfaces:
            if interface in self._avatars:
                avatar = self._avatars[interface](user)
                return interface, avatar, avatar.logout
        asked = ", ".join(i.__name__ for i in interfaces) or "no interface at all"
        known = ", ".join(i.__name__ for i in self._avatars)
        raise NotImplementedError(f"This realm has avatars for {known}, not for {asked}.")
