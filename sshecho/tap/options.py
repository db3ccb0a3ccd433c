"""The options of serving: of ``sshecho serve``, ``twistd sshecho`` and ``twistd echo``."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import ClassVar, NoReturn

from twisted.cred.credentials import IAnonymous, ISSHPrivateKey, IUsernamePassword
from twisted.cred.strcred import (
    AuthOptionMixin,
    ICheckerFactory,
    InvalidAuthArgumentString,
    InvalidAuthType,
)
from twisted.python.usage import UsageError

from sshecho.cred.auth import checkerFactories, checkerFactory
from sshecho.cred.memory import MemoryChecker
from sshecho.options import Options as CommonOptions
from sshecho.service.limits import limitOptions, limitsOf
from sshecho.service.start import StartError
from sshecho.web.options import WebOptions

DEMONSTRATION = ("user", "pass")
"""Who gets in when there is no --auth: on loopback only, and said at the start."""

OFF = "off"
_BY_USER = "by-user"

_MOST = 256  # workers
_MAPPED = ip_network("::ffff:0:0/96")


def defaultHostKeys() -> Path:
    """Return the folder of the host keys: below XDG_STATE_HOME, or what stands in for it."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # A path that is not absolute is to be ignored, says the specification.
    return Path(state if os.path.isabs(state) else "~/.local/state") / "sshecho" / "keys"


class Options(CommonOptions, WebOptions, AuthOptionMixin):
    """The options of `sshecho serve` and of `twistd sshecho`."""

    synopsis = "[options]"
    optParameters: ClassVar = [
        ["host-keys", None, None, "folder of the ssh_host_*_key files"],
        ["app", None, None, "MODULE:NAME, what a login gets: it returns an IProtocol"],
        ["banner", None, None, "file of what is shown before an SSH login"],
        ["greeting", None, None, "file of what an SSH session with a terminal begins with"],
        ["audit", None, None, "file of the audit log, a JSON object a line; - is standard output"],
        *limitOptions(),
    ]
    optFlags: ClassVar = [
        ["penalize-loopback", None, "let failed logins from loopback slow it down too"],
    ]
    supportedInterfaces = (IUsernamePassword, ISSHPrivateKey, IAnonymous)
    defaultSSH = "tcp:2222:interface=127.0.0.1"
    defaultLine = "tcp:8000:interface=127.0.0.1"

    @property
    def longdesc(self) -> str:
        """What the help says below the options."""
        user, password = DEMONSTRATION
        return (
            "An echo you log in to, over SSH and over a plain line protocol. Unless they are "
            f"given, --ssh is {self.defaultSSH} and --line is {self.defaultLine}. Without --auth "
            f"it is a demonstration for loopback: user {user}, password {password}."
        )

    def __init__(self) -> None:
        CommonOptions.__init__(self)
        self["ssh"] = []
        self["line"] = []
        self["algorithms"] = "modern"
        self["trusted-proxy"] = []
        self["workers"] = None
        self["folder"] = os.getcwd()  # what the arguments are relative to; twistd may change it
        self["penalties"] = None
        self["fault"] = []
        self._onlyKeys = ""
        self.setUpWeb()

    def opt_ssh(self, endpoint: str) -> None:
        """Twisted server endpoint of the SSH door; 'off' closes it; may be given again."""
        self["ssh"].append(endpoint)

    def opt_line(self, endpoint: str) -> None:
        """Twisted server endpoint of the line door; 'off' closes it; may be given again."""
        self["line"].append(endpoint)

    def opt_trusted_proxy(self, name: str) -> None:
        """Network, or address, of proxies to believe at haproxy: endpoints; may be given again."""
        try:
            network = ip_network(name)
            if network.version == 6 and network.overlaps(_MAPPED) and network.prefixlen:
                raise ValueError("IPv4's networks are written as IPv4's")
            self["trusted-proxy"].append(network)
        except ValueError as error:
            raise UsageError(f"--trusted-proxy {name}: {error}") from None

    def opt_algorithms(self, name: str) -> None:
        """What the SSH door offers: 'modern' (the default), or 'compatible' with older clients."""
        from sshecho.ssh.algorithms import POLICIES

        if name not in POLICIES:
            raise UsageError(f"--algorithms {name}: it is either {' or '.join(POLICIES)}")
        self["algorithms"] = name

    def opt_workers(self, number: str) -> None:
        """How many processes serve, behind one that listens; 'auto' for as many as cores (1)."""
        if number == "auto":
            self["workers"] = len(os.sched_getaffinity(0))
            return
        if not re.fullmatch(r"[0-9]{1,3}", number, re.ASCII) or not 1 <= int(number) <= _MOST:
            raise UsageError(f"--workers {number}: it is a number from 1 to {_MOST}, or auto")
        self["workers"] = int(number) if int(number) > 1 else None

    def opt_penalties(self, spec: str) -> None:
        """db:MODULE:CONNECT, a database through which servers share the penalties of sources."""
        from sshecho.service.sharedpenalties import parsePenalties

        self["penalties"] = parsePenalties(spec)

    def opt_fault(self, text: str) -> None:
        """A fault to show, for tests; 'by-user' lets users choose by name; may be given again."""
        from sshecho.testing.faults import UnknownFault, parseFault

        try:
            self["fault"].append(None if text == _BY_USER else parseFault(text))
        except UnknownFault as error:
            raise UsageError(f"--fault {text}: {error}, and {_BY_USER}") from None
        except ValueError as error:
            raise UsageError(f"--fault {text}: {error}") from None

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the arguments, and keep them, for workers to parse."""
        self["arguments"] = list(sys.argv[1:] if options is None else options)
        super().parseOptions(self["arguments"])

    def opt_auth(self, spec: str) -> None:
        """A credentials checker, TYPE[:ARG]; given again, each adds to the chain."""
        authType, _, argument = spec.partition(":")
        factory = self._checkerFactory("--auth", authType)
        try:
            checker = factory.generateChecker(argument)
            self.addChecker(checker)
        except InvalidAuthArgumentString as error:
            raise UsageError(f"--auth {authType}: {error}") from None
        except Exception as error:  # a file that can't be used, or someone else's plugin
            why = str(error) or type(error).__name__
            raise StartError(f"--auth {authType}: {why}") from None
        if set(checker.credentialInterfaces) == {ISSHPrivateKey}:
            self._onlyKeys = authType

    def _checkerFactory(self, option: str, authType: str) -> ICheckerFactory:
        try:
            factory = checkerFactory(authType)
        except InvalidAuthType:
            why = "there is no such checker; --help-auth lists them"
            raise UsageError(f"{option} {authType}: {why}") from None
        if not self.supportsCheckerFactory(factory):
            raise UsageError(f"{option} {authType}: no door takes the credentials that it checks")
        return factory

    def _checkerFactoriesForOptHelpAuth(self) -> Iterator[ICheckerFactory]:
        # Twisted's would list its own beside ours of the same name.
        return (f for f in checkerFactories() if self.supportsCheckerFactory(f))

    def opt_help_auth_type(self, authType: str) -> NoReturn:
        """Show help for one checker."""
        factory = self._checkerFactory("--help-auth-type", authType)
        lines = [
            f"Usage: --auth {authType}[:ArgString]",
            f"ArgString format: {factory.argStringFormat}",
            "",
            *(f"  {line.strip()}" for line in factory.authHelp.strip().splitlines()),
            "",
        ]
        self.authOutput.write("\n".join(lines) + "\n")
        raise SystemExit(0)

    def doors(self) -> list[tuple[str, str]]:
        """Return the kind and the endpoint of each door; its place is its number."""
        return [(kind, endpoint) for kind in ("ssh", "line") for endpoint in self[kind]]

    def postOptions(self) -> None:
        """Fill in what was not given."""
        for door, default in (("ssh", self.defaultSSH), ("line", self.defaultLine)):
            endpoints = self[door] or [default]
            if OFF in endpoints and set(endpoints) != {OFF}:
                raise UsageError(f"--{door}: it is either {OFF} or open")
            self[door] = [endpoint for endpoint in endpoints if endpoint != OFF]
            for endpoint in self[door]:
                self._checkProxied(door, endpoint)
        if not self["ssh"] and not self["line"]:
            raise UsageError("both doors are off: nothing to serve")
        if self._onlyKeys and not self["ssh"]:
            raise UsageError(f"--auth {self._onlyKeys}: only SSH takes keys, and --ssh is off")
        self["demonstration"] = "credCheckers" not in self
        if self["demonstration"] and self["app"] is not None:
            raise UsageError("--app: the demonstration login is for the echo only; give --auth")
        if self["demonstration"]:
            user, password = DEMONSTRATION
            self.addChecker(MemoryChecker({user.encode(): password.encode()}))
        self.checkWeb()
        if self["fault"] and (self["workers"] or self["metrics"]):
            raise UsageError("--fault: a server for tests is without --workers and --metrics")
        # Absolute from the start: twistd may change the folder.
        for option in ("banner", "greeting"):
            if self[option] is not None:
                self[option] = Path(self[option]).absolute()
        folder = os.path.expanduser(self["host-keys"] or defaultHostKeys())
        if self["ssh"] and folder.startswith("~"):
            raise UsageError(f"--host-keys: there is no such home folder: {folder}")
        self["host-keys"] = Path(folder).absolute()
        self["limits"] = limitsOf(self)

    def _checkProxied(self, door: str, endpoint: str) -> None:
        from sshecho.service.doors import endpointBehindProxies, endpointKind

        behind = endpointBehindProxies(endpoint)
        if behind is None:
            return
        why = ""
        if endpointBehindProxies(behind) is not None:
            why = "one PROXY header is enough"
        elif endpointKind(behind) == "unix":
            why = "whoever connects there has no address that --trusted-proxy could name"
        elif not self["trusted-proxy"]:
            why = "a PROXY header from anyone would be believed; give --trusted-proxy"
        if why:
            raise UsageError(f"--{door} {endpoint}: {why}")


class EchoOptions(Options):
    """The options of the chapter's `twistd echo`: all of them, with the SSH door closed."""

    defaultSSH = OFF
