"""Similarities of queries and candidates, with hand-derived gradients. Imports torch.

Every model's score is a similarity of a query, made of two vectors of a triplet, and a candidate
for the third (benchmarks.scorers). A similarity is a sum over dimensions, its partial, and a cheap
finish: score = finish(partial). So processes that hold slices of the dimensions can add up
partials, and a gradient needs no autograd.

`partial` and `grads` are what training calls. Distances other than the Euclidean have no matrix
product: under torch.compile they trace to one fused loop; in eager mode they run in blocks, so that
no (B, K, D) intermediate outgrows BLOCK.

Shapes: B queries, K candidates, D floats per vector, after any leading dimensions that are batched
over, G chunks of a batch in training: (..., B, D) against (..., K, D) gives (..., B, K).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import torch
from torch import Tensor

SimilarityName = Literal["dot", "l1", "l2", "modulus"]

BLOCK: Final = 1 << 22
"""Floats of an intermediate in eager mode: 16 MiB, near a cache's size."""

TINY: Final = 1e-30
"""Below this a square counts as zero: its root gets no gradient, where the quotient has none."""


@dataclass(frozen=True, slots=True)
class Similarity(ABC):
    """Partial sums over dimensions, and how they finish as a score."""

    name: ClassVar[SimilarityName]
    gamma: float = 0.0
    """The score of distance zero, for distances."""

    @abstractmethod
    def pairs(self, query_BD: Tensor, candidate_BD: Tensor) -> Tensor:
        """The partial of each query with its own candidate, (..., B); leads broadcast."""

    @abstractmethod
    def pairs_grads(
        self, query_BD: Tensor, candidate_BD: Tensor, grad_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What `pairs` passes back to queries and candidates, both (..., B, D)."""

    @abstractmethod
    def partial(self, query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """The partial of every query with every candidate, (..., B, K)."""

    @abstractmethod
    def grads(
        self, query_BD: Tensor, candidates_KD: Tensor, grad_BK: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What `partial` passes back: (..., B, D) to queries, (..., K, D) to candidates."""

    def exact(self, query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """`partial` without cancellation: near vectors are what ranks compare. (..., B, K)."""
        return self.partial(query_BD, candidates_KD)

    def finish(self, partial: Tensor) -> Tensor:
        """The score of a partial that is summed over all dimensions; of any shape."""
        return self.gamma - partial

    def finish_grad(self, partial: Tensor, grad: Tensor) -> Tensor:
        """What `finish` passes back to the partial, of the same shape."""
        return -grad


@dataclass(frozen=True, slots=True)
class Dot(Similarity):
    """The inner product: batched matrix products throughout."""

    name = "dot"

    def pairs(self, query_BD: Tensor, candidate_BD: Tensor) -> Tensor:
        """See Similarity."""
        return (query_BD * candidate_BD).sum(dim=-1)

    def pairs_grads(
        self, query_BD: Tensor, candidate_BD: Tensor, grad_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Similarity."""
        return grad_B[..., None] * candidate_BD, grad_B[..., None] * query_BD

    def partial(self, query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """See Similarity."""
        return query_BD @ candidates_KD.mT

    def grads(
        self, query_BD: Tensor, candidates_KD: Tensor, grad_BK: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Similarity."""
        return grad_BK @ candidates_KD, grad_BK.mT @ query_BD

    def finish(self, partial: Tensor) -> Tensor:
        """See Similarity."""
        return partial

    def finish_grad(self, partial: Tensor, grad: Tensor) -> Tensor:
        """See Similarity."""
        return grad


@dataclass(frozen=True, slots=True)
class Distance(Similarity):
    """gamma - a sum of terms of the difference of query and candidate."""

    @abstractmethod
    def terms(self, difference_D: Tensor) -> Tensor:
        """What is summed: (..., D) gives (..., any)."""

    @abstractmethod
    def slope(self, difference_D: Tensor) -> Tensor:
        """The gradient of the summed terms; 0 where they have none. (..., D)."""

    @abstractmethod
    def pull(self, from_AD: Tensor, to_BD: Tensor, weight_AB: Tensor) -> Tensor:
        """Sum over B of weight * slope(from - to), (..., A, D): both gradients are one of these.

        Either sum reduces along the rows, so that a fused loop vectorises over D.
        """

    def pairs(self, query_BD: Tensor, candidate_BD: Tensor) -> Tensor:
        """See Similarity."""
        return self.terms(query_BD - candidate_BD).sum(dim=-1)

    def pairs_grads(
        self, query_BD: Tensor, candidate_BD: Tensor, grad_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Similarity."""
        grad_BD = grad_B[..., None] * self.slope(query_BD - candidate_BD)
        return grad_BD, -grad_BD

    def partial(self, query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """See Similarity."""

        def block(candidates_KD: Tensor) -> Tensor:
            return self.terms(_differences(query_BD, candidates_KD)).sum(dim=-1)

        return torch.cat([block(x) for x in _blocks(query_BD, candidates_KD)], dim=-1)

    def grads(
        self, query_BD: Tensor, candidates_KD: Tensor, grad_BK: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Similarity."""
        to_query, to_candidates, start = [], [], 0
        for block_KD in _blocks(query_BD, candidates_KD):
            weight_BK = grad_BK[..., start : start + block_KD.shape[-2]]
            start += block_KD.shape[-2]
            to_query.append(self.pull(query_BD, block_KD, weight_BK))
            to_candidates.append(self.pull(block_KD, query_BD, weight_BK.mT))
        return sum(to_query[1:], start=to_query[0]), torch.cat(to_candidates, dim=-2)


@dataclass(frozen=True, slots=True)
class L1(Distance):
    """The sum of absolute differences."""

    name = "l1"

    def terms(self, difference_D: Tensor) -> Tensor:
        """See Distance."""
        return difference_D.abs()

    def slope(self, difference_D: Tensor) -> Tensor:
        """See Distance."""
        return difference_D.sign()

    def pull(self, from_AD: Tensor, to_BD: Tensor, weight_AB: Tensor) -> Tensor:
        """See Distance. A tie takes the slope -1, one that it has: `sign` takes twice the time."""
        weight_AB1 = weight_AB[..., None]
        return torch.where(_differences(from_AD, to_BD) > 0, weight_AB1, -weight_AB1).sum(dim=-2)

    def partial(self, query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """See Similarity."""
        if torch.compiler.is_compiling():
            return self.terms(_differences(query_BD, candidates_KD)).sum(dim=-1)
        return torch.cdist(query_BD, candidates_KD, p=1.0)


@dataclass(frozen=True, slots=True)
class L2(Distance):
    """The root of the sum of squared differences; trained by matrix products."""

    name = "l2"

    def terms(self, difference_D: Tensor) -> Tensor:
        """See Distance."""
        return difference_D.square()

    def slope(self, difference_D: Tensor) -> Tensor:
        """See Distance."""
        return 2 * difference_D

    def pull(self, from_AD: Tensor, to_BD: Tensor, weight_AB: Tensor) -> Tensor:
        """See Distance."""
        weight_AB = -2 * weight_AB
        return torch.addcmul(weight_AB @ to_BD, weight_AB.sum(dim=-1)[..., None], from_AD, value=-1)

    def partial(self, query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """|q|^2 + |c|^2 - 2 q c, which cancels for near vectors, even below 0: see `exact`."""
        squares_B1 = query_BD.square().sum(dim=-1)[..., None]
        squares_1K = candidates_KD.square().sum(dim=-1)[..., None, :]
        return torch.sub(squares_B1 + squares_1K, query_BD @ candidates_KD.mT, alpha=2)

    def grads(
        self, query_BD: Tensor, candidates_KD: Tensor, grad_BK: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Similarity."""
        return (
            self.pull(query_BD, candidates_KD, grad_BK),
            self.pull(candidates_KD, query_BD, grad_BK.mT),
        )

    def exact(self, query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """See Similarity."""
        mode = "donot_use_mm_for_euclid_dist"
        return torch.cdist(query_BD, candidates_KD, compute_mode=mode).square()

    def finish(self, partial: Tensor) -> Tensor:
        """See Similarity."""
        return self.gamma - partial.clamp_min(TINY).sqrt()

    def finish_grad(self, partial: Tensor, grad: Tensor) -> Tensor:
        """See Similarity."""
        slope = torch.where(partial > TINY, -0.5 * partial.clamp_min(TINY).rsqrt(), 0.0)
        return slope * grad


@dataclass(frozen=True, slots=True)
class Modulus(Distance):
    """The sum of the moduli of complex differences; halves are real and imaginary parts."""

    name = "modulus"

    def terms(self, difference_D: Tensor) -> Tensor:
        """See Distance."""
        real, imaginary = difference_D.chunk(2, dim=-1)
        return (real.square() + imaginary.square()).clamp_min(TINY).sqrt()

    def slope(self, difference_D: Tensor) -> Tensor:
        """See Distance."""
        real, imaginary = difference_D.chunk(2, dim=-1)
        inverse = (real.square() + imaginary.square()).clamp_min(TINY).rsqrt()
        return torch.cat([real * inverse, imaginary * inverse], dim=-1)

    def pull(self, from_AD: Tensor, to_BD: Tensor, weight_AB: Tensor) -> Tensor:
        """See Distance. Two sums, since concatenating before them would lose the fused loop."""
        real, imaginary = (
            _differences(a, b)
            for a, b in zip(from_AD.chunk(2, dim=-1), to_BD.chunk(2, dim=-1), strict=True)
        )
        length = (real.square() + imaginary.square()).clamp_min(TINY).sqrt()
        scale = weight_AB[..., None] / length
        return torch.cat([(real * scale).sum(dim=-2), (imaginary * scale).sum(dim=-2)], dim=-1)


def similar(similarity: Similarity, query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
    """The exact scores, (..., B, K), that autograd passes back through by `grads`.

    So an encoder may train through them without a (B, K, D) intermediate. Leads broadcast.
    """
    kind = torch.result_type(query_BD, candidates_KD)
    query_BD, candidates_KD = query_BD.to(kind), candidates_KD.to(kind)
    if not (torch.is_grad_enabled() and (query_BD.requires_grad or candidates_KD.requires_grad)):
        return similarity.finish(similarity.exact(query_BD, candidates_KD))
    apply: Callable[..., Tensor] = _Exact.apply
    return similarity.finish(apply(similarity, query_BD, candidates_KD))


class _Exact(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, similarity: Similarity, query_BD: Tensor, candidates_KD: Tensor
    ) -> Tensor:
        ctx.similarity = similarity
        ctx.save_for_backward(query_BD, candidates_KD)
        return similarity.exact(query_BD, candidates_KD)

    @staticmethod
    def backward(ctx: Any, grad_BK: Tensor) -> tuple[None, Tensor, Tensor]:
        query_BD, candidates_KD = ctx.saved_tensors
        to_query, to_candidates = ctx.similarity.grads(query_BD, candidates_KD, grad_BK)
        return (
            None,
            to_query.sum_to_size(query_BD.shape),
            to_candidates.sum_to_size(candidates_KD.shape),
        )


def _differences(query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
    return query_BD[..., :, None, :] - candidates_KD[..., None, :, :]


def _blocks(query_BD: Tensor, candidates_KD: Tensor) -> tuple[Tensor, ...]:
    """The candidates in blocks of which the differences fit BLOCK; whole for the compiler."""
    if torch.compiler.is_compiling():
        return (candidates_KD,)
    chunks = max(math.prod(x.shape[:-2]) for x in (query_BD, candidates_KD))
    size = max(1, BLOCK // max(1, chunks * query_BD.shape[-2] * query_BD.shape[-1]))
    starts = range(0, candidates_KD.shape[-2], size)
    return tuple(candidates_KD[..., start : start + size, :] for start in starts)
