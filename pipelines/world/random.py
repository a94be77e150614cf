"""Seeded randomness of the synthetic world: integers only, so every machine draws the same.
Imports the standard library alone.

Each entity draws from a stream of its own (SplitMix64, Steele et al. 2014), keyed by the world's
seed and the entity's number: any part of the world can be written alone, in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import TypeVar

__all__ = ["Shuffle", "Stream", "mix"]

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _finalise(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def mix(*words: int) -> int:
    """A 64-bit hash of the words, in their order."""
    state = _GOLDEN
    for word in words:
        state = _finalise((state * 31 + word + _GOLDEN) & _MASK)
    return state


class Stream:
    """A sequence of draws that depends on nothing but its key."""

    __slots__ = ("_spare", "_state")

    def __init__(self, *key: int) -> None:
        self._state = mix(*key)
        self._spare = 0  # what is left of 64 bits for chance(), under a leading one

    def bits(self) -> int:
        """64 random bits."""
        self._state = z = (self._state + _GOLDEN) & _MASK
        # _finalise written out: half of a world's time goes through here.
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        """Uniform in [0, n)."""
        return (self.bits() * n) >> 64

    def between(self, low: int, high: int) -> int:
        """Uniform in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True with that probability, to 1 in 65536: four chances cost one draw."""
        if self._spare <= 1:
            self._spare = self.bits() | 1 << 64
        low = self._spare & 0xFFFF
        self._spare >>= 16
        return low * 100 < percent << 16

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def skewed(self, n: int) -> int:
        """In [0, n), dense near 0: the cube of a uniform draw, so a power law of exponent 2/3."""
        u = self.bits() >> 32
        return (n * u * u * u) >> 96

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A new list in random order (Fisher-Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result


class Shuffle:
    """A permutation of [0, size) that needs no table: i -> (a i + b) mod size, a prime to size."""

    __slots__ = ("_a", "_b", "_inverse", "size")

    def __init__(self, size: int, *key: int) -> None:
        self.size = size
        self._a = max(1, size * 618 // 1000 + mix(*key) % max(1, size // 16))
        while gcd(self._a, size) != 1:
            self._a += 1
        self._b = mix(*key, 1) % size
        self._inverse = pow(self._a, -1, size)

    def forward(self, i: int) -> int:
        return (i * self._a + self._b) % self.size

    def backward(self, j: int) -> int:
        """The i with forward(i) == j."""
        return (j - self._b) * self._inverse % self.size
