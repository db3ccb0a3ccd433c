"""The bench, on servers that every checkout has."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from serving import PATIENCE, ROOT, environment

BENCH = [sys.executable, "-m", "benchmarks"]


def env(private) -> dict[str, str]:
    folder = private / "temporary"
    folder.mkdir()
    return environment(PYTHONPATH=str(ROOT / "scripts"), TMPDIR=str(folder))


def bench(private, *arguments) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*BENCH, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=env(private),
        timeout=PATIENCE,
        check=False,
    )
    assert os.listdir(private / "temporary") == []
    return done


def test_comparison(private):
    """All is measured of each server, and shown as a table, as JSON and as a chart."""
    files = ("--json", private / "all.json", "--chart", private / "all.svg")
    few = ("--operations", 2, "--rounds", 1, "--only", "sshecho,conch")
    done = bench(private, *few, *files)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "|  | sshecho | Conch, x sshecho |"
    measured = json.loads((private / "all.json").read_text())["servers"]
    assert list(measured) == ["sshecho", "conch"]
    [first], [second] = (each["rounds"] for each in measured.values())
    assert list(first) == list(second) == [line.split(" | ")[0][2:] for line in lines[2:10]]
    assert all(value > 0 for title, value in first.items() if "KiB" not in title)
    assert measured["conch"]["agreed"] == "aes128-ctr and hmac-sha2-256"
    assert (private / "all.svg").read_text().startswith("<svg")


def test_growth(private):
    """More and more sessions are opened, and their cost is a line each."""
    done = bench(private, "growth", "--sessions", 2, 1, "--rounds", 2)
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ")[1] for line in done.stdout.splitlines()[2:]]
    assert rows == ["1", "2"]


def test_attacks(private):
    """What an attack does to the others is a row, for each server."""
    few = ("--attacks", "guesses", "--only", "sshecho,conch", "--seconds", 2, "--rounds", 1)
    done = bench(private, "attacks", *few)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["guesses", "sshecho"], ["guesses", "Conch"]]
    assert all(float(row[2]) > 0 for row in rows)


def test_denials(private):
    """How long denials take is a row for each kind of store."""
    done = bench(private, "denials", "--tries", 2)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows][:1] == ["a file of hashes"]
    assert all(0 <= float(row[3]) <= 1 for row in rows)


def test_fixture(private):
    """How long a test waits for its server is a row for each step."""
    done = bench(private, "fixture", "--rounds", 1)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:6]]
    assert [row[0] for row in rows] == ["start", "reset", "reset, 10 clients", "close"]
    assert all(float(row[2]) >= float(row[1]) > 0 for row in rows)


def test_unknown_name(private):
    """A server that is none is said, with those that there are."""
    done = bench(private, "--only", "sshecho,telnetd")
    assert done.returncode == 2
    assert "'telnetd' is none of sshecho, conch" in done.stderr


def test_interrupt(private):
    """Ctrl-C leaves no process and no file."""
    command = [*BENCH, "--only", "sshecho", "--rows", "idle"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=env(private), text=True) as run:
        while "round 1" not in run.stderr.readline():
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        assert run.wait(PATIENCE) == 130
    assert os.listdir(private / "temporary") == []
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if private_in(path, private)]


def private_in(path: Path, private: Path) -> bool:
    try:
        return bytes(private) in path.read_bytes()
    except OSError:
        return False
