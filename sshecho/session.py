"""The session: what a login's application can ask its transport about."""

from __future__ import annotations

from collections.abc import Mapping
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
        width: width in pixels; 0 when it is not known.
        height: height in pixels; 0 when it is not known.
        modes: how it is set, such as ``{"ECHO": 1}``, by the names of RFC 4254, section 8.
    """

    term: bytes
    columns: int
    rows: int
    width: int = 0
    height: int = 0
    modes: Mapping[str, int] = field(default_factory=dict)


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
    disconnecting: bool = Attribute("Whether it is closing; Twisted's LineReceiver asks.")

    def writeError(data: bytes) -> None:  # noqa: N805 - an interface has no self
        """Send to the client's standard error, or with the rest where it has only one stream."""

    def exit(status: int) -> None:  # noqa: N805
        """End the session as `loseConnection` does, which is `exit(0)`.

        Args:
            status: the exit status, 0 to 255, for a client that can be told one.
        """

    def endBySignal(name: bytes) -> None:  # noqa: N805
        """End the session as a signal ends a program, for a client that can be told of one.

        Args:
            name: the signal's, such as ``b"TERM"``.
        """


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
