"""Measure sshecho beside other SSH servers, side by side in one run.

Each server gets the same: one ed25519 user key and host key, curve25519-sha256, and of one list of
ciphers the first that it can do. In each round each server is started afresh and has its turn; the
table shows the medians of the rounds. CPU is the server's alone, user and system, with all the
processes that it forks. A server that is not installed is left out, and said.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import chart, table
from benchmarks.machine import describe, pin
from benchmarks.measures import FULL, MEASURES, QUICK, Sizes, tiny
from benchmarks.options import installed, listOf, positive
from benchmarks.progress import tell
from benchmarks.rounds import Results, measure
from benchmarks.servers import SERVERS


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit status."""
    options = parser().parse_args(arguments)
    sizes = FULL
    if options.quick:
        sizes = QUICK
    if options.operations:
        sizes = tiny(options.operations)
    core = pin()
    machine = describe(core)
    tell(machine)
    servers = installed(options.only)
    if not servers:
        return 1
    rounds = options.rounds or (2 if options.quick else 3)
    results = measure(servers, options.rows, rounds, sizes, core)
    if results:
        print(table.comparison(results), table.versions(results), sep="\n\n")
    if results and options.chart:
        options.chart.write_text(chart.chart(results))
    if options.json:
        options.json.write_text(json.dumps(plain(results, sizes, machine), indent=2) + "\n")
    return 0 if len(results) == len(servers) else 1


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(
        "scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(
            ["rows:"]
            + [f"  {name:8} {take.__doc__}" for name, take in MEASURES.items()]
            + ["", "Other commands: attacks, denials, growth, hashing, workers; each takes --help."]
        ),
    )
    made.add_argument("--rounds", type=positive, metavar="N", help="3, or 2 with --quick")
    made.add_argument(
        "--only",
        type=listOf(SERVERS),
        default=list(SERVERS),
        metavar="NAME,...",
        help=f"some of {','.join(SERVERS)}",
    )
    made.add_argument(
        "--rows",
        type=listOf(MEASURES),
        default=list(MEASURES),
        metavar="ROW,...",
        help=f"some of {','.join(MEASURES)}",
    )
    made.add_argument("--quick", action="store_true", help="less of all, in two minutes")
    made.add_argument("--json", type=Path, metavar="FILE", help="write each round's values")
    made.add_argument("--chart", type=Path, metavar="FILE", help="write a chart, in SVG")
    made.add_argument("--operations", type=positive, help=argparse.SUPPRESS)  # for tests
    return made


def plain(results: list[Results], sizes: Sizes, machine: str) -> dict[str, object]:
    """Return all there is to know, for JSON."""
    return {
        "machine": machine,
        "sizes": vars(sizes),
        "servers": {
            each.server.name: {
                "version": each.version,
                "agreed": each.agreed,
                "rounds": [
                    {figure.title: value for figure, value in taken.items()}
                    for taken in each.rounds
                ],
            }
            for each in results
        },
    }
