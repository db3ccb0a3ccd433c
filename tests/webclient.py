"""A server in memory with a web endpoint, and requests to it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from helpers import Loopback
from linedoor import Transport
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from sshecho.tap import Options, makeService

WEB, LINE = 9222, 8000
PEER = IPv4Address("TCP", "192.0.2.7", 40000)
HERE = IPv4Address("TCP", "127.0.0.1", WEB)
ADMIN = "ann:secret"
USERS = f"memory:{ADMIN}:bob:bob:\u00fcser:p\u00e4:<b>x</b>:pass"


@dataclass
class Response:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: str


class Asking:
    """A connection to the web endpoint.

    Args:
        factory: what builds its protocol.
        peer: where it comes from.
        host: where it came to.
    """

    def __init__(self, factory, peer=PEER, host=HERE):
        self.transport = StringTransport(hostAddress=host, peerAddress=peer)
        self.channel = factory.buildProtocol(peer)
        self.channel.makeConnection(self.transport)

    def send(self, data: bytes):
        self.channel.dataReceived(data)
        return self

    def lose(self):
        self.channel.connectionLost(Failure(ConnectionDone()))
        return self

    @property
    def closed(self):
        return self.transport.disconnecting

    @property
    def response(self) -> Response:
        head, _, body = self.transport.value().decode().partition("\r\n\r\n")
        status, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return Response(int(status.split()[1]), headers, body)


class Web:
    """A server with a line door and a web endpoint.

    Args:
        options: more options.
        checker: the only credentials checker, in place of one that knows some users.
    """

    def __init__(self, *options: str, checker=None, admins=("ann",)):
        parsed = Options()
        if checker is not None:
            parsed.addChecker(checker)
        parsed.parseOptions(
            [
                *("--ssh", "off", "--line", f"tcp:{LINE}:interface=127.0.0.1"),
                *("--metrics", f"tcp:{WEB}:interface=127.0.0.1"),
                *(("--auth", USERS) if checker is None else ()),
                *(part for admin in admins for part in ("--admin", admin)),
                *options,
            ]
        )
        self.reactor = Loopback()
        self.house = makeService(parsed, self.reactor)
        self.house.startService()
        self.factories = {port: factory for port, factory, *_ in self.reactor.tcpServers}

    @property
    def gate(self):
        return self.house.gate

    def connect(self, **more) -> Asking:
        return Asking(self.factories[WEB], **more)

    def ask(
        self,
        path="/",
        method="GET",
        user: str | bytes | None = None,
        body=b"",
        host=None,
        **headers,
    ) -> Response:
        """Return what a request gets."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'localhost:{WEB}'}"]
        if user is not None:
            lines.append(f"Authorization: {basic(user)}")
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        asking = self.connect().send("\r\n".join([*lines, "", ""]).encode() + body)
        response = asking.response
        assert asking.closed
        asking.lose()
        return response

    def line(self, login: bytes):
        """Return the server's side of a connection to the line door, and its transport."""
        protocol = self.factories[LINE].buildProtocol(PEER)
        transport = Transport(peerAddress=PEER)
        protocol.makeConnection(transport)
        if login:
            protocol.dataReceived(login)
        return protocol, transport


def basic(user: str | bytes) -> str:
    """Return what a browser says of itself, of `user:password`."""
    raw = user if isinstance(user, bytes) else user.encode()
    return f"Basic {base64.b64encode(raw).decode()}"
