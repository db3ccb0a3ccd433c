"""What a worker makes of the options, which the parent has sent it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorCore, IReactorFDSet, IReactorTime
from twisted.python.usage import UsageError

from sshecho.cred.threads import shareCores
from sshecho.service.proxy import ProxyFactory
from sshecho.service.start import StartError
from sshecho.tap.options import EchoOptions, Options
from sshecho.tap.rooms import Readers, makeRooms
from sshecho.workers.behind import behind
from sshecho.workers.link import Link
from sshecho.workers.reception import Reception


def makeReception(
    start: Mapping[str, Any], link: Link, reactor: IReactorCore, done: Callable[[], None]
) -> tuple[Reception, Readers]:
    """Return a worker's reception.

    Args:
        start: what the parent says of the options.
        link: to the parent.
        reactor: what runs the worker.
        done: called once no connection is left and none will come.

    Returns:
        The reception, and what reads files again.

    Raises:
        StartError: when something that the options name can't be used.
    """
    config = EchoOptions() if start["chapter"] else Options()
    try:
        config.parseOptions(start["arguments"])
    except UsageError as error:
        raise StartError(str(error)) from None
    shareCores(config["workers"])
    clock = IReactorTime(reactor)
    reception = Reception(link, config["limits"], IReactorFDSet(reactor), done)
    rooms = makeRooms(config, reception, clock)
    reception.factories = [
        behind(
            endpoint,
            rooms.factories[kind],
            partial(ProxyFactory, reception, clock, config["trusted-proxy"], kind),
            reactor,
        )
        for kind, endpoint in config.doors()
    ]
    return reception, rooms.readers
