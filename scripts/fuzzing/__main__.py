"""`scripts/fuzz`: have atheris make up cases, for all targets or one, and tell what it found."""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections import deque
from subprocess import PIPE, STDOUT

TARGETS = {
    "packets": "an SSH connection before it has keys",
    "session": "an SSH connection that has keys, before the login and behind it",
    "line": "the line door",
    "parsers": "what reads keys, certificates, files of keys, terminals and Telnet",
    "client": "the client's side of the packet layer, which probes with it",
}
_TOLD = 40  # lines of what is told of a case that was found
_COUNTED = re.compile(r"(?:#|Done |.*: Running )(\d+)\b")


def main() -> int:
    """Fuzz; return the exit status."""
    parser = argparse.ArgumentParser(
        "scripts/fuzz",
        description=__doc__,
        epilog="Targets: " + "; ".join(f"{name}, {what}" for name, what in TARGETS.items()) + ".",
    )
    parser.add_argument("target", nargs="?", choices=[*TARGETS, "all"], default="all")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together (60)")
    options, arguments = parser.parse_known_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris has no release for this Python or this machine.", file=sys.stderr)
        return 1
    names = list(TARGETS) if options.target == "all" else [options.target]
    seconds = max(1, options.seconds // len(names))  # 0 would be without end
    return max([_run(name, seconds, arguments) for name in names])


def _run(name: str, seconds: int, arguments: list[str]) -> int:
    """Fuzz a target in a process of its own; return its exit status."""
    told: deque[str] = deque(maxlen=_TOLD)
    cases = "?"
    with tempfile.TemporaryDirectory(prefix="sshecho-fuzz-") as folder:
        command = [sys.executable, "-m", "fuzzing.fuzzer", name, folder]
        command += [f"-max_total_time={seconds}", *arguments]
        with subprocess.Popen(command, stdout=PIPE, stderr=STDOUT, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if counted := _COUNTED.match(line):
                    cases = f"{int(counted[1]):,}"
                elif not line.startswith(("INFO:", "WARNING: Failed to find")):
                    told.append(line)
    if process.returncode:
        print("".join(told), end="")
    found = "something was found" if process.returncode else "nothing was found"
    print(f"{name}: {cases} cases, {found}", flush=True)
    return process.returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
