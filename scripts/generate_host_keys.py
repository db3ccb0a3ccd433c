#!/usr/bin/env python3
"""Make SSH host keys in OpenSSH's format, and print their fingerprints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

try:
    from sshecho.ssh.hostkeys import MAKERS, BadHostKeyError, makeHostKey, readHostKey
except ModuleNotFoundError as missing:
    sys.exit(
        f"generate_host_keys: this Python has no {missing.name}; scripts/serve makes one that has: "
        f".venv/bin/python scripts/generate_host_keys.py"
    )


def main() -> int:
    """Make the keys that are asked for; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Without --type: what is missing of each. A key that is there stays "
        "unless --force is given.",
    )
    parser.add_argument("--type", action="append", choices=list(MAKERS), help="may be given again")
    parser.add_argument(
        "--dir", type=Path, default=ROOT / "keys", help="folder (default: the checkout's keys/)"
    )
    parser.add_argument("--force", action="store_true", help="replace keys that are there")
    options = parser.parse_args()
    status = 0
    for kind in dict.fromkeys(options.type or MAKERS):
        path = options.dir / f"ssh_host_{kind}_key"
        try:
            if path.exists() and not options.force:
                print(f"{path}: {readHostKey(path)}, kept")
                if options.type:  # it was asked for, and is not made
                    print(f"{path} is there already; --force replaces it", file=sys.stderr)
                    status = 1
            else:
                print(f"{path}: {makeHostKey(options.dir, kind, replace=options.force)}")
        except BadHostKeyError as error:
            print(error, file=sys.stderr)
            status = 1
        except OSError as error:
            print(f"{error.filename or path}: {error.strerror}", file=sys.stderr)
            return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
