"""Doors that misbehave: what the faults ask for is done here, and nowhere in the doors themselves.

Each class stands in for one of the doors' own, and is built in its place: `misbehave`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from sshecho.line import LineFactory
from sshecho.ssh.factory import EchoSSHFactory
from sshecho.testing.faults.fault import Fault
from sshecho.testing.faulty.connection import FaultyConnection
from sshecho.testing.faulty.inforce import InForce, Order
from sshecho.testing.faulty.line import FaultyLine
from sshecho.testing.faulty.transport import FaultyTransport
from sshecho.testing.faulty.userauth import FaultyUserAuth


def inForce(faults: Sequence[Fault | None]) -> InForce:
    """Return what is in force from the command line; None lets clients choose by user name."""
    found = InForce(byUserName=None in faults)
    for fault in filter(None, faults):
        found.begin(Order(fault))
    return found


def misbehave(factories: Iterable[EchoSSHFactory | LineFactory], inForce: InForce) -> None:
    """Have the doors' factories build what shows the faults that are in force."""
    for factory in factories:
        if isinstance(factory, LineFactory):
            factory.protocol = partial(FaultyLine, inForce)
        else:
            factory.protocol = partial(FaultyTransport, inForce)
            factory.userAuth = FaultyUserAuth
            factory.connection = FaultyConnection
