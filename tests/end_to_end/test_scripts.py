"""The scripts that a stranger types first."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATE = [sys.executable, str(ROOT / "scripts" / "generate_host_keys.py")]


def generate(*arguments) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GENERATE, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def fingerprint(program: str, path: Path) -> str:
    shown = subprocess.run([program, "-lf", path], capture_output=True, text=True, check=True)
    return shown.stdout.split()[1]


def test_all_types(need, private):
    """Without --type there is one key of each type, with the fingerprints that ssh-keygen shows."""
    program = need("ssh-keygen")
    done = generate("--dir", private)
    assert (done.returncode, done.stderr) == (0, "")
    for kind, line in zip(("ed25519", "ecdsa", "rsa"), done.stdout.splitlines(), strict=True):
        path = private / f"ssh_host_{kind}_key"
        assert line == f"{path}: {fingerprint(program, path)} ({kind.upper()})"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_never_overwrites(private):
    """A key that is there stays unless --force is given, and that is said."""
    path = private / "ssh_host_ed25519_key"
    generate("--dir", private, "--type", "ed25519")
    first = path.read_bytes()
    done = generate("--dir", private, "--type", "ed25519")
    assert done.returncode == 1
    assert done.stderr == f"{path} is there already; --force replaces it\n"
    assert path.read_bytes() == first
    done = generate("--dir", private)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].endswith("(ED25519), kept")
    assert len(done.stdout.splitlines()) == 3
    assert path.read_bytes() == first
    assert generate("--dir", private, "--type", "ed25519", "--force").returncode == 0
    assert path.read_bytes() != first


def test_only_what_is_asked_for(private):
    """With --type there is a key of that type and no other."""
    generate("--dir", private / "new", "--type", "ecdsa")
    assert sorted(os.listdir(private / "new")) == ["ssh_host_ecdsa_key", "ssh_host_ecdsa_key.pub"]


def test_bad_arguments(private):
    """A type that is none and a folder that can't be made are each said in a line."""
    done = generate("--dir", private, "--type", "dsa")
    assert done.returncode == 2
    assert "invalid choice: 'dsa'" in done.stderr
    (private / "file").write_text("")
    done = generate("--dir", private / "file" / "keys", "--type", "rsa")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "Not a directory" in done.stderr
    done = generate("--dir", private / "file")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert f"{private}/file: " in done.stderr


def test_keys_stay_out_of_git(need):
    """Of the folder for host keys git takes only a README and a .gitignore."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    ignored = subprocess.run(
        [
            need("git"),
            "-c",
            "safe.directory=*",
            "check-ignore",
            "keys/ssh_host_ed25519_key",
            "keys/x",
            "keys/README.md",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout.split() == ["keys/ssh_host_ed25519_key", "keys/x"]
