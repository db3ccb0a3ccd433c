"""Origins: requests that a page of somebody else's had a browser send are not answered."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import cast

from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET

from sshecho.addresses import plainAddress
from sshecho.web.site import Page, Request

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]/@\s]+)(?::([0-9]{1,5}))?", re.ASCII)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_USUAL_PORTS = {"http": 80, "https": 443}


class SameOrigin(Page):
    """Lets requests through that are for this server, and from its own page.

    A name in the Host header has to be ours, port and all: a name of somebody else's that their
    DNS moves to our address (DNS rebinding) makes their page no page of ours. Ours are the address
    that the request came to; `localhost` and the loopback addresses if that is one; and those
    that were given.

    Args:
        names: hosts that are ours too, each with a port or without.
        below: what answers the requests that are let through.
        methods: what may be done with it.
    """

    def __init__(
        self, names: Collection[str], below: IResource, methods: tuple[bytes, ...]
    ) -> None:
        super().__init__()
        self._names = [splitHost(name) for name in names]
        self._below = below
        self.methods = methods

    def render(self, request: Request) -> int | bytes:
        """Answer a request, or have it answered."""
        if request.method not in self.methods:
            return super().render(request)
        if not self._isOurs(request):
            request.answer(421, "that host is not this server; --admin-host names others")
        elif request.method == b"POST" and not _isFromHere(request):
            request.answer(403, "that was asked by another page")
        else:
            return cast(int | bytes, self._below.render(request))
        return NOT_DONE_YET

    def _isOurs(self, request: Request) -> bool:
        hosts = _said(request, b"Host")
        if len(hosts) != 1:
            return False
        try:
            name, port = splitHost(hosts[0])
        except ValueError:
            return False
        bound = request.getHost()
        port = port or _USUAL_PORTS[_scheme(request)]
        here = plainAddress(bound.host)
        ours = {(str(here), bound.port)}
        if here.is_loopback:
            ours |= {(name, bound.port) for name in _LOOPBACK}
        ours |= {(name, given or bound.port) for name, given in self._names}
        return (name, port) in ours


def splitHost(host: str) -> tuple[str, int | None]:
    """Return name and port of a host, the port None where there is none.

    Raises:
        ValueError: for what is no host.
    """
    match = _HOST.fullmatch(host.lower())
    if match is None or not 0 < int(match[2] or 1) < 1 << 16:
        raise ValueError("it is NAME or NAME:PORT")
    name = match[1]
    if name.startswith("["):
        name = str(ip_address(name[1:-1]))
    return name.removesuffix("."), None if match[2] is None else int(match[2])


def _scheme(request: Request) -> str:
    return "https" if request.isSecure() else "http"


def _isFromHere(request: Request) -> bool:
    """Return whether nothing says that another page asks.

    Programs that are no browsers say neither where they come from nor whose site that is.
    """
    [host] = _said(request, b"Host")
    origins, sites = _said(request, b"Origin"), _said(request, b"Sec-Fetch-Site")
    if sites not in ([], ["same-origin"]):
        return False
    return origins in ([], [f"{_scheme(request)}://{host}"])


def _said(request: Request, name: bytes) -> list[str]:
    """Return the values of a header, in lower case, whatever bytes they are."""
    values = request.requestHeaders.getRawHeaders(name, [])
    return [value.decode("latin-1").lower() for value in values]
