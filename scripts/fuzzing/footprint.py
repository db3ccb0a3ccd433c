"""How much a connection keeps in memory, wherever it keeps it."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Final

_SHARED: Final = (type, ModuleType, FunctionType, BuiltinFunctionType)
_TEXTS: Final = (bytes, bytearray, str)


def footprint(root: object, others: Iterable[object]) -> int:
    """Return how many bytes of data an object keeps, itself or by what it refers to.

    Args:
        root: the object.
        others: what it refers to, but does not keep.
    """
    seen = {id(other) for other in others}
    waiting = [root]
    size = 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _SHARED):
            continue
        seen.add(id(thing))
        if isinstance(thing, _TEXTS):
            size += len(thing)
        else:
            waiting += gc.get_referents(thing)
    return size
