"""Runs one target: `python -m fuzzing.fuzzer TARGET FOLDER [libFuzzer's arguments]`.

The folder is for the cases to begin with, and those found on the way; it is not needed when there
are files or folders among libFuzzer's arguments.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["sshecho"]):
    from fuzzing import parsers, seeds, targets

from fuzzing.watch import Watch

_OPTIONS = ("-timeout=20", "-max_len=65536", "-use_value_profile=1")


def main() -> None:
    """Fuzz, until the time is over or something is found; libFuzzer ends the process."""
    name, folder, *arguments = sys.argv[1:]
    target = parsers.parse if name == "parsers" else getattr(targets, name)
    if all(argument.startswith("-") for argument in arguments):
        for seed in seeds.seeds(name):
            Path(folder, sha256(seed).hexdigest()).write_bytes(seed)
        arguments.append(folder)
    with Watch() as watch:

        def case(data: bytes) -> None:
            target(data)
            watch.check()
            watch.checkPairs()

        atheris.Setup([sys.argv[0], *_OPTIONS, *arguments], case)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
