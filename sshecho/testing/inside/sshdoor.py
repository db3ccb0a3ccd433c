"""The SSH door, as the settings have it, and with a memory of what it sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.userauth import MSG_USERAUTH_FAILURE
from twisted.cred.credentials import ICredentials
from twisted.internet.interfaces import IProtocol

from sshecho.people import userName
from sshecho.service.visit import loginFields
from sshecho.ssh.algorithms import USER_ALGORITHMS
from sshecho.ssh.avatar import SSHAvatar
from sshecho.ssh.loginrequest import LoginRequest
from sshecho.ssh.packets import negotiation
from sshecho.ssh.packets.negotiation import Names, Offer
from sshecho.ssh.terminal import Terminal
from sshecho.testing.faulty.connection import FaultyConnection
from sshecho.testing.faulty.session import FaultySession
from sshecho.testing.faulty.transport import FaultyTransport
from sshecho.testing.faulty.userauth import FaultyUserAuth
from sshecho.testing.inside.factors import Factors, MoreNeeded
from sshecho.wire import onlyString

if TYPE_CHECKING:
    from sshecho.testing.inside.house import House


class SeenTransport(FaultyTransport):
    """The SSH door's transport."""

    def __init__(self, house: House) -> None:
        super().__init__(house.inForce)
        self.house = house
        self.offered: Offer | None = None

    def connectionMade(self) -> None:
        """Begin, by the name that the settings have."""
        self.ourVersionString = self.house.settings.version.encode()
        self.house.recorder.connected(self)
        super().connectionMade()

    def _ourMarkers(self) -> Names:
        return tuple(name for name in super()._ourMarkers() if name not in self._unknown())

    def _readMarkers(self, names: Names) -> None:
        super()._readMarkers(tuple(name for name in names if name not in self._unknown()))

    def _unknown(self) -> Names:
        """Return what there was not yet in the server's days: what sides say of themselves."""
        settings = self.house.settings
        extensions = (negotiation.EXTENSIONS_CLIENT, negotiation.EXTENSIONS_SERVER)
        strict = (negotiation.STRICT_CLIENT, negotiation.STRICT_SERVER)
        return (() if settings.ext_info else extensions) + (() if settings.strict_kex else strict)

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Keep what the client offers, and go on."""
        if self.offered is None:
            self.offered = negotiation.read(packet)
        super().ssh_KEXINIT(packet)


class SeenUserAuth(FaultyUserAuth):
    """The login at the SSH door."""

    transport: SeenTransport
    passwordDelay = 0  # tests have no time to lose

    def serviceStarted(self) -> None:
        """Begin, with the methods that the settings have."""
        super().serviceStarted()
        self._anonymous = "none" in self.transport.house.settings.auth_methods
        self._beginFactors(None)

    def _beginFactors(self, user: bytes | None) -> None:
        self._user = user
        ways = [way.encode().split(b",") for way in self.transport.house.settings.auth_methods]
        self._factors = Factors([way for way in ways if way != [b"none"]])
        self._methods = self._factors.next

    async def _credentials(self, request: LoginRequest) -> ICredentials | None:
        if request.user != self._user:
            self._beginFactors(request.user)
        if request.method == b"publickey":
            known = USER_ALGORITHMS.get(request.shownKey()[0])
            allowed = self.transport.house.settings.public_keys
            if known is None or known.signature.decode() not in allowed:
                return None
        return await super()._credentials(request)

    async def login(
        self, request: LoginRequest, credentials: ICredentials
    ) -> tuple[SSHAvatar, Callable[[], None]]:
        """Let in whoever has shown all that is asked for.

        Raises:
            MoreNeeded: when it was right, but not all.
            UnauthorizedLogin: when it was not.
        """
        avatar, logout = await super().login(request, credentials)
        if request.method == b"none" or self._factors.passed(request.method):
            return avatar, logout
        logout()
        self._methods = self._factors.next
        raise MoreNeeded("more is asked for")

    async def _refuse(self, request: LoginRequest, error: Exception) -> None:
        """Say no; or that this was right, and which methods may come now."""
        if not isinstance(error, MoreNeeded):
            await super()._refuse(request, error)
            return
        user, attempt = self._plain(request).user, request.attempt
        self.transport.visit.tell(
            "login.partial",
            f"{userName(user)} was right by {attempt.method}: {error}",
            **loginFields(user, attempt.method, attempt.key),
            why=str(error),
        )
        methods = NS(b",".join(self._methods))
        self.transport.sendPacket(MSG_USERAUTH_FAILURE, methods + b"\1")


class SeenSession(FaultySession):
    """A session at the SSH door.

    Attributes:
        requests: what was asked of it, in order: the name, and whether it was granted.
        signals: names of signals that came.
        windows: sizes of the terminal, the first and those after it: columns and rows.
        input: the first bytes that came.
        eof: whether the client has said that there are no more.
        subsystem: the name of the one that was asked for.
    """

    conn: SeenConnection

    def channelOpen(self, specificData: bytes) -> None:
        """Begin to wait for requests."""
        super().channelOpen(specificData)
        self.requests: list[tuple[str, bool]] = []
        self.signals: list[str] = []
        self.windows: list[tuple[int, int]] = []
        self.input = b""
        self.eof = False
        self.subsystem: str | None = None
        self.conn.transport.house.recorder.opened(self)

    def requestReceived(self, requestType: bytes, data: bytes) -> bool:
        """Keep what is asked, and answer."""
        granted = False
        try:
            granted = bool(super().requestReceived(requestType, data))
        finally:
            self.requests.append((requestType.decode(errors="backslashreplace"), granted))
        return granted

    def request_signal(self, data: bytes) -> bool:
        """Keep the signal's name."""
        self.signals.append(onlyString(data).decode(errors="backslashreplace"))
        return super().request_signal(data)

    def request_pty_req(self, data: bytes) -> bool:
        """Keep the terminal's size."""
        return super().request_pty_req(data) and self._keepWindow()

    def request_window_change(self, data: bytes) -> bool:
        """Keep the terminal's new size."""
        return super().request_window_change(data) and self._keepWindow()

    def _keepWindow(self) -> bool:
        assert self.session.pty is not None
        self.windows.append((self.session.pty.columns, self.session.pty.rows))
        return True

    def dataReceived(self, data: bytes) -> None:
        """Keep the first of it, and pass it on."""
        self.input = self.conn.transport.house.settings.kept(self.input, data)
        super().dataReceived(data)

    def eofReceived(self) -> None:
        """Keep that it came."""
        self.eof = True
        super().eofReceived()

    def request_subsystem(self, data: bytes) -> bool:
        """Keep the subsystem's name."""
        self.subsystem = onlyString(data).decode(errors="backslashreplace")
        return super().request_subsystem(data)

    def newTerminal(self, program: IProtocol, greeting: bytes) -> Terminal:
        """Return a terminal with the prompt that the settings have."""
        house, settings = self.conn.transport.house, self.conn.transport.house.settings
        return Terminal(
            program, greeting, house.clock, settings.prompt, dumb=settings.dumb_terminal
        )


class SeenConnection(FaultyConnection):
    """The connection service at the SSH door."""

    transport: SeenTransport
    session = SeenSession

    def getChannel(self, kind: bytes, window: int, packet: int, data: bytes) -> SSHChannel:
        """Return a new channel, with the window that the settings have."""
        channel: SSHChannel = super().getChannel(kind, window, packet, data)
        settings = self.transport.house.settings
        channel.localWindowSize = channel.localWindowLeft = settings.window
        channel.localMaxPacket = settings.packet
        return channel
