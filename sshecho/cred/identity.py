"""The avatar ID: who has been let in, and on what terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Terms:
    """What a user may do who has been let in; the default is everything there is.

    Attributes:
        pty: whether they may have a terminal.
        command: what runs, whatever they ask for; None for what they ask for.
        environment: variables of their sessions, which they can't change.
    """

    pty: bool = True
    command: bytes | None = None
    environment: Mapping[bytes, bytes] = field(default_factory=dict)


class Identity(bytes):
    """An avatar ID that comes with terms; to whoever knows none it is the user's name.

    Attributes:
        terms: what the user may do.
    """

    terms: Terms

    def __new__(cls, user: bytes, terms: Terms) -> Identity:
        """Return the avatar ID of a user on these terms."""
        identity = super().__new__(cls, user)
        identity.terms = terms
        return identity


def termsOf(avatarId: bytes) -> Terms:
    """Return the terms that an avatar ID comes with."""
    return avatarId.terms if isinstance(avatarId, Identity) else Terms()
