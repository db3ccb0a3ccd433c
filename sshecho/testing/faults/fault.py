"""The fault: one way for a server to misbehave, and what the doors ask of it."""

from __future__ import annotations

import re
from typing import ClassVar, Protocol

STAGES = ("version", "kex", "auth", "session")
"""How far a connection has come: it is open; the client offers algorithms, asks to be let in, and
asks for a shell, a command or a subsystem. At the line door there is no kex, and the session begins
behind the answer to the login."""

_BEFORE_LOGIN = STAGES[:2]


class Connection(Protocol):
    """A connection that can misbehave, at either door."""

    def tellFault(self, fault: Fault) -> None:
        """Tell that a fault was seen, once it was."""

    def hang(self) -> None:
        """Answer nothing any more, and stay until the client leaves."""

    def drop(self, why: str) -> None:
        """Close without a word, once all that was sent before has gone out."""

    def spoil(self, data: bytes) -> None:
        """Send bytes that are not of the protocol."""

    def showBanner(self, text: bytes) -> bool:
        """Have the client shown something before the login; return whether the door can."""

    def showAnotherHostKey(self) -> bool:
        """Show a host key that nobody knows; return whether the door has one."""


class Fault:
    """One way to misbehave, in force for a whole server, or for one connection by user name.

    What is not overridden is done as it should be.

    Args:
        argument: what stands behind the ``=``; None when there is none.

    Raises:
        ValueError: when there is an argument where none belongs, or none where one does; the text
            says what it is.
    """

    name: ClassVar[str]
    usage: ClassVar[str]
    """How it is written, such as ``slow=SECONDS``."""

    def __init__(self, argument: str | None) -> None:
        self._argument = argument
        if argument is not None:
            raise ValueError("it takes no argument")

    def __str__(self) -> str:
        """Return it as it is written."""
        return self.name if self._argument is None else f"{self.name}={self._argument}"

    @property
    def byUserName(self) -> bool:
        """Whether it can be chosen by user name, which is known from authentication on."""
        return True

    @property
    def delay(self) -> float:
        """Seconds that pass between what comes and what is done with it."""
        return 0.0

    @property
    def ending(self) -> tuple[bytes, bytes] | None:
        """How sessions end: the name and the payload of the request that tells; None as usual."""
        return None

    @property
    def stalls(self) -> bool:
        """Whether clients get no more window than their first."""
        return False

    def reaches(self, connection: Connection, stage: str) -> bool:
        """Do what is to be done at a stage.

        Returns:
            Whether that is all: nothing of what is usual at this stage is done any more.
        """
        return False

    def denies(self) -> bool:
        """Return whether a login is to be denied that would be looked at now."""
        return False

    def carries(self, connection: Connection, size: int) -> int | None:
        """Count so many bytes of sessions' output.

        Returns:
            How many of them may go out before the connection ends; None for all, and no end.
        """
        return None


class StageFault(Fault):
    """A fault that is seen at one stage.

    Args:
        argument: the stage.
    """

    def __init__(self, argument: str | None) -> None:
        if argument not in STAGES:
            raise ValueError(f"it is one of {', '.join(STAGES)}")
        self._argument = argument
        self.stage: str = argument

    @property
    def byUserName(self) -> bool:
        """Whether its stage comes when the user's name is known."""
        return self.stage not in _BEFORE_LOGIN

    def reaches(self, connection: Connection, stage: str) -> bool:
        """Strike, if this is the stage."""
        if stage != self.stage:
            return False
        connection.tellFault(self)
        self.strike(connection)
        return True

    def strike(self, connection: Connection) -> None:
        """Do what the fault does to a connection."""
        raise NotImplementedError


class NumberFault(Fault):
    """A fault that has a whole number.

    Args:
        argument: the number.

    Attributes:
        number: it.
    """

    least: ClassVar[int]
    most: ClassVar[int]

    def __init__(self, argument: str | None) -> None:
        number = argument if argument is not None else ""
        digits = re.fullmatch(r"[0-9]{1,10}", number, re.ASCII)
        if not digits or not self.least <= int(number) <= self.most:
            raise ValueError(f"it is a whole number from {self.least} to {self.most}")
        self._argument = argument
        self.number = int(number)
