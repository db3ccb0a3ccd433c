"""Files of known hosts, read as ssh reads them (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

Conch's KnownHostsFile passes over what it does not know: ``@revoked``, patterns, a file that it may
not read. Here a line that can't be read is of no host, and all else counts.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twisted.conch.ssh.common import getNS

_LARGEST_FILE = 16 << 20


@dataclass(frozen=True)
class KnownKey:
    """A line of a file of known hosts.

    Attributes:
        where: ``file:line``, for people.
        revoked: whether it is the key of nobody any more.
        names: the patterns of the names, or one hashed name.
        blob: the public key, as it goes over the wire (RFC 4253, section 6.6).
    """

    where: str
    revoked: bool
    names: str
    blob: bytes

    @property
    def type(self) -> bytes:
        """The key's type, such as ``b"ssh-ed25519"``."""
        kind: bytes = getNS(self.blob)[0]
        return kind

    def isFor(self, name: str) -> bool:
        """Whether it is the key of a host.

        Args:
            name: in small letters; ``host``, or ``[host]:port`` for a port that is not 22.
        """
        if self.names.startswith("|"):
            return _matchesHash(self.names, name)
        patterns = self.names.lower().split(",")
        if any(p.startswith("!") and _matches(p[1:], name) for p in patterns):
            return False
        return any(_matches(pattern, name) for pattern in patterns)


def _matches(pattern: str, name: str) -> bool:
    parts = (re.escape(c) if c not in "*?" else {"*": ".*", "?": "."}[c] for c in pattern)
    return re.fullmatch("".join(parts), name, re.DOTALL) is not None


def _matchesHash(hashed: str, name: str) -> bool:
    """Compare a name with ``|1|salt|hash``, where hash is HMAC-SHA1(salt, name)."""
    try:
        _, version, salt, digest = hashed.split("|")
        key, expected = binascii.a2b_base64(salt), binascii.a2b_base64(digest)
    except ValueError:
        return False
    found = hmac.digest(key, name.encode(), hashlib.sha1)
    return version == "1" and hmac.compare_digest(found, expected)


def readKnownHosts(path: Path) -> list[KnownKey]:
    """Return the keys in a file, without those of certificate authorities.

    Raises:
        OSError: when it can't be read.
        ValueError: when it is too large, or a key that it revokes can't be read.
    """
    # Not blocking: a FIFO that nobody writes to would hang.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        os.set_blocking(file.fileno(), True)
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"more than {_LARGEST_FILE} bytes")
    return list(_parse(path, content.decode("utf-8", "surrogateescape")))


def _parse(path: Path, text: str) -> Iterator[KnownKey]:
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if not words or words[0].startswith("#") or marker not in ("", "@revoked"):
            continue
        blob = _blob(words)
        if blob is not None:
            yield KnownKey(f"{path}:{number}", marker == "@revoked", words[0], blob)
        elif marker:
            raise ValueError(f"line {number}: the key that it revokes can't be read")


def _blob(words: list[str]) -> bytes | None:
    try:
        blob = binascii.a2b_base64(words[2], strict_mode=True)
    except (IndexError, ValueError):
        return None
    kind = words[1].encode("utf-8", "surrogateescape")
    return blob if blob.startswith(len(kind).to_bytes(4, "big") + kind) else None
