"""The page of the live sessions, and the buttons that end them."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256
from urllib.parse import parse_qs

from twisted.web.resource import IResource
from zope.interface import implementer

from sshecho.people import escape, userName
from sshecho.service.events import happened
from sshecho.web.guard import DOOR
from sshecho.web.html import STYLE, render
from sshecho.web.overview import Connection, Overview
from sshecho.web.site import Page, Request

LIST, END = b"/", b"/end"
"""Where the page is, and where its buttons lead."""

_STYLE_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@implementer(IResource)
class Sessions(Page):
    """The avatar of one administrator's request.

    Args:
        user: who it acts for.
        overview: the server.
        secret: what tokens are made with, of this process alone.
        seconds: tells the time, in seconds since 1970.

    Attributes:
        user: the user's name.
    """

    methods = (b"GET", b"HEAD", b"POST")

    def __init__(
        self, user: bytes, overview: Overview, secret: bytes, seconds: Callable[[], float]
    ) -> None:
        super().__init__()
        self.user = user
        self._overview = overview
        self._secret = secret
        self._seconds = seconds

    def logout(self) -> None:
        """Nothing to let go of."""

    async def respond(self, request: Request) -> None:
        """Show the page, or end a session."""
        if request.path == END:
            await self._end(request)
        else:
            await self._show(request)

    async def _show(self, request: Request) -> None:
        report = await self._overview.report()
        trouble = self._overview.trouble
        text = render(report.connections, self.user, self._token, self._seconds(), trouble)
        request.setHeader("Content-Security-Policy", _POLICY)
        request.answerWith(text.encode(), "text/html; charset=utf-8")

    async def _end(self, request: Request) -> None:
        id_, token = _form(request)
        if not hmac.compare_digest(token.encode(), self._token(id_).encode()):
            request.visit.refused("an end of a session without a token for it")
            request.answer(403, "that button is not of this page; load it anew")
            return
        connections = (await self._overview.report()).connections
        await self._endOne(request, id_, connections)
        request.setHeader("Location", LIST.decode())
        request.answer(303, "done")

    async def _endOne(self, request: Request, id_: str, connections: Sequence[Connection]) -> None:
        found = next((connection for connection in connections if connection.id == id_), None)
        if found is None or not await self._overview.end(id_):
            return  # it has ended by itself, which the page will show
        whose = found.user or "somebody"
        name, visit = userName(self.user), request.visit
        happened(
            "connection.ended",
            f"{DOOR}: {name} ended the connection of {escape(whose)} from {escape(found.peer)}",
            door=DOOR,
            connection=visit.id,
            peer=visit.peer,
            user=visit.user,
            ended=found.id,
        )

    def _token(self, id_: str) -> str:
        """Return what shows that this user's own page asks to end a connection."""
        message = id_.encode() + b"\0" + self.user
        return hmac.digest(self._secret, message, "sha256").hex()


def _form(request: Request) -> tuple[str, str]:
    """Return which connection is meant, and the token; empty where the form has none."""
    assert request.content is not None
    fields = parse_qs(request.content.read().decode("ascii", "replace"))
    return fields.get("id", [""])[0], fields.get("token", [""])[0]
