"""The matrix: a test once for each algorithm that a server could offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sshecho.testing.algorithms import ALGORITHMS

if TYPE_CHECKING:
    import pytest

_KINDS = ("kex", "ciphers", "macs", "host_keys", "compression")
"""Of users' keys it is the test that has others, or not."""


def matrix(*kinds: str) -> pytest.MarkDecorator:
    """Return what runs a test once for each algorithm, with a server that offers no other.

    The test asks for the fixture ``sshecho``. Of the other kinds, the server offers what is usual.

    Args:
        kinds: ``kex``, ``ciphers``, ``macs``, ``host_keys``, ``compression``; all unless given.

    Raises:
        ValueError: when there is no such kind.
    """
    import pytest  # only here: servers are of use without it

    for kind in kinds:
        if kind not in _KINDS:
            raise ValueError(f"there is no kind {kind!r}; there are {', '.join(_KINDS)}")
    return pytest.mark.parametrize(
        "sshecho",
        [
            pytest.param(_only(kind, name), id=f"{kind}-{name}")
            for kind in kinds or _KINDS
            for name in ALGORITHMS[kind]
        ],
        indirect=True,
    )


def _only(kind: str, name: str) -> dict[str, list[str]]:
    options = {kind: [name]}
    if kind == "macs":  # other ciphers have their own
        options["ciphers"] = ["aes128-ctr"]
    return options
