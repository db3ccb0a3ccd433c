"""The web door: the endpoint of ``--metrics``, and what is answered there."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from functools import partial

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.web.resource import IResource

from sshecho.service.doors import Door, endpointKind
from sshecho.service.gate import Gate
from sshecho.web.exposition import Exposition
from sshecho.web.guard import DOOR, guarded
from sshecho.web.origin import SameOrigin
from sshecho.web.overview import Overview
from sshecho.web.pages import Health, Metrics
from sshecho.web.sessions import END, LIST, Sessions
from sshecho.web.site import Site

_PLAIN_TEXT = "--admin needs an ssl: endpoint, unless it is on loopback"


class WebDoor(Door):
    """The web endpoint, open from before the doors are until the last session has ended.

    Args:
        description: a Twisted server endpoint.
        reactor: what listens and counts time.
        overview: the server.
        portal: where administrators log in; its realm has avatars for IResource.
        gate: who counts the guesses, and gives requests their turns.
        administrators: who may see the page; without any there is none.
        names: hosts that the page may be asked for by, beside its own address.

    Raises:
        StartError: when the description is not one of an endpoint, or a library is missing.
    """

    def __init__(
        self,
        description: str,
        reactor: IReactorCore,
        overview: Overview,
        portal: Portal,
        gate: Gate,
        administrators: Collection[bytes] = (),
        names: Collection[str] = (),
    ) -> None:
        pages: dict[bytes, IResource] = {
            b"/metrics": Metrics(overview, Exposition()),
            b"/healthz": Health(overview),
        }
        if administrators:
            page = guarded(portal, gate, administrators)
            pages[LIST] = SameOrigin(names, page, (b"GET", b"HEAD"))
            pages[END] = SameOrigin(names, page, (b"POST",))
        self._paths = sorted(path.decode() for path in pages if path != END)
        self._site = Site(pages, IReactorTime(reactor), gate.turns)
        exposed = bool(administrators) and endpointKind(description) != "ssl"
        loopbackOnly = _PLAIN_TEXT if exposed else ""
        super().__init__(DOOR, description, self._site, reactor, loopbackOnly=loopbackOnly)

    def stopService(self) -> Deferred[None] | None:
        """Listen no more, and close what is open."""
        self._site.close()
        return super().stopService()

    def announcement(self) -> str:
        """Return a line that says where it is."""
        scheme = "https" if self.tls else "http"
        pages = " ".join(f"{scheme}://{self}{path}" for path in self._paths)
        return f"{DOOR} door at {self}: {pages}"


def pages(overview: Overview, clock: IReactorTime) -> partial[Sessions]:
    """Return what makes the realm's avatars for IResource, of a user's name.

    Args:
        overview: the server.
        clock: tells the time.
    """
    return partial(
        Sessions, overview=overview, secret=secrets.token_bytes(32), seconds=clock.seconds
    )
