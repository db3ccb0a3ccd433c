"""Load and attack a server for minutes, and see that nothing is lost.

Sessions that stay have a line echoed now and then, which is timed; others come with a login, a line
or MiBs of noise, and go; connections are reset in the middle of something; and one attack comes
after the other. Every byte of the well-behaved has to come back, memory has to stay, and at the end
all has to be closed and logged out. The server is the demonstration, with new keys after each 4 MiB
and a SIGHUP each minute, on a processor's core of its own if there are two. It is warmed up by the
load and one short turn of each attack before the first minute is counted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.progress import clear

from soaking import picture, tables
from soaking.rotation import WARM_UP
from soaking.soak import soak
from soaking.verdicts import MINUTE, verdicts


def main(arguments: list[str]) -> int:
    """Soak and print; return the exit status."""
    options = parser().parse_args(arguments)
    record = soak(max(1, round(options.minutes * MINUTE)), options.warm_up, options.seed)
    clear()
    if record.seconds:
        print(tables.overview(record), tables.deeds(record), tables.attacks(record), sep="\n\n")
        print()
    found = verdicts(record)
    for verdict in found:
        print(f"- {'ok' if verdict.holds else 'FAILED'}: {verdict.text}")
    if record.seconds and options.chart:
        options.chart.write_text(picture.picture(record))
    return 0 if all(verdict.holds for verdict in found) else 1


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(
        "scripts/soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--minutes", type=float, default=10, metavar="N", help="10")
    made.add_argument("--warm-up", type=int, default=WARM_UP, metavar="S", help=f"{WARM_UP} s")
    made.add_argument("--seed", type=int, default=1, metavar="N", help="what chance begins with: 1")
    made.add_argument("--chart", type=Path, metavar="FILE", help="write a chart, in SVG")
    return made


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
