"""The matrix, as pytest gets it."""

import pytest

from sshecho.testing import ALGORITHMS, matrix
from sshecho.testing.inside.settings import LACKING, readSettings


def parameters(mark):
    """Return the options of each run, by its id."""
    assert mark.args[0] == "sshecho"
    assert mark.kwargs["indirect"]
    return {each.id: each.values[0] for each in mark.args[1]}


def test_kinds():
    """Each algorithm has a run with it alone: those of all kinds, unless some are given."""
    assert parameters(matrix("ciphers").mark) == {
        f"ciphers-{name}": {"ciphers": [name]} for name in ALGORITHMS["ciphers"]
    }
    runs = parameters(matrix().mark)
    kinds = ("kex", "ciphers", "macs", "host_keys", "compression")
    assert list(runs) == [f"{kind}-{name}" for kind in kinds for name in ALGORITHMS[kind]]
    for options in runs.values():
        if not LACKING.intersection(options.get("kex", ())):
            readSettings(options)


def test_macs():
    """A MAC is used with a cipher that has none of its own."""
    runs = parameters(matrix("macs").mark)
    assert {options["ciphers"][0] for options in runs.values()} == {"aes128-ctr"}


def test_other_kinds():
    """What is no kind is an error; so are users' keys, which the test has."""
    for kind in ("cipher", "public_keys", ""):
        with pytest.raises(
            ValueError, match=r"there is no kind .*; there are kex, ciphers, macs, "
        ):
            matrix("kex", kind)
