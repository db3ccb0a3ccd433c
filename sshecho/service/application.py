"""``--app MODULE:NAME``: what a login gets in place of the echo."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial, reduce
from importlib import import_module

from twisted.internet.interfaces import IProtocol

from sshecho.cred.realm import Application
from sshecho.people import oneLine
from sshecho.service.start import StartError


def loadApplication(spec: str) -> Application:
    """Return the callable that a spec names. Modules in the current folder are found too.

    Args:
        spec: ``MODULE:NAME``, such as ``chat:Chat``; the name may have dots.

    Raises:
        StartError: when there is no such thing, or it can't be called.
    """
    module, colon, name = spec.partition(":")
    if not (module and colon and name):
        raise StartError(f"--app {spec}: not MODULE:NAME, such as chat:Chat")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        make: object = reduce(getattr, name.split("."), import_module(module))
    except (Exception, SystemExit) as error:  # whatever somebody's module does when it is imported
        raise StartError(f"--app {spec}: {type(error).__name__}: {oneLine(error)}") from None
    if not callable(make):
        raise StartError(f"--app {spec}: it can't be called")
    return partial(_made, spec, make)


def _made(spec: str, make: Callable[[], object]) -> IProtocol:
    protocol = make()
    if not IProtocol.providedBy(protocol):
        raise TypeError(f"--app {spec}: it has returned no IProtocol")
    return protocol
