"""Score functions: embeddings in, scores out, no state. Imports torch, benchmarks.kernels and
wikidata5m.errors.

One scorer serves lookup tables and encoded texts alike. Higher means more plausible. Every model
is score(h, r, t) = similarity(query, candidate): two vectors of a triplet make a query, the third
is the candidate (benchmarks.kernels holds the similarities).

Shapes: B queries, K candidates, D the width of an entity vector, R the width of a relation vector.
Any leading dimensions before B and K are batched over, so that a chunk of positives can share its
own candidates: (..., B, D) against (..., K, D) gives (..., B, K).
"""

from __future__ import annotations

import difflib
import math
from abc import ABC, abstractmethod
from typing import ClassVar, Final, Literal

import torch
from torch import Tensor

from benchmarks.kernels import L1, L2, Dot, Modulus, Similarity, similar
from wikidata5m.errors import ConfigError

ModelName = Literal["transe", "distmult", "complex", "simple", "rotate", "quate"]


class Scorer(ABC):
    """What every model is to a trainer or evaluator."""

    name: ClassVar[ModelName]
    parts: ClassVar[int] = 1
    """How many floats make up a number: 2 for a complex one, whose parts fill halves of a vector;
    4 for a quaternion, whose parts fill quarters."""
    split: ClassVar[int] = 1
    """Into how many equal pieces an entity vector falls: what a dimension must be a multiple of."""
    similarity: Similarity
    """Of a query and a candidate."""
    p: int = 0
    """The norm of the distance, for models that have one; else 0."""

    def __init__(self, *, gamma: float = 0.0, p: int = 0) -> None:
        """Models without a margin or a norm leave gamma and p alone."""
        self.similarity = Dot()

    @property
    def gamma(self) -> float:
        """The score of distance zero, for models that have a margin; else 0."""
        return self.similarity.gamma

    @abstractmethod
    def query_tails(self, head_BD: Tensor, relation_BR: Tensor) -> Tensor:
        """What to compare a tail with: score = similarity(query, tail). (..., B, D)."""

    @abstractmethod
    def query_heads(self, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """What to compare a head with: score = similarity(query, head). (..., B, D)."""

    @abstractmethod
    def query_tails_grad(
        self, head_BD: Tensor, relation_BR: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What `query_tails` passes back to (head, relation), of their shapes."""

    @abstractmethod
    def query_heads_grad(
        self, relation_BR: Tensor, tail_BD: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What `query_heads` passes back to (relation, tail), of their shapes."""

    def score_triplets(self, head_BD: Tensor, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """The score of each triplet, (..., B)."""
        similarity = self.similarity
        return similarity.finish(similarity.pairs(self.query_tails(head_BD, relation_BR), tail_BD))

    def score_tails(self, head_BD: Tensor, relation_BR: Tensor, candidates_KD: Tensor) -> Tensor:
        """The score of every candidate as the tail of every (head, relation), (..., B, K)."""
        return similar(self.similarity, self.query_tails(head_BD, relation_BR), candidates_KD)

    def score_heads(self, relation_BR: Tensor, tail_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """The score of every candidate as the head of every (relation, tail), (..., B, K)."""
        return similar(self.similarity, self.query_heads(relation_BR, tail_BD), candidates_KD)

    def relation_width(self, dim: int) -> int:
        """R for entity vectors of `dim` floats. Raises ConfigError when `dim` does not fit."""
        if dim % self.split:
            raise ConfigError(
                f"dim = {dim}: {type(self).__name__} splits a vector into {self.split} equal parts;"
                f" make it a multiple of {self.split}"
            )
        return dim

    def relation_init(self, init: float) -> float:
        """Relation vectors start uniform within plus or minus this, entities within `init`."""
        return init

    def magnitudes(self, vectors_ND: Tensor) -> Tensor:
        """The absolute values of the numbers that a vector is made of, (N, D / parts).

        For complex numbers these are what the nuclear 3-norm of Lacroix et al. (2018) cubes.
        """
        parts = torch.stack(vectors_ND.chunk(self.parts, dim=-1))
        lengths: Tensor = torch.linalg.vector_norm(parts, dim=0)
        return lengths


class TransE(Scorer):
    """gamma - ||h + r - t||_p (Bordes et al. 2013); gamma changes no order."""

    name = "transe"

    def __init__(self, *, gamma: float = 12.0, p: int = 1) -> None:
        if p not in (1, 2):
            raise ConfigError(f"p = {p}: TransE knows the norms p = 1 and p = 2; set one of them")
        self.p = p
        self.similarity = L1(gamma) if p == 1 else L2(gamma)

    def query_tails(self, head_BD: Tensor, relation_BR: Tensor) -> Tensor:
        """See Scorer."""
        return head_BD + relation_BR

    def query_heads(self, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """See Scorer."""
        return tail_BD - relation_BR

    def query_tails_grad(
        self, head_BD: Tensor, relation_BR: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        return grad_BD, grad_BD

    def query_heads_grad(
        self, relation_BR: Tensor, tail_BD: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        return -grad_BD, grad_BD


class DistMult(Scorer):
    """sum_d h_d r_d t_d (Yang et al. 2015)."""

    name = "distmult"

    def query_tails(self, head_BD: Tensor, relation_BR: Tensor) -> Tensor:
        """See Scorer."""
        return head_BD * relation_BR

    def query_heads(self, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """See Scorer."""
        return tail_BD * relation_BR

    def query_tails_grad(
        self, head_BD: Tensor, relation_BR: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        return grad_BD * relation_BR, grad_BD * head_BD

    def query_heads_grad(
        self, relation_BR: Tensor, tail_BD: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        return grad_BD * tail_BD, grad_BD * relation_BR


class ComplEx(Scorer):
    """Re <h, r, conj(t)> over D/2 complex numbers (Trouillon et al. 2016).

    The first half of a vector holds the real parts, the second half the imaginary parts.
    """

    name = "complex"
    parts = split = 2

    def query_tails(self, head_BD: Tensor, relation_BR: Tensor) -> Tensor:
        """See Scorer."""
        return _times(head_BD, relation_BR)

    def query_heads(self, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """See Scorer."""
        return _times(tail_BD, _conjugate(relation_BR))

    def query_tails_grad(
        self, head_BD: Tensor, relation_BR: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer: the gradient of a complex product is one with the other's conjugate."""
        return _times(grad_BD, _conjugate(relation_BR)), _times(grad_BD, _conjugate(head_BD))

    def query_heads_grad(
        self, relation_BR: Tensor, tail_BD: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        return _times(_conjugate(grad_BD), tail_BD), _times(grad_BD, relation_BR)


class SimplE(Scorer):
    """(<h_head, r, t_tail> + <t_head, r', h_tail>) / 2 (Kazemi and Poole 2018).

    The first half of an entity vector is its role as a head, the second its role as a tail; the
    first half of a relation vector is r, the second its inverse r'.
    """

    name = "simple"
    split = 2

    def query_tails(self, head_BD: Tensor, relation_BR: Tensor) -> Tensor:
        """See Scorer."""
        return _swap(head_BD * relation_BR) / 2

    def query_heads(self, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """See Scorer."""
        return _swap(tail_BD) * relation_BR / 2

    def query_tails_grad(
        self, head_BD: Tensor, relation_BR: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        half_BD = _swap(grad_BD) / 2
        return half_BD * relation_BR, half_BD * head_BD

    def query_heads_grad(
        self, relation_BR: Tensor, tail_BD: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        half_BD = grad_BD / 2
        return half_BD * _swap(tail_BD), _swap(half_BD * relation_BR)


class RotatE(Scorer):
    """gamma - sum_d |h_d e^(i r_d) - t_d| over D/2 complex numbers (Sun et al. 2019).

    Entity vectors are laid out as ComplEx's; a relation vector holds D/2 phases.
    """

    name = "rotate"
    parts = split = 2

    def __init__(self, *, gamma: float = 12.0, p: int = 0) -> None:
        self.similarity = Modulus(gamma)

    def query_tails(self, head_BD: Tensor, relation_BR: Tensor) -> Tensor:
        """See Scorer."""
        return _times(head_BD, _unit(relation_BR))

    def query_heads(self, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """See Scorer: to turn the head on is to turn the tail back."""
        return _times(tail_BD, _unit(-relation_BR))

    def query_tails_grad(
        self, head_BD: Tensor, relation_BR: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        to_head = _times(grad_BD, _unit(-relation_BR))
        # The query moves along i times itself as the phase grows: <grad, i q> = Im(conj(h) g').
        return to_head, _imaginary(to_head, head_BD)

    def query_heads_grad(
        self, relation_BR: Tensor, tail_BD: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        to_tail = _times(grad_BD, _unit(relation_BR))
        return -_imaginary(to_tail, tail_BD), to_tail

    def relation_width(self, dim: int) -> int:
        """See Scorer."""
        return super().relation_width(dim) // 2

    def relation_init(self, init: float) -> float:
        """Any turn: phases near zero would start every relation as its own inverse."""
        return math.pi


class QuatE(Scorer):
    """<h (x) r / |r|, t> over D/4 quaternions (Zhang et al. 2019).

    The quarters of a vector hold the parts of 1, i, j and k.
    """

    name = "quate"
    parts = split = 4

    def query_tails(self, head_BD: Tensor, relation_BR: Tensor) -> Tensor:
        """See Scorer."""
        return _hamilton(head_BD, _normalised(relation_BR)[0])

    def query_heads(self, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """See Scorer: to turn the head on is to turn the tail back."""
        return _hamilton(tail_BD, _opposite(_normalised(relation_BR)[0]))

    def query_tails_grad(
        self, head_BD: Tensor, relation_BR: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        unit_BR, scale_BR = _normalised(relation_BR)
        to_head = _hamilton(grad_BD, _opposite(unit_BR))
        return to_head, _normalised_grad(unit_BR, scale_BR, _hamilton(_opposite(head_BD), grad_BD))

    def query_heads_grad(
        self, relation_BR: Tensor, tail_BD: Tensor, grad_BD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See Scorer."""
        unit_BR, scale_BR = _normalised(relation_BR)
        to_unit = _hamilton(_opposite(grad_BD), tail_BD)
        return _normalised_grad(unit_BR, scale_BR, to_unit), _hamilton(grad_BD, unit_BR)


def _times(a_BD: Tensor, b_BD: Tensor) -> Tensor:
    a_real, a_imaginary = a_BD.chunk(2, dim=-1)
    b_real, b_imaginary = b_BD.chunk(2, dim=-1)
    return torch.cat(
        [a_real * b_real - a_imaginary * b_imaginary, a_real * b_imaginary + a_imaginary * b_real],
        dim=-1,
    )


def _conjugate(a_BD: Tensor) -> Tensor:
    real, imaginary = a_BD.chunk(2, dim=-1)
    return torch.cat([real, -imaginary], dim=-1)


def _imaginary(a_BD: Tensor, b_BD: Tensor) -> Tensor:
    """Im(a conj(b)), (..., B, D/2)."""
    a_real, a_imaginary = a_BD.chunk(2, dim=-1)
    b_real, b_imaginary = b_BD.chunk(2, dim=-1)
    return a_imaginary * b_real - a_real * b_imaginary


def _unit(phase_BR: Tensor) -> Tensor:
    return torch.cat([phase_BR.cos(), phase_BR.sin()], dim=-1)


def _swap(a_BD: Tensor) -> Tensor:
    first, second = a_BD.chunk(2, dim=-1)
    return torch.cat([second, first], dim=-1)


def _hamilton(a_BD: Tensor, b_BD: Tensor) -> Tensor:
    """The product of quaternions, which does not commute."""
    a, b, c, d = a_BD.chunk(4, dim=-1)
    p, q, r, s = b_BD.chunk(4, dim=-1)
    return torch.cat(
        [
            a * p - b * q - c * r - d * s,
            a * q + b * p + c * s - d * r,
            a * r - b * s + c * p + d * q,
            a * s + b * r - c * q + d * p,
        ],
        dim=-1,
    )


def _opposite(a_BD: Tensor) -> Tensor:
    """The conjugate of quaternions."""
    a, b, c, d = a_BD.chunk(4, dim=-1)
    return torch.cat([a, -b, -c, -d], dim=-1)


def _normalised(relation_BR: Tensor) -> tuple[Tensor, Tensor]:
    """Quaternions of length one, and what each was scaled by, both (..., B, R)."""
    scale_BR = (_sum_of_quarters(relation_BR.square()) + 1e-12).rsqrt()
    return relation_BR * scale_BR, scale_BR


def _normalised_grad(unit_BR: Tensor, scale_BR: Tensor, grad_BR: Tensor) -> Tensor:
    return scale_BR * (grad_BR - unit_BR * _sum_of_quarters(unit_BR * grad_BR))


def _sum_of_quarters(a_BD: Tensor) -> Tensor:
    """The sum over the parts of each quaternion, repeated for every part: (..., B, D)."""
    a, b, c, d = a_BD.chunk(4, dim=-1)
    return torch.cat([a + b + c + d] * 4, dim=-1)


SCORERS: Final[dict[ModelName, type[Scorer]]] = {
    "transe": TransE,
    "distmult": DistMult,
    "complex": ComplEx,
    "simple": SimplE,
    "rotate": RotatE,
    "quate": QuatE,
}


def get_scorer(name: str, *, gamma: float = 12.0, p: int = 1) -> Scorer:
    """The scorer of that name; models without a margin or norm leave gamma and p alone.

    Raises ConfigError on an unknown name, with the closest known one.
    """
    for known, scorer in SCORERS.items():
        if name == known:
            return scorer(gamma=gamma, p=p)
    close = difflib.get_close_matches(name, SCORERS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(SCORERS)}"
    raise ConfigError(f"unknown model {name}; {hint}")
