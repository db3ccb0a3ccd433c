"""Characters: what a person takes for one, and how wide a terminal shows it.

One character may be several code points: a letter and its accents, a flag, a family of emoji
(Unicode Standard Annex 29, "extended grapheme clusters").
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from wcwidth import grapheme_boundary_before, iter_graphemes, wcswidth, wcwidth

LONGEST: Final = 32
"""How many code points are taken for one character: so that a key looks at no more of them."""
_FLAG_LETTERS: Final = range(0x1F1E6, 0x1F200)
"""Regional indicators: two of them are a flag."""


def before(text: str, index: int) -> int:
    """Return where the character before an index begins."""
    start = max(index - LONGEST, 0)
    return start + grapheme_boundary_before(text[start:index], index - start)


def after(text: str, index: int) -> int:
    """Return where the character at an index ends."""
    return index + len(next(iter_graphemes(text[index : index + LONGEST]), ""))


def boundary(text: str, index: int) -> int:
    """Return where the character begins that an index is in; the index, if one begins there."""
    start = before(text, index)
    return index if after(text, start) == index else start


def characters(text: str, start: int = 0) -> Iterator[str]:
    """Take text apart, from an index on."""
    for cluster in iter_graphemes(text, start):
        for at in range(0, len(cluster), LONGEST):
            yield cluster[at : at + LONGEST]


@lru_cache(maxsize=4096)
def width(character: str) -> int:
    """Return how many columns a character takes: 0 if it can't be seen by itself."""
    return wcswidth(character)


@lru_cache(maxsize=4096)
def disputed(character: str) -> bool:
    """Whether terminals differ about its width: those that know no clusters add up its parts."""
    flag = ord(character[0]) in _FLAG_LETTERS
    return flag or sum(map(wcwidth, character)) != wcswidth(character)
