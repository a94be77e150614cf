"""What is known of many distances before they are computed: bounds by bytes or by products.

Imports numpy, torch and benchmarks.{kernels,native}.

Both kinds hold a rough distance of a query and a candidate, in units of their own, between

    rough(q, c) + low(q) + low(c)  <=  distance(q, c)  <=  rough(q, c) + high(q) + high(c),

where low and high of a vector are found once. benchmarks.pruning compares these with the truths'.

Bytes, for L1 distances and moduli. A vector x is coded so that x_d is about offset_d + step *
code_d. Sums of absolute differences of bytes are several times faster than of floats, and by the
triangle inequality

    | ||q - c||_1 / step - ||code(q) - code(c)||_1 |  <=  slack(q) + slack(c),

where slack(x) is the L1 distance of x from its coded self in steps, rounding included. The modulus
of a complex number is bounded by its projections on four axes 45 degrees apart, whose absolute
values add up to between cot(pi/8) and 1/sin(pi/8) times the modulus: RotatE's distance is then a
sum over twice as many features.

Products, for L2 distances, compare squares: ||q - c||^2 = |q|^2 + |c|^2 - 2 q.c by a product of
matrices. With u = 2^-24 any order of adding D products is off by at most D u / (1 - D u) times the
sum of their absolute values, which for q.c is (|q|^2 + |c|^2) / 2 at most. So product and squares
together are off by 2 D u (|q|^2 + |c|^2), and each of the few sums around them by one u more.
ROUNDING grants (2 D + 32) u, enough for D up to 8,192, and as much of the truth's square, so of
TINY at least: more than what underflows.

Shapes: N truths, U queries, K vectors or candidates of a block, D floats of a vector, F features of
it, S vectors of a sample.
"""

from __future__ import annotations

import ctypes
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.kernels import TINY
from benchmarks.native import call

LANES: Final = 128
"""Codes are filled up to a multiple of this, as in pruning.cpp."""

AXES: Final = {"l1": (1.0, 1.0), "modulus": (1 / math.tan(math.pi / 8), 1 / math.sin(math.pi / 8))}
"""The features' distance lies between so many times the distance."""

LARGEST: Final = 2.0**125
"""Squares of lengths above this count as not finite: what is made of them may not be."""

Floats = npt.NDArray[np.float32]
Reals = npt.NDArray[np.floating[Any]]


def rounding(dim: int) -> float:
    """By how much of it a distance of `dim` terms is off at most, and what surrounds it."""
    return (dim + 16) * 2.0**-23


@dataclass(frozen=True, slots=True)
class Codes:
    """Vectors and what is known of them."""

    vectors_KD: Floats
    low_K: Floats
    high_K: Floats
    """In the bounds' units; not finite where a vector is not."""
    bytes_KF: npt.NDArray[np.uint8]
    """No features by products."""


class Bounds(ABC):
    """A rough distance, and how far it may be off."""

    @abstractmethod
    def encode(self, vectors_KD: Tensor) -> Codes:
        """What bounds need of vectors, queries or candidates."""

    @abstractmethod
    def units(self, near_N: Reals, far_N: Reals) -> tuple[Reals, Reals]:
        """The distances in the bounds' units.

        Below the first is only what is nearer than `near`, above the second what is beyond `far`.
        """

    @abstractmethod
    def products(self, queries: Codes, candidates: Codes) -> Floats:
        """The rough distances, (U, K); none where they are sums over bytes."""


class Bytes(Bounds):
    """By codes whose offset and step suit a sample of the vectors."""

    def __init__(self, library: ctypes.CDLL, name: str, sample_SD: Tensor) -> None:
        self.library, self.axes, self.modulus = library, AXES[name], name == "modulus"
        features_SF = self._features(sample_SD)
        offset_F = features_SF.mean(dim=0)
        spread = (features_SF - offset_F).abs().quantile(0.999, dim=0).max().item()
        self.offset_F = np.ascontiguousarray(offset_F.numpy(), dtype=np.float32)
        self.step = max(spread, 1e-30) / 127

    def encode(self, vectors_KD: Tensor) -> Codes:
        """See Bounds."""
        vectors = np.ascontiguousarray(vectors_KD.numpy())
        num, dim = vectors.shape
        width = -(-len(self.offset_F) // LANES) * LANES
        codes, slack = np.empty((num, width), np.uint8), np.empty(num, np.float32)
        call(
            self.library, "encode", vectors, self.offset_F, self.step, num, dim, width,
            self.modulus, rounding(dim), codes, slack,
        )  # fmt: skip
        return Codes(vectors, -slack, slack, codes)

    def units(self, near_N: Reals, far_N: Reals) -> tuple[Reals, Reals]:
        """See Bounds."""
        low, high = self.axes
        return low * near_N / self.step, high * far_N / self.step

    def products(self, queries: Codes, candidates: Codes) -> Floats:
        """See Bounds."""
        return np.empty((0, 0), np.float32)

    def _features(self, vectors_KD: Tensor) -> Tensor:
        """What distances are sums of absolute differences of, (K, F)."""
        if not self.modulus:
            return vectors_KD
        real, imaginary = vectors_KD.chunk(2, dim=1)
        turned = [math.sqrt(0.5) * (real + imaginary), math.sqrt(0.5) * (real - imaginary)]
        return torch.cat([real, imaginary, *turned], dim=1)


class Products(Bounds):
    """By squares of lengths and a product of matrices."""

    def __init__(self, dim: int) -> None:
        self.rounding = rounding(dim)

    def encode(self, vectors_KD: Tensor) -> Codes:
        """See Bounds."""
        vectors = np.ascontiguousarray(vectors_KD.numpy())
        square_K: Floats = vectors_KD.square().sum(dim=1).numpy()
        square_K[square_K > LARGEST] = np.inf
        low_K, high_K = (np.float32(1 + x) * square_K for x in (-self.rounding, self.rounding))
        return Codes(vectors, low_K, high_K, np.empty((len(vectors), 0), np.uint8))

    def units(self, near_N: Reals, far_N: Reals) -> tuple[Reals, Reals]:
        """See Bounds. Squares up to TINY all count as TINY: nothing is for certain below it."""
        near_N, far_N = (x.clip(min=0).astype(np.float64) ** 2 for x in (near_N, far_N))
        near_N[near_N < 2 * TINY] = -np.inf
        return (1 - self.rounding) * near_N, (1 + self.rounding) * far_N

    def products(self, queries: Codes, candidates: Codes) -> Floats:
        """See Bounds."""
        query_UD, candidate_KD = map(torch.from_numpy, (queries.vectors_KD, candidates.vectors_KD))
        none = torch.zeros(1)
        rough_UK: Floats = torch.addmm(none, query_UD, candidate_KD.mT, beta=0, alpha=-2).numpy()
        return rough_UK
