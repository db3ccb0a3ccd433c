"""The visit: one connection as the whole server sees it, from accept to close."""

from __future__ import annotations

import secrets
from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final
from typing import Protocol as Structure

from twisted.internet.interfaces import IAddress

from sshecho.addresses import plainAddress
from sshecho.cred.keyname import KeyName
from sshecho.people import because, escape, peerName, plainName, userName
from sshecho.service.events import happened
from sshecho.service.penalties import GUESS, OFFER, PENALIZED
from sshecho.service.turns import Turns

if TYPE_CHECKING:
    from sshecho.service.gatekeeper import Gatekeeper

MOST_REFUSALS: Final = 100
"""Refused requests of a connection that are told of one by one; the rest are counted."""

_NO_GUESS = ("publickey", "none")
_LONGEST: Final = 1024  # characters of what a client said, where it is kept


class Guest(Structure):
    """A connection as its visit sees it."""

    def leave(self) -> None:
        """Give the client all that it is owed, then say that the server ends, and close."""

    def cut(self, why: str) -> None:
        """Close at once; it is said why, to a client that can hear it."""

    def evict(self, why: str) -> None:
        """Close at once to make room, unless a user has logged in meanwhile."""

    def dismiss(self, why: str) -> None:
        """Say why, and close once that has gone out."""

    def dataSoFar(self) -> tuple[int, int]:
        """Return how many bytes of data its sessions got so far, and how many they sent."""


class Visit:
    """One connection: what limits count it for, and what is told of it.

    Args:
        gate: who counts it.
        door: ``"ssh"`` or ``"line"``.
        address: the client's.
        source: what its limits and penalties are counted for; see `sourceOf`.
        now: when it was accepted, in seconds since 1970.
        id: its name in the audit log; a new one if not given.

    Attributes:
        id: its name in the audit log.
        address: the client's.
        host: the address that the client connected to, where its transport does not know it.
        measures: where what happens is counted and timed.
        peer: the client's ``address:port``.
        source: what its limits and penalties are counted for.
        turns: where dear work of its waits for its turn.
        begun: whether it has been told of; so its end is, too.
        hasLoggedIn: whether a user is in, or was.
        name: who logged in, as people write it.
        user: who logged in, as the audit log has it; None for nobody yet.
        why: why it ends, once that is known.
    """

    __slots__ = (
        "_counted",
        "_gate",
        "_offers",
        "_reached",
        "_refusals",
        "address",
        "begun",
        "door",
        "guest",
        "hasLoggedIn",
        "host",
        "id",
        "measures",
        "name",
        "peer",
        "since",
        "source",
        "user",
        "why",
    )

    def __init__(
        self,
        gate: Gatekeeper,
        door: str,
        address: IAddress | None,
        source: str,
        now: float,
        id: str | None = None,  # noqa: A002 - as the audit log calls it
    ) -> None:
        self._gate = gate
        self.measures = gate.measures
        self.since = now
        self._offers = 0
        self._refusals = 0
        self._counted = (0, 0)  # bytes of data, received and sent, that the measures have
        self._reached: tuple[str, ...] = ()
        self.id = id or secrets.token_hex(6)
        self.door = door
        self.isFrom(address, source)
        self.host: IAddress | None = None
        self.begun = False
        self.guest: Guest | None = None
        self.hasLoggedIn = False
        self.name = "somebody"
        self.user: str | None = None
        self.why = ""

    def isFrom(self, address: IAddress | None, source: str) -> None:
        """Keep where the client is."""
        self.address = address
        self.peer = peerName(address)
        self.source = source

    async def comesFrom(self, address: IAddress) -> str:
        """Have it counted for the client that a proxy says it is of; nothing is told before.

        Returns:
            Why that one may not come in, or empty text.
        """
        return await self._gate.move(self, address)

    @property
    def graceLeft(self) -> float:
        """Seconds that are left of the time to log in."""
        return max(0.0, self.since + self._gate.limits.loginGrace - self._gate.seconds())

    def begin(self, guest: Guest) -> None:
        """Tell that the client is here.

        Args:
            guest: the connection.
        """
        self.guest = guest
        self.measures.count("connections", (self.door,))
        self.begun = True
        self._gate.begun(self)
        self.tell("connection.open", f"connected from {self.peer}")

    def tell(self, event: str, text: str, /, **fields: object) -> None:
        """Tell of an event of this connection; see `happened`."""
        happened(
            event,
            f"{self.door}: {text}",
            door=self.door,
            connection=self.id,
            peer=self.peer,
            **fields,
        )

    def secured(self) -> None:
        """Measure how long it took to agree on keys."""
        seconds = max(0.0, self._gate.seconds() - self.since)  # a clock may be set back
        self.measures.observe("handshake", (self.door,), seconds)

    def opened(self, text: str, **asked: str) -> None:
        """Tell of a session's begin.

        Args:
            text: what began, for people.
            asked: the `request` that opened it, and what belongs to that.
        """
        self.measures.count("sessions", (self.door, asked["request"]))
        self.tell("session.open", text, **asked)

    def countData(self) -> None:
        """Have the measures count what the sessions have carried since this was last called."""
        if self.guest is not None:
            self._count(*self.guest.dataSoFar())

    def _count(self, received: int, sent: int) -> None:
        (receivedBefore, sentBefore), self._counted = self._counted, (received, sent)
        self.measures.count("bytes", (self.door, "received"), received - receivedBefore)
        self.measures.count("bytes", (self.door, "sent"), sent - sentBefore)

    @property
    def turns(self) -> Turns:
        """Where dear work waits for its turn."""
        return self._gate.turns

    @property
    def mayTry(self) -> bool:
        """Whether a login from here is looked at, after the failed ones that came before."""
        gate = self._gate
        if not gate.penalties.wait(self.source, gate.seconds()):
            return True
        gate.reached("penalties", self.source, PENALIZED)
        return False

    def denied(
        self,
        user: bytes | None,
        method: str,
        why: str,
        key: KeyName | None = None,
        *,
        checked: bool = True,
    ) -> None:
        """Tell of a failed try, and count it.

        What is no guess, such as the keys that an agent offers, counts only when no login follows.

        Args:
            user: who the client said it is; None when that may be something else.
            method: how it tried, such as ``"password"``.
            why: why it failed, which is nobody's business but ours.
            key: what it showed.
            checked: whether it was looked at; what was not says nothing of the client.
        """
        if method in _NO_GUESS:
            self._offers += checked
        elif checked:
            self._gate.failed(self, GUESS)
        result = "denied" if checked else "unchecked"
        self.measures.count("logins", (self.door, method, result))
        name = "somebody" if user is None else userName(user)
        text = f"{name} denied by {method} from {self.peer}{because(why)}"
        more = {} if checked else {"checked": False}
        self.tell("login.denied", text, **loginFields(user, method, key), why=escape(why), **more)

    def entered(self, user: bytes, method: str, key: KeyName | None = None) -> None:
        """Tell of a login."""
        self.measures.count("logins", (self.door, method, "ok"))
        self.belongsTo(userName(user), plainName(user))
        self._gate.loggedIn(self)
        text = f"{self.name} logged in by {method} from {self.peer}"
        self.tell("login.ok", text, **loginFields(user, method, key))

    def belongsTo(self, name: str, user: str) -> None:
        """Keep who has logged in.

        Args:
            name: the user, as people write it.
            user: the user, as the audit log has it.
        """
        self.name, self.user = name, user
        self.hasLoggedIn = True

    def loggedOut(self) -> None:
        """Tell of a logout, of which there is one for each login."""
        self.tell("logout", f"{self.name} logged out from {self.peer}", user=self.user)

    def refused(self, what: str) -> None:
        """Tell of a request that is not granted here, unless there were too many.

        Args:
            what: what was asked for.
        """
        self._refusals += 1
        self.measures.count("requests_refused", (self.door,))
        if self._refusals <= MOST_REFUSALS:
            what = escape(what[:_LONGEST])
            text = f"{self.name} was refused {what} from {self.peer}"
            self.tell("request.refused", text, request=what)

    def reached(self, limit: str, text: str) -> None:
        """Tell that this connection has reached a limit of its own, once for each.

        Args:
            limit: the option that sets it, without its dashes.
            text: what happened, for people.
        """
        self.measures.count("limits", (limit,))
        if limit not in self._reached:
            self._reached += (limit,)
            self.tell("limit.reached", f"{self.peer}: {text} (--{limit})", limit=limit)

    def broke(self, why: str) -> None:
        """Tell that the client broke the protocol.

        Args:
            why: how.
        """
        why = escape(why)
        self.measures.count("protocol_errors", (self.door,))
        self.ends(why)
        self.tell("protocol.error", f"{self.peer} broke the protocol: {why}", why=why)

    def ends(self, why: str) -> None:
        """Keep why the connection ends; the first word counts."""
        self.why = self.why or escape(why[:_LONGEST])

    def end(self, received: int, sent: int) -> None:
        """Tell that the connection has ended, if it was told of, and count it no more.

        Args:
            received: bytes of data that its sessions got.
            sent: bytes of data that they sent.
        """
        self._count(received, sent)
        if self.begun:
            self._tellEnd(received, sent)
        if self._offers and not self.hasLoggedIn:
            self._gate.failed(self, self._offers * OFFER)
        self._gate.left(self)
        self.guest = None

    def _tellEnd(self, received: int, sent: int) -> None:
        seconds = round(self._gate.seconds() - self.since, 3)
        why = self.why or "the client has gone"
        more = {"refused": self._refusals} if self._refusals > MOST_REFUSALS else {}
        self.tell(
            "connection.close",
            f"{self.peer} disconnected after {seconds:.1f} s: {why}",
            seconds=seconds,
            received=received,
            sent=sent,
            why=why,
            **more,
        )


def sourceOf(address: IAddress | None) -> str:
    """Return what limits and penalties are counted for.

    Returns:
        An IPv4 address; for IPv6 the network of 64 bits, all of which one client may have; or
        empty text for whatever is no IP address.
    """
    return _sourceOf(str(getattr(address, "host", None)))


@lru_cache(1024)  # most come again and again
def _sourceOf(host: str) -> str:
    try:
        ip = plainAddress(host)
    except ValueError:
        return ""
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return "::1" if ip.is_loopback else f"{IPv6Address(int(ip) >> 64 << 64)}/64"


def loginFields(user: bytes | None, method: str, key: KeyName | None) -> dict[str, object]:
    """Return what the audit log keeps of a try to log in; see `Visit.denied`."""
    name = None if user is None else plainName(user)
    found: dict[str, object] = {"user": name, "method": method}
    if key is not None:
        found |= {"key": key.fingerprint, "key_type": key.type}
    return found
