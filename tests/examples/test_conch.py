"""Conch, Twisted's own: its example runs in a process of its own, with a reactor that is clean."""

import subprocess
import sys
from pathlib import Path


def test_trial(tmp_path):
    """Trial runs the example's tests."""
    done = subprocess.run(
        [sys.executable, "-m", "twisted.trial", "conch_case"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parent), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "(successes=2)" in done.stdout
