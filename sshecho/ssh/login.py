"""How a client got in, and what it tried before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sshecho.cred.keyname import KeyName


@dataclass(frozen=True)
class Attempt:
    """One way in which a client tried to get in.

    Attributes:
        method: as userauth calls it, such as ``"publickey"``; not ours only if it was refused.
        key: the key that it showed, or None.
    """

    method: str
    key: KeyName | None = None


@dataclass(frozen=True)
class Login:
    """A login.

    Attributes:
        attempt: what got the client in.
        refused: what did not, in order; the first ``none``, which only asks, is left out.
        time: when it got in, in seconds since 1970.
    """

    attempt: Attempt
    refused: Sequence[Attempt]
    time: float
