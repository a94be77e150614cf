"""Seeded randomness on arrays: integers only, so every machine and every numpy draws the same.

Imports world.random. SplitMix64 (Steele et al. 2014) as a function of a key and an index: numpy's
own generators may change their methods' streams between versions (NEP 19), and a stream that is
drawn in order ties a result to the order of the work.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.world.random import mix

__all__ = ["Ints", "Words", "below", "bits", "order", "unit"]

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


def bits(index_N: npt.NDArray[np.integer], *key: int) -> Words:
    """64 random bits for each index; those of different indices differ, under one key."""
    z: Words = index_N.astype(np.uint64)
    z += np.uint64(1)
    z *= _GOLDEN
    z += np.uint64(mix(*key))
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def order(count: int, *key: int) -> Ints:
    """0 .. count-1 in random order. No two draws tie, so that every sort gives the same."""
    found: Ints = np.argsort(bits(np.arange(count), *key))
    return found


def below(size: npt.NDArray[np.integer] | int, index_N: npt.NDArray[np.integer], *key: int) -> Ints:
    """For each index a uniform integer in [0, size); `size` at most 2^32, one or one per index."""
    drawn = bits(index_N, *key) >> np.uint64(32)
    drawn *= np.asarray(size).astype(np.uint64)
    return (drawn >> np.uint64(32)).astype(np.int64)


def unit(index_N: npt.NDArray[np.integer], *key: int) -> Floats:
    """For each index a uniform number in [0, 1), a multiple of 2^-53."""
    return (bits(index_N, *key) >> np.uint64(11)).astype(np.float64) * 2.0**-53
