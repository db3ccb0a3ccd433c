"""Runs a program under what a systemd unit forbids, where no systemd runs.

`python sandbox.py UNIT COMMAND...` puts on the unit's SystemCallFilter=, RestrictAddressFamilies=,
MemoryDenyWriteExecute=, NoNewPrivileges= and LimitNOFILE=, and as root PrivateNetwork= and an empty
CapabilityBoundingSet= too, as systemd does (systemd.exec(5)), and becomes the command. Files and
users stay what they are.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ALLOW, DENY = 0x7FFF0000, 0x00050000 | 1  # EPERM
EQUAL, MASKED_EQUAL = 4, 7
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CLONE_NEWNET = 0x40000000
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
LAST_CAPABILITY = 63

libc = ctypes.CDLL(None, use_errno=True)


class Comparison(ctypes.Structure):
    """libseccomp's struct scmp_arg_cmp: what an argument of a system call is compared with."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class Filter:
    """A filter of system calls, in force once it is loaded; several add up."""

    def __init__(self, default: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(default))

    def add(self, action: int, name: str, *comparisons: Comparison) -> None:
        """Add a rule; a call that this machine does not have needs none."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        array = (Comparison * len(comparisons))(*comparisons)
        arguments = (self._context, action, number, len(comparisons), array)
        assert self._library.seccomp_rule_add_array(*arguments) == 0, name

    def load(self) -> None:
        assert self._library.seccomp_load(self._context) == 0


def settings(unit: Path) -> dict[str, list[str]]:
    """Return what a unit file sets, each as often as it does."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().replace("\\\n", " ").splitlines():
        name, isSetting, value = line.partition("=")
        if isSetting and not line.startswith("#"):
            found.setdefault(name, []).append(" ".join(value.split()))
    return found


def calls(names: str) -> Iterator[str]:
    """Yield the system calls behind names, some of which are sets such as @system-service."""
    for name in names.split():
        if not name.startswith("@"):
            yield name
            continue
        listing = ["systemd-analyze", "syscall-filter", "--no-pager", name]
        done = subprocess.run(listing, capture_output=True, text=True, check=True)
        members = (line.strip() for line in done.stdout.splitlines()[1:])
        yield from calls(" ".join(member for member in members if not member.startswith("#")))


def denyWritableCode() -> None:
    rules = Filter(ALLOW)
    both = PROT_WRITE | PROT_EXEC
    for name in ("mmap", "mmap2"):
        rules.add(DENY, name, Comparison(2, MASKED_EQUAL, both, both))
    for name in ("mprotect", "pkey_mprotect"):
        rules.add(DENY, name, Comparison(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
    rules.add(DENY, "shmat", Comparison(2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))
    rules.load()


def restrictFamilies(names: list[str]) -> None:
    allowed = {int(socket.AddressFamily[name]) for name in names}
    rules = Filter(ALLOW)
    for family in set(range(64)) - allowed:
        rules.add(DENY, "socket", Comparison(0, EQUAL, family))
    rules.load()


def filterCalls(values: list[str]) -> None:
    allowed: set[str] = set()
    for value in values:
        names = set(calls(value.removeprefix("~")))
        allowed = allowed - names if value.startswith("~") else allowed | names
    rules = Filter(DENY)
    for name in sorted(allowed):
        rules.add(ALLOW, name)
    rules.load()


def main(unit: Path, command: list[str]) -> None:
    """Put it all on, the filter of system calls last, and become the command."""
    found = settings(unit)
    limit = int(found["LimitNOFILE"][0])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if os.geteuid() == 0:
        assert found["PrivateNetwork"] == ["yes"]
        assert libc.unshare(CLONE_NEWNET) == 0
        assert found["CapabilityBoundingSet"] == [""]
        for capability in range(LAST_CAPABILITY + 1):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    assert found["NoNewPrivileges"] == found["MemoryDenyWriteExecute"] == ["yes"]
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    denyWritableCode()
    restrictFamilies(found["RestrictAddressFamilies"][0].split())
    filterCalls(found["SystemCallFilter"])
    os.execv(command[0], command)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
