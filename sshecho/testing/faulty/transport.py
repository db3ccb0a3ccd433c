"""The SSH door's transport, for servers that misbehave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import MSG_CHANNEL_REQUEST
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import MSG_KEXINIT
from twisted.conch.ssh.userauth import MSG_USERAUTH_BANNER, MSG_USERAUTH_REQUEST
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from sshecho.ssh.packets.writing import writeNow
from sshecho.ssh.transport import Transport
from sshecho.testing.faults.fault import Fault
from sshecho.testing.faulty.hostkeys import impostors
from sshecho.testing.faulty.inforce import InForce
from sshecho.testing.faulty.late import Late
from sshecho.testing.faulty.misbehaving import Misbehaving
from sshecho.wire import Reader

if TYPE_CHECKING:
    from sshecho.testing.faulty.connection import FaultyConnection

_PROGRAMS = (b"shell", b"exec", b"subsystem")


class FaultyTransport(Misbehaving, Transport):
    """Shows the faults that are in force for its connection.

    Args:
        inForce: the server's faults.

    Attributes:
        user: who the client says it is, without the faults that it chooses; None until it has.
        own: the faults that it has chosen so.
        mistake: what is wrong with that choice; empty if nothing is.
    """

    def __init__(self, inForce: InForce) -> None:
        self._inForce = inForce
        self._hangs = False
        self._dropsFor = ""  # the fault for which it is closed once what waits for keys is sent
        self._name: bytes | None = None  # of the user, with faults
        self.user: bytes | None = None
        self.own: list[Fault] = []
        self.mistake = ""

    def connectionMade(self) -> None:
        """Begin, as late as things are done here."""
        self._queue = Late(self.factory.clock, self._delay, self._pace)
        self._inForce.enters(self)
        super().connectionMade()

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        """Do first what is late: all of that has come."""
        self._queue.finish()
        super().connectionLost(reason)

    def timeoutConnection(self) -> None:
        """Give a client that does something its time to log in anew, where all is slow."""
        now = self.factory.clock.seconds()
        left = self._timeLeft(self.limits.loginGrace, self.heard, now)
        if self._loggedIn or self.closing or not left:
            super().timeoutConnection()
        else:
            self.setTimeout(left)

    def greet(self) -> None:
        """Say who we are, unless a fault has other plans."""
        self._queue.do(self._greet)

    def _greet(self) -> None:
        if not self.closing and not self._reaches("version"):
            super().greet()

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Handle a message, unless a fault strikes at it."""
        stage = self._stage(messageNum, payload)
        if stage is None or not self._reaches(stage):
            super().dispatchMessage(messageNum, payload)

    def _stage(self, number: int, payload: bytes) -> str | None:
        """Return which stage a message begins, if it begins one."""
        if number == MSG_KEXINIT and self.sessionID is None:
            return "kex"
        if number == MSG_USERAUTH_REQUEST and self.service is not None and not self._loggedIn:
            self._choose(payload)
            return "auth"
        if number == MSG_CHANNEL_REQUEST and self._loggedIn and _programAsked(payload):
            return "session"
        return None

    def _choose(self, request: bytes) -> None:
        """Take the faults from the name in a login request, unless they are taken already.

        Payload (RFC 4252, section 5): user name, and what matters not here.
        """
        try:
            name = Reader(request).string()
        except ValueError:
            return  # whoever handles it will say so
        if name == self._name:
            return
        self._name = name
        self.user, self.own, self.mistake = self._inForce.split(name)
        self._inForce.enters(self)
        if self.mistake:
            self.showBanner(f"{self.mistake}\r\n".encode())

    def plainName(self, name: bytes) -> bytes:
        """Return a user's name without the faults that are chosen in it."""
        return self._inForce.split(name)[0]

    # What faults do.

    def hang(self) -> None:
        """Answer nothing any more; read on, to hear when the client leaves."""
        self._flush()
        self._hangs = self._halted = True
        self.setTimeout(None)
        self.transport.resumeProducing()

    def _send(self, number: int, payload: bytes) -> None:
        if not self._hangs:
            super()._send(number, payload)

    def setTimeout(self, period: float | None) -> None:
        """Count time, unless this hangs: then it takes as long as the client likes."""
        super().setTimeout(None if self._hangs and not self.closing else period)

    def keysAgreed(self, secret: bytes, exchangeHash: bytes) -> None:
        """Change our key, send what has waited for that, and close if that is due."""
        super().keysAgreed(secret, exchangeHash)
        if self._dropsFor:
            self.drop(self._dropsFor)

    def _hold(self, number: int, payload: bytes) -> None:
        if not self._dropsFor:
            super()._hold(number, payload)

    @property
    def isDropped(self) -> bool:
        """Whether nothing more is to go out."""
        return self.closing or bool(self._dropsFor)

    def drop(self, why: str) -> None:
        """Close without a word, once what was sent has gone out, for which keys may be awaited."""
        if self._held:
            self._dropsFor = why
        elif not self.closing:
            self.visit.ends(f"the fault {why}")
            self.prepareToClose()
            self._flush()
            self.close()

    def spoil(self, data: bytes) -> None:
        """Send bytes that are no packet."""
        self._flush()
        writeNow(self.transport, data)

    def showBanner(self, text: bytes) -> bool:
        """Send what is to be read before the login (RFC 4252, section 5.4): text, language."""
        self.sendPacket(MSG_USERAUTH_BANNER, NS(text) + NS(b""))
        return True

    def showAnotherHostKey(self) -> bool:
        """Have impostors stand in for the host keys."""
        self.signers: Mapping[bytes, tuple[Key, bytes]] = impostors(self.signers)
        return True

    def faultEnded(self) -> None:
        """Let the client send what a fault has kept it from, if none does any more."""
        if self._loggedIn and self.service is not None:
            cast("FaultyConnection", self.service).grantOwed()


def _programAsked(request: bytes) -> bool:
    """Return whether a channel's request is for a program.

    Payload (RFC 4254, section 5.4): our number, name, and what matters not here.
    """
    reader = Reader(request)
    try:
        reader.number(4)
        return reader.string() in _PROGRAMS
    except ValueError:
        return False
