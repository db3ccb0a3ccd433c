"""Run one attack: `python -m attacking NAME --ssh PORT --line PORT --seconds S`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from twisted.conch.ssh.keys import Key

from attacking.attacker import Target
from attacking.attacks import ATTACKS


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser("attacking", description=__doc__)
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("--ssh", type=int, metavar="PORT")
    parser.add_argument("--line", type=int, metavar="PORT")
    parser.add_argument("--source", default="127.0.0.2", metavar="ADDRESS")
    parser.add_argument("--user", default="user")
    parser.add_argument("--key", metavar="FILE", help="in place of the demonstration's password")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    key = None if options.key is None else Key.fromString(Path(options.key).read_bytes())
    user = options.user.encode()
    target = Target("127.0.0.1", options.ssh, options.line, options.source, user, key=key)
    ATTACKS[options.attack](target, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
