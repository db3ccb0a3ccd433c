"""The avatar of an SSH login."""

from __future__ import annotations

from twisted.conch.avatar import ConchUser

from sshecho.cred.identity import termsOf
from sshecho.cred.realm import Application
from sshecho.ssh.session import SessionChannel
from sshecho.ssh.terminal import Greeting, usualGreeting


class SSHAvatar(ConchUser):
    """Acts for one user at the SSH door: may open sessions, and nothing else.

    Attributes:
        user: the user's name.
        terms: what they may do.
        application: returns the protocol that runs in a new session.
        greeting: returns what a new session with a PTY begins with, in UTF-8.
    """

    def __init__(
        self, user: bytes, application: Application, greeting: Greeting = usualGreeting
    ) -> None:
        super().__init__()
        self.user = user
        self.terms = termsOf(user)
        self.application = application
        self.greeting = greeting
        self.channelLookup[b"session"] = SessionChannel

    def logout(self) -> None:
        """Nothing to let go of: an echo keeps nothing."""
