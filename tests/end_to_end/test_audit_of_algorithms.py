"""What the SSH door offers, judged by ssh-audit."""

from __future__ import annotations

import json
import subprocess
import sys


def judge(port: int) -> dict[str, list[str]]:
    """Return ssh-audit's findings by their severity, each with the algorithm that it is of."""
    command = [sys.executable, "-m", "ssh_audit", "-j", "--skip-rate-test", "-p", str(port)]
    done = subprocess.run([*command, "127.0.0.1"], capture_output=True, text=True, timeout=60)
    report = json.loads(done.stdout)
    assert report["cves"] == []
    found: dict[str, list[str]] = {"fail": [], "warn": [], "info": []}
    for kind in ("kex", "key", "enc", "mac"):
        for algorithm in report[kind]:
            for severity, notes in algorithm["notes"].items():
                found[severity] += [f"{algorithm['algorithm']}: {note}" for note in notes]
    return found


def test_modern(serve):
    """By default nothing fails, and what is warned of is only that X25519 is no new method."""
    with serve("--line", "off") as server:
        found = judge(server.ssh_port)
    assert found["fail"] == []
    assert len(found["warn"]) <= 2
    assert all("post-quantum" in warning for warning in found["warn"])
    assert any("kex-strict-s-v00@openssh.com" in note for note in found["info"])


def test_compatible(serve):
    """What older clients need is warned of, and still nothing fails."""
    with serve("--line", "off", "--algorithms", "compatible") as server:
        found = judge(server.ssh_port)
    assert found["fail"] == []
    assert found["warn"] != []
