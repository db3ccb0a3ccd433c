"""The session: what a login's application can ask its transport about."""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    ITCPTransport,
    ITransport,
)
from zope.interface import Attribute


@dataclass(frozen=True)
class Pty:
    """The terminal that a client asked for.

    Attributes:
        term: the value of TERM, such as ``b"xterm-256color"``.
        columns: width in characters, at least 1.
        rows: height in characters, at least 1.
    """

    term: bytes
    columns: int
    rows: int


@dataclass
class Session:
    """One session of one login.

    Attributes:
        user: who logged in; ``b"anonymous"`` for an anonymous login.
        door: ``"ssh"`` or ``"line"``.
        peer: the client's ``address:port``.
        env: the environment that the client sent.
        pty: the terminal, or None.
        command: what the client asked to run, or None for a shell.
    """

    user: bytes
    door: str
    peer: str
    env: dict[bytes, bytes] = field(default_factory=dict)
    pty: Pty | None = None
    command: bytes | None = None


class ISessionTransport(ITransport, IConsumer, IPushProducer):
    """The transport of an application: a stream that can be paced, and its session."""

    session: Session = Attribute("The Session that this transport belongs to.")


def endInput(application: IProtocol, transport: ITransport) -> None:
    """Tell an application that nothing more will come; one that can't be told so is closed.

    Args:
        application: what runs in the session.
        transport: what to close.
    """
    if IHalfCloseableProtocol.providedBy(application):
        IHalfCloseableProtocol(application).readConnectionLost()
    else:
        transport.loseConnection()


class IStreamTransport(ITCPTransport, IConsumer, IPushProducer):
    """What Twisted gives a stream protocol for a transport, said in one interface."""
