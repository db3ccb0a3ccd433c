"""Lines of ``user:secret``: how a file of them is read, and how one of them is changed."""

from __future__ import annotations

from collections.abc import Callable


def parseLines(text: bytes, check: Callable[[bytes], bytes]) -> dict[bytes, bytes]:
    """Parse lines of ``user:secret``.

    LF and CR LF end a line, and nothing else is stripped: a secret keeps its spaces and its
    colons. Blank lines and lines that begin with ``#`` are skipped.

    Args:
        text: the lines.
        check: returns a secret that is fit for use, or raises a ValueError that says why it is
            none, without the secret.

    Returns:
        Each user's secret.

    Raises:
        ValueError: says which line can't be used, and why.
    """
    secrets: dict[bytes, bytes] = {}
    for number, line in enumerate(text.split(b"\n"), 1):
        line = line.removesuffix(b"\r")
        if not line or line.startswith(b"#"):
            continue
        user, colon, secret = line.partition(b":")
        if not colon:
            raise ValueError(f"line {number}: no colon; a line is user:secret")
        if not user:
            raise ValueError(f"line {number}: the user name is empty")
        if user in secrets:
            raise ValueError(f"line {number}: this user has a line already")
        try:
            secrets[user] = check(secret)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return secrets


def checkUser(user: bytes) -> bytes:
    """Return a name that a line can begin with.

    Raises:
        ValueError: says why there can be no such line.
    """
    if not user:
        raise ValueError("the user name is empty")
    if user.startswith(b"#"):
        raise ValueError("a line that begins with # is a comment")
    for byte, name in ((b":", "a colon"), (b"\n", "a line end"), (b"\0", "a NUL")):
        if byte in user:
            raise ValueError(f"the user name holds {name}")
    return user


def replaceLine(text: bytes, user: bytes, secret: bytes | None) -> bytes:
    """Return lines with another secret for one user, and all else as it was.

    Args:
        text: the lines.
        user: whose line to replace, or to add at the end.
        secret: their new secret; None for no line.
    """
    start = user + b":"
    lines = text.removesuffix(b"\n").split(b"\n") if text else []
    at = next((at for at, line in enumerate(lines) if line.startswith(start)), len(lines))
    lines[at : at + 1] = [] if secret is None else [start + secret]
    return b"".join(line + b"\n" for line in lines)
