"""The groups for Diffie-Hellman: RFC 3526's, whose primes are made of pi, so nobody chose them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

GENERATOR = 2
_TO_BE_PRIME = {2048: 124476, 3072: 1690314, 4096: 240904}
_EXCHANGED = (3072, 4096)  # bits; larger ones would let a stranger buy too much of our time


@dataclass(frozen=True)
class Group:
    """A group for Diffie-Hellman.

    Attributes:
        prime: a safe one: half of it is prime too.
        generator: what is raised to a power.
    """

    prime: int
    generator: int = GENERATOR


def group(bits: int) -> Group:
    """Return RFC 3526's group of so many bits: 2048 (group 14), 3072 (15) or 4096 (16)."""
    return groupOfPi(bits, _TO_BE_PRIME[bits])


@cache
def groupOfPi(bits: int, toBePrime: int) -> Group:
    """Return a group whose prime is 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + k).

    Args:
        bits: n.
        toBePrime: k, the least that makes the prime safe.
    """
    middle = (_pi(bits) >> 130) + toBePrime
    return Group(2**bits - 2 ** (bits - 64) - 1 + (middle << 64))


def isKnown(group_: Group) -> bool:
    """Whether a group is RFC 3526's, so that nobody need test it."""
    return any(group_ == group(bits) for bits in _TO_BE_PRIME)


def choose(least: int, wanted: int, most: int) -> Group | None:
    """Return the group for a group exchange: the smallest that is large enough (RFC 4419, 3).

    Args:
        least: bits that it must have.
        wanted: bits that it should have.
        most: bits that it may have.

    Returns:
        None when there is no such group, or nobody could have asked for that.
    """
    if not least <= wanted <= most:
        return None
    fitting = [bits for bits in _EXCHANGED if least <= bits <= most]
    large = [bits for bits in fitting if bits >= wanted]
    return group(large[0] if large else fitting[-1]) if fitting else None


def _pi(bits: int) -> int:
    """Return floor(2^bits * pi), by Machin's formula with 64 bits to spare."""
    unit = 1 << (bits + 64)
    return (4 * (4 * _inverseTangent(5, unit) - _inverseTangent(239, unit))) >> 64


def _inverseTangent(of: int, unit: int) -> int:
    """Return unit * arctan(1 / of), by its series."""
    power = total = unit // of
    divisor, sign = 1, 1
    while power:
        power //= of * of
        divisor, sign = divisor + 2, -sign
        total += sign * (power // divisor)
    return total
