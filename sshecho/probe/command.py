"""The command `sshecho probe`: its options, its output, its exit status."""

from __future__ import annotations

import os
import re
import sys
import time
from io import TextIOWrapper
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from twisted.python.usage import UsageError

from sshecho.options import Options as CommonOptions
from sshecho.people import escape
from sshecho.probe.target import Target, parseTarget

if TYPE_CHECKING:
    from sshecho.probe.attempt import Attempt
    from sshecho.probe.identity import Identity
    from sshecho.probe.knownhosts import KnownKey
    from sshecho.probe.report import Report

INTERRUPTED = 130
"""The exit status of a program that was broken off, as shells have it."""

_ANONYMOUS = "anonymous"
_PIN = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")


class Options(CommonOptions):
    """The options of `sshecho probe`."""

    synopsis = "[options] [user@]host[:port] | line://[user@]host[:port]"
    longdesc = (
        "Logs in, sends a line, waits for its echo, and says what was negotiated and how long each "
        "step took. Without -i it logs in with a password: from --password-file, from the "
        "environment (SSHECHO_PASSWORD), or asked for at the terminal; the user anonymous needs "
        "none. Keys in an ssh agent and certificates are not used. The exit status is 0 when the "
        "echo has come, 1 when it has not, with a line that says why."
    )
    optParameters: ClassVar = [
        ["wait", None, None, "seconds in which to try again until the echo comes"],
        ["timeout", None, "10", "seconds that one attempt may take"],
        ["password-file", None, None, "file whose first line is the password"],
        ["known-hosts", None, None, "file of known hosts, instead of ~/.ssh/known_hosts"],
    ]
    optFlags: ClassVar = [
        ["json", None, "print one JSON object, also when it fails"],
        ["plain-text", None, "let a line door on another machine see the password"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["identity"] = []
        self["host-key"] = []

    def opt_identity(self, path: str) -> None:
        """File of a private key to log in with; may be given again."""
        self["identity"].append(path)

    opt_i = opt_identity

    def opt_host_key(self, pin: str) -> None:
        """Fingerprint, SHA256:..., of the only host key to accept; may be given again."""
        if not _PIN.fullmatch(pin):
            raise UsageError("--host-key: give a fingerprint as ssh shows it, SHA256:...")
        self["host-key"].append(pin)

    def parseArgs(self, *targets: str) -> None:
        """Take the target."""
        if len(targets) != 1:
            raise UsageError("give one target: [user@]host[:port], or line://[user@]host[:port]")
        try:
            self["target"] = parseTarget(targets[0])
        except ValueError as error:
            raise UsageError(str(error)) from None

    def postOptions(self) -> None:
        """Look at what goes with what."""
        for name in ("wait", "timeout"):
            if self[name] is not None:
                self[name] = _seconds(name, self[name])
        target: Target = self["target"]
        if self["host-key"] and self["known-hosts"]:
            raise UsageError("give --host-key or --known-hosts, not both")
        if self["identity"] and self["password-file"]:
            raise UsageError("give -i or --password-file, not both")
        if target.door == "ssh" and self["plain-text"]:
            raise UsageError("--plain-text is for the line door: SSH is never plain text")
        if target.door == "line":
            for name in ("identity", "host-key", "known-hosts"):
                if self[name]:
                    raise UsageError(f"--{name} is for SSH: the line door has no keys")
            if re.search(r"\s", target.user):
                raise UsageError("a name with a space can't log in at the line door, only by SSH")


def _seconds(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not (isfinite(number) and number > 0):
        raise UsageError(f"--{name}: give a number of seconds, more than 0")
    return number


def run(options: Options) -> int:
    """Do what the options say.

    Returns:
        The exit status: 0, 1 after a line on standard error that says why, or `INTERRUPTED`.
    """
    try:
        report = _probe(options)
        if report is None:
            return INTERRUPTED
        if options["json"] or report.error is None:
            why = _write(report.asJSON() if options["json"] else report.asText())
            if why:
                print(f"sshecho probe: the output: {why}", file=sys.stderr)
                return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)  # the cursor stands behind the question
        return INTERRUPTED
    except OSError as error:  # no descriptor is left, say
        print(f"sshecho probe: {error.strerror or error}", file=sys.stderr)
        return 1
    if report.error is None:
        return 0
    print(escape(f"sshecho probe: {report.attempt.target}: {report.error}"), file=sys.stderr)
    return 1


def _write(text: str) -> str | None:
    """Write to standard output; return why that can't be done, if it can't."""
    if not isinstance(sys.stdout, TextIOWrapper):
        return "it is closed"
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except OSError as error:  # a full disk, a pipe that nobody reads
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error.strerror
    return None


def _probe(options: Options) -> Report | None:
    """Return what the probe found; None when it was broken off."""
    # Only here, as whoever serves needs none of it.
    from sshecho.probe.attempt import Attempt, ProbeError
    from sshecho.probe.report import Report

    target: Target = options["target"]
    try:
        known = _readKnownHosts(options)  # before a password is asked for
        identity = _identity(options)
    except ProbeError as error:
        return Report(Attempt(target, time.monotonic), 0, error)
    return _runReactor(options, known, identity)


def _readKnownHosts(options: Options) -> list[KnownKey]:
    from sshecho.probe.attempt import ProbeError
    from sshecho.probe.knownhosts import readKnownHosts

    if options["target"].door == "line" or options["host-key"]:
        return []
    path = Path(options["known-hosts"] or "~/.ssh/known_hosts")
    try:
        return readKnownHosts(path.expanduser())
    except (OSError, RuntimeError, ValueError) as error:
        # A file or a home folder that is not there is one without keys, unless it was named.
        if isinstance(error, FileNotFoundError | RuntimeError) and not options["known-hosts"]:
            return []
        why = getattr(error, "strerror", None) or error
        raise ProbeError(f"{path}: {why}", final=True) from None


def _identity(options: Options) -> Identity:
    from sshecho.probe.identity import (
        ENVIRONMENT,
        Identity,
        askForPassword,
        readKeys,
        readPasswordFile,
    )

    target: Target = options["target"]
    if options["identity"]:
        return readKeys(options["identity"])
    if options["password-file"]:
        return readPasswordFile(options["password-file"])
    if target.user == _ANONYMOUS:
        return Identity()
    password = os.environb.get(ENVIRONMENT.encode())
    if password:
        return Identity(password=password)
    return askForPassword(f"{target.user}@{target.address}")


def _runReactor(options: Options, known: list[KnownKey], identity: Identity) -> Report | None:
    from twisted.internet import reactor as theReactor
    from twisted.internet._resolver import GAIResolver
    from twisted.internet.defer import Deferred
    from twisted.internet.endpoints import HostnameEndpoint
    from twisted.internet.interfaces import (
        IReactorCore,
        IReactorPluggableNameResolver,
        IReactorThreads,
        IReactorTime,
    )
    from twisted.logger import globalLogBeginner
    from twisted.python.failure import Failure

    from sshecho.cred.threads import Pool
    from sshecho.probe.client import probe
    from sshecho.probe.hostkeys import HostKeys
    from sshecho.probe.lineclient import LineClient
    from sshecho.probe.sshclient import Client

    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False)
    reactor = IReactorCore(theReactor)
    # The reactor would wait at its end for a look-up that nobody waits for any more.
    pool = Pool(0, 2, "names")
    pool.start()
    reactor.addSystemEventTrigger("during", "shutdown", pool.stop)
    names = GAIResolver(IReactorThreads(reactor), lambda: pool)
    IReactorPluggableNameResolver(reactor).installNameResolver(names)
    target: Target = options["target"]
    hostKeys = HostKeys(target, known, options["host-key"])
    outcome: list[Report | Failure | None] = []

    def makeClient(attempt: Attempt) -> Client | LineClient:
        if target.door == "line":
            return LineClient(attempt, identity, plainText=bool(options["plain-text"]))
        return Client(attempt, identity, hostKeys)

    def begin() -> None:
        probing = probe(
            target,
            HostnameEndpoint(reactor, target.host, target.port, timeout=options["timeout"]),
            makeClient,
            clock=IReactorTime(reactor),
            seconds=time.monotonic,
            timeout=options["timeout"],
            wait=options["wait"] or 0,
        )
        Deferred.fromCoroutine(probing).addBoth(end)

    def end(result: Report | Failure) -> None:
        if not outcome:
            outcome.append(result)
            reactor.stop()

    def stopping() -> None:
        if not outcome:
            outcome.append(None)  # a signal came first; what ends now is no failure

    reactor.addSystemEventTrigger("before", "shutdown", stopping)
    reactor.callWhenRunning(begin)
    reactor.run()
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]
