"""The site: HTTP with one request a connection, all of it bounded in size and time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from typing import Final, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource, Resource

from sshecho.service.turns import Turns
from sshecho.service.visit import Visit, sourceOf

QUIET: Final = 10
"""Seconds without a byte after which a client is left."""
LIFETIME: Final = 30
"""Seconds that a connection has in all: to ask, for its answer, and to take that."""
MOST: Final = 100
"""Connections at once; a newcomer takes the place of the oldest, of the address with the most."""
LARGEST_BODY: Final = 4096
"""Bytes of a request's body."""

_ABSOLUTE = re.compile(rb"https?://[^/]*/?", re.IGNORECASE)
_TOO_LARGE = (
    b"HTTP/1.1 413 Content Too Large\r\nServer: sshecho\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n"
)
_HEADERS = {
    "Server": "sshecho",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Connection": "close",
}


class Request(server.Request):
    """One request.

    Attributes:
        visit: who asks, once they have said who they are.
        gone: whether the client has left before its answer.
    """

    visit: Visit
    gone = False

    def gotLength(self, length: int | None) -> None:
        """Keep the body, which is small, in memory."""
        self.content = BytesIO()

    def process(self) -> None:
        """Answer in turn: whoever asks much must not hold up the doors."""
        turns = cast(Channel, self.channel).site.turns
        turns.take(sourceOf(self.getClientAddress()), self._processNow)

    def _processNow(self) -> None:
        if self.path == b"*":  # Twisted would answer that itself
            self.path = b"/*"
        if _ABSOLUTE.match(self.path):  # as to a proxy, which RFC 9112, section 3.2.2, asks for
            self.path = _ABSOLUTE.sub(b"/", self.path)
        if not self.gone:
            super().process()

    def connectionLost(self, reason: Failure) -> None:
        """Take note that nobody waits for the answer any more."""
        self.gone = True
        super().connectionLost(reason)

    def finish(self) -> None:
        """Be done; that is not worth a word to a client that has left."""
        if not self.gone:
            super().finish()

    def answer(self, status: int, text: str, **headers: str) -> None:
        """Answer in plain text, and be done."""
        self.setResponseCode(status)
        for name, value in headers.items():
            self.setHeader(name, value)
        self.answerWith(f"{text}\n".encode(), "text/plain; charset=utf-8")

    def answerWith(self, body: bytes, contentType: str) -> None:
        """Answer with a body, and be done."""
        self.setHeader("Content-Type", contentType)
        self.setHeader("Content-Length", str(len(body)))
        self.write(body)
        self.finish()


class Page(Resource):
    """Something that is answered.

    Attributes:
        methods: what may be done with it.
    """

    isLeaf = True
    methods: tuple[bytes, ...] = (b"GET", b"HEAD")

    def render(self, request: Request) -> int | bytes:
        """Answer a request: its body, or NOT_DONE_YET."""
        if request.method not in self.methods:
            allowed = ", ".join(method.decode() for method in self.methods)
            request.answer(405, "not that method", Allow=allowed)
            return server.NOT_DONE_YET
        answering = Deferred.fromCoroutine(self.respond(request))
        request.notifyFinish().addErrback(lambda _: answering.cancel())
        answering.addErrback(self._broke, request)
        return server.NOT_DONE_YET

    async def respond(self, request: Request) -> None:
        """Answer a request that is allowed."""
        raise NotImplementedError

    @staticmethod
    def _broke(reason: Failure, request: Request) -> None:
        if not (request.gone and reason.check(CancelledError)):
            request.processingFailed(reason)


class Nothing(Page):
    """What is not there."""

    def render(self, request: Request) -> int:
        """Say so."""
        request.answer(404, "there is no such page")
        return server.NOT_DONE_YET


class Channel(HTTPChannel):
    """One connection, for one request."""

    transport: ITCPTransport
    site: Site
    source: str
    _deadline: IDelayedCall

    def connectionMade(self) -> None:
        """Begin to count the time."""
        self.site.open[self] = None
        self._deadline = self.callLater(LIFETIME, self.abort)
        super().connectionMade()

    def abort(self) -> None:
        """Close at once."""
        self.site.open.pop(self, None)
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Count this one no more."""
        self.site.open.pop(self, None)
        if self._deadline.active():
            self._deadline.cancel()
        super().connectionLost(reason)

    def checkPersistence(self, request: object, version: bytes) -> bool:
        """Return that no further request is taken."""
        return False

    def allHeadersReceived(self) -> None:
        """Go on, unless a large body would follow, or one of unknown size."""
        if self.length is None or self.length > LARGEST_BODY:
            self.transport.write(_TOO_LARGE)
            self.loseConnection()
        else:
            super().allHeadersReceived()


class Site(server.Site):
    """What is answered at the web endpoint.

    Args:
        pages: by path.
        clock: what time-outs are counted with.
        turns: where requests wait for their turn.

    Attributes:
        turns: where requests wait for their turn.
        open: the connections, oldest first.
    """

    protocol = Channel  # type: ignore[assignment]  # Twisted's is a choice of HTTP's versions
    noisy = False

    def __init__(self, pages: Mapping[bytes, IResource], clock: IReactorTime, turns: Turns) -> None:
        super().__init__(
            Nothing(), Request, timeout=QUIET, reactor=clock, parsePOSTFormSubmission=False
        )
        self._pages = pages
        self.turns = turns
        self.open: dict[Channel, None] = {}

    def startFactory(self) -> None:
        """Keep no log of requests: the events are one."""

    def stopFactory(self) -> None:
        """There is no log to close."""

    def log(self, request: object) -> None:
        """Drop what would go into a log of requests."""

    def buildProtocol(self, addr: IAddress | None) -> Channel:  # type: ignore[override]
        """Return the protocol of a new connection."""
        source = sourceOf(addr)
        if len(self.open) >= MOST:
            self._makeRoom(source)
        channel = cast(Channel, super().buildProtocol(addr))
        channel.source = source
        return channel

    def _makeRoom(self, newcomer: str) -> None:
        """Close the oldest connection of the source that has most of them."""
        held = Counter([newcomer, *(channel.source for channel in self.open)])
        greedy = max((channel.source for channel in self.open), key=held.__getitem__)
        next(channel for channel in self.open if channel.source == greedy).abort()

    def acceptableProtocols(self) -> list[bytes]:
        """Return what TLS may agree on: not HTTP/2, which Twisted would have where it can."""
        return [b"http/1.1"]

    def getResourceFor(self, request: Request) -> IResource:
        """Return what a request is for; whatever is answered has our headers."""
        for name, value in _HEADERS.items():
            request.setHeader(name, value)
        return self._pages.get(request.path, self.resource)

    def close(self) -> None:
        """Close what is still open."""
        for channel in list(self.open):
            channel.abort()
