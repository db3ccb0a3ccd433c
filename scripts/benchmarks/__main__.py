"""`scripts/bench`: compare, unless another command is named."""

import signal
import sys

from benchmarks import attacks, compare, denials, fixture, growth, hashing, workers

COMMANDS = {
    "attacks": attacks.main,
    "compare": compare.main,
    "denials": denials.main,
    "fixture": fixture.main,
    "growth": growth.main,
    "hashing": hashing.main,
    "workers": workers.main,
}


def main() -> int:
    """Run the command; return the exit status."""
    arguments = sys.argv[1:]
    name = arguments.pop(0) if arguments and arguments[0] in COMMANDS else "compare"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    try:
        return COMMANDS[name](arguments)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
