"""The options of the web side."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from twisted.cred.credentials import IUsernamePassword
from twisted.python.usage import UsageError

_OFF = "off"


class WebOptions:
    """Options about what operators look at, to be mixed into Twisted's."""

    if TYPE_CHECKING:

        def __getitem__(self, name: str) -> Any: ...  # noqa: ANN401 - options are of any type
        def __setitem__(self, name: str, value: object) -> None: ...

    def setUpWeb(self) -> None:
        """Begin with nothing."""
        self["metrics"] = None
        self["admin"] = []
        self["admin-host"] = []

    def opt_metrics(self, endpoint: str) -> None:
        """Twisted server endpoint of /metrics and /healthz; 'off' is the default."""
        self["metrics"] = None if endpoint == _OFF else endpoint

    def opt_admin(self, user: str) -> None:
        """A user who may see and end live sessions, where --metrics says; may be given again."""
        if not user:
            raise UsageError("--admin: whose name is that?")
        self["admin"].append(os.fsencode(user))

    def opt_admin_host(self, host: str) -> None:
        """NAME or NAME:PORT that --admin's page is asked for by, too; may be given again."""
        from sshecho.web.origin import splitHost

        try:
            splitHost(host)
        except ValueError as error:
            raise UsageError(f"--admin-host {host}: {error}") from None
        self["admin-host"].append(host)

    def checkWeb(self) -> None:
        """See to it that the options make sense together.

        Raises:
            UsageError: when they don't.
        """
        from sshecho.service.doors import endpointBehindProxies

        endpoint = self["metrics"]
        if self["admin"] and endpoint is None:
            raise UsageError("--admin: the page is at the endpoint of --metrics; give that too")
        if self["admin-host"] and not self["admin"]:
            raise UsageError("--admin-host: there is no page without --admin")
        if endpoint is not None and endpointBehindProxies(endpoint) is not None:
            raise UsageError(f"--metrics {endpoint}: a PROXY header from anyone would be believed")
        if self["admin"] and self["demonstration"]:
            raise UsageError("--admin: everybody knows the demonstration's password; give --auth")
        if self["admin"] and IUsernamePassword not in self["credInterfaces"]:
            raise UsageError("--admin: a browser shows a password, and no --auth takes one")
