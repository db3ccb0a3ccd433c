"""`scripts/bench`: compare, unless another command is named."""

import signal
import sys
from types import FrameType

from benchmarks import compare, growth, hashing

COMMANDS = {"compare": compare.main, "growth": growth.main, "hashing": hashing.main}


def interrupt(signum: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does: what runs is cleaned up."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the command; return the exit status."""
    arguments = sys.argv[1:]
    name = arguments.pop(0) if arguments and arguments[0] in COMMANDS else "compare"
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return COMMANDS[name](arguments)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
