"""The chain of checkers: several stores for one kind of credentials, asked in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event

from twisted.conch.error import ValidPublicKey
from twisted.cred.checkers import ANONYMOUS, ICredentialsChecker
from twisted.cred.credentials import ICredentials
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from zope.interface import Interface, implementer

from sshecho.cred.outage import UncheckedLogin


@implementer(ICredentialsChecker)
class CheckerChain:
    """Checkers for one kind of credentials; the first that accepts wins.

    A Portal keeps one checker for each interface, and the last one registered silently wins:
    so all of a kind are joined here. A checker that breaks is logged and the next is asked;
    nobody is let in by an error.

    Args:
        interface: the kind of credentials.
        checkers: asked in this order.
    """

    _log = Logger()

    def __init__(self, interface: type[Interface], checkers: Sequence[ICredentialsChecker]) -> None:
        self.credentialInterfaces = (interface,)
        self._checkers = checkers

    def requestAvatarId(self, credentials: ICredentials) -> Deferred[bytes | tuple[()]]:
        """Return who it is.

        Args:
            credentials: what the client showed.

        Returns:
            A Deferred of the user's name, or of ANONYMOUS. It fails with UnauthorizedLogin when
            no checker accepts, and with UncheckedLogin when none could be asked; its text says
            why, and is not for the client. It fails with ValidPublicKey when the credentials are
            a key without a signature and a checker knows the key.
        """
        left = Event()

        def leave(_: object) -> None:
            left.set()
            asking.cancel()

        answer: Deferred[bytes | tuple[()]] = Deferred(leave)
        asking = Deferred.fromCoroutine(self._ask(credentials, left))
        asking.addBoth(answer.callback)
        return answer

    async def _ask(self, credentials: ICredentials, left: Event) -> bytes | tuple[()]:
        whys: dict[str, None] = {}
        checked = False
        for checker in self._checkers:
            try:
                answer = await maybeDeferred(checker.requestAvatarId, credentials)
            except ValidPublicKey:  # an UnauthorizedLogin too, but it is an answer
                raise
            except UnauthorizedLogin as error:
                whys[str(error)] = None
                checked = checked or not isinstance(error, UncheckedLogin)
                continue
            except Exception:
                if left.is_set():  # whoever wanted in has left
                    raise
                self._log.failure("{checker} broke, and lets nobody in", checker=_name(checker))
                whys["an error"] = None
                continue
            # Avatar IDs are bytes; some checkers, such as Twisted's own for unix, return str.
            avatarId = answer.encode() if isinstance(answer, str) else answer
            if avatarId == ANONYMOUS or (isinstance(avatarId, bytes) and avatarId):
                return avatarId
            self._log.error("{checker} accepted a login but names nobody", checker=_name(checker))
        why = ", ".join(filter(None, whys))
        raise UnauthorizedLogin(why) if checked else UncheckedLogin(why)


def _name(checker: object) -> str:
    return type(checker).__name__


def makePortal(
    realm: IRealm, checkers: Mapping[type[Interface], Sequence[ICredentialsChecker]]
) -> Portal:
    """Return a Portal to a realm, with a chain for each kind of credentials.

    Args:
        realm: what gives out the avatars.
        checkers: for each credentials interface its checkers, in the order to ask them.
    """
    return Portal(realm, [CheckerChain(kind, chain) for kind, chain in checkers.items()])
