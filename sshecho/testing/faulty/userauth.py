"""The login at the SSH door, for servers that misbehave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.cred.credentials import ICredentials
from twisted.cred.error import UnauthorizedLogin

from sshecho.cred.credentials import PublicKey
from sshecho.ssh.avatar import SSHAvatar
from sshecho.ssh.loginrequest import LoginRequest
from sshecho.ssh.userauth import UserAuth
from sshecho.testing.faulty.transport import FaultyTransport


class FaultyUserAuth(UserAuth):
    """Looks at the user without the faults that are chosen in the name, and denies when told to."""

    transport: FaultyTransport

    async def _credentials(self, request: LoginRequest) -> ICredentials | None:
        if request.method != b"publickey":
            return await super()._credentials(self._plain(request))
        credentials = await super()._credentials(request)  # the whole name is signed
        if isinstance(credentials, PublicKey):
            credentials.username = self._plain(request).user
        return credentials

    def _plain(self, request: LoginRequest) -> LoginRequest:
        return replace(request, user=self.transport.plainName(request.user))

    def _denied(self, request: LoginRequest, why: str, *, checked: bool = True) -> None:
        super()._denied(self._plain(request), why, checked=checked)

    async def login(
        self, request: LoginRequest, credentials: ICredentials
    ) -> tuple[SSHAvatar, Callable[[], None]]:
        """Have the portal look at credentials, unless a fault denies them.

        Raises:
            UnauthorizedLogin: when a fault does, or the client has chosen one that there is not,
                or they let nobody in.
        """
        shown = isinstance(credentials, PublicKey) and credentials.signature is None
        if self.transport.mistake:
            raise UnauthorizedLogin(self.transport.mistake)
        why = "" if shown else self.transport.denial()
        if why:
            raise UnauthorizedLogin(why)
        return await super().login(request, credentials)
