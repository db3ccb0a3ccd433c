"""The sshecho command: ``sshecho serve``, and what else there is to do from a terminal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import ClassVar

from twisted.internet.interfaces import IReactorCore, IReactorFromThreads
from twisted.logger import globalLogBeginner
from twisted.python.usage import UsageError

from sshecho import passwd, tap
from sshecho.options import Options
from sshecho.probe import command as probe
from sshecho.service.console import Console


class MainOptions(Options):
    """The options of the command itself."""

    synopsis = "Usage: sshecho"
    subCommands: ClassVar = [
        ["serve", None, tap.Options, "Open the doors and serve."],
        ["passwd", None, passwd.Options, "Change the users of a file or a database."],
        ["probe", None, probe.Options, "Log in and see whether the echo comes back."],
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: those of the command line if not given.

    Returns:
        The exit status: 0 when all went well, 2 after a line that says what is wrong with the
        arguments, else the command's own.

    Raises:
        StartError: a SystemExit with status 1 and a line that says what is wrong.
    """
    options = MainOptions()
    try:
        options.parseOptions(sys.argv[1:] if arguments is None else list(arguments))
        if options.subCommand is None:
            raise UsageError("which command? There are: serve, passwd, probe")
    except UsageError as error:
        command = " ".join(filter(None, ["sshecho", getattr(options, "subCommand", None)]))
        print(f"{command}: {error} (see {command} --help)", file=sys.stderr)
        return 2
    if options.subCommand == "passwd":
        return passwd.run(options.subOptions)
    if options.subCommand == "probe":
        return probe.run(options.subOptions)
    return serve(options.subOptions)


def serve(options: tap.Options) -> int:
    """Serve until SIGINT or SIGTERM; what twistd does, for one service in the foreground.

    Returns:
        The exit status.

    Raises:
        StartError: when the server can't start.
    """
    from twisted.internet import reactor as theReactor

    reactor = IReactorCore(theReactor)
    globalLogBeginner.beginLoggingTo([Console(sys.stderr)], redirectStandardIO=False)
    service = tap.makeService(options, reactor, console=True)
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.callWhenRunning(_endOnSignals, reactor)
    reactor.run()
    if service.failure is not None:
        raise service.failure
    return 0


def _endOnSignals(reactor: IReactorCore) -> None:
    """Stop at the first SIGINT or SIGTERM; those behind it find that under way."""

    def end(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        IReactorFromThreads(reactor).callFromThread(reactor.stop)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


if __name__ == "__main__":
    sys.exit(main())
