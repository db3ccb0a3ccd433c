"""The `sshecho` command, with policies that offer what none of ours does.

`--algorithms everything` has all that there is, but no compression; and each kind of compression
is a policy of its name, that has nothing else.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from sshecho.__main__ import main
from sshecho.ssh.algorithms import MODERN, POLICIES, Policy
from sshecho.ssh.packets.keyexchange import METHODS
from sshecho.testing.algorithms import ALGORITHMS
from sshecho.testing.oldalgorithms import learn


def names(kind: str) -> tuple[bytes, ...]:
    """Return the names of all algorithms of a kind."""
    return tuple(name.encode("ascii") for name in ALGORITHMS[kind])


if __name__ == "__main__":
    learn()
    methods = tuple(name for name in names("kex") if name in METHODS)
    POLICIES["everything"] = Policy(methods, names("ciphers"), names("macs"), names("host_keys"))
    for compression in names("compression"):
        POLICIES[compression.decode()] = replace(MODERN, compressions=(compression,))
    sys.exit(main())
