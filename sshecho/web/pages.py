"""What anybody may see: the metrics, and whether the server is up."""

from __future__ import annotations

from sshecho.web.exposition import Exposition
from sshecho.web.overview import Overview
from sshecho.web.site import Page, Request


class Metrics(Page):
    """``/metrics``: what was counted, as Prometheus reads it.

    Args:
        overview: the server.
        exposition: writes it.
    """

    def __init__(self, overview: Overview, exposition: Exposition) -> None:
        super().__init__()
        self._overview = overview
        self._exposition = exposition

    async def respond(self, request: Request) -> None:
        """Answer with the text."""
        text = self._exposition.write(await self._overview.report())
        request.answerWith(text, self._exposition.contentType)


class Health(Page):
    """``/healthz``: whether somebody may get in.

    Args:
        overview: the server.
    """

    def __init__(self, overview: Overview) -> None:
        super().__init__()
        self._overview = overview

    async def respond(self, request: Request) -> None:
        """Answer in a word or a few."""
        trouble = self._overview.trouble
        request.answer(503 if trouble else 200, trouble or "ok")
