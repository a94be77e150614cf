"""Score functions: embeddings in, scores out, no state. Imports torch and wikidata5m.errors.

One scorer serves lookup tables and encoded texts alike. Higher means more plausible.

Shapes: B queries, K candidates, D the width of an entity vector, R the width of a relation vector.
Any leading dimensions before B and K are batched over, so that a chunk of positives can share its
own candidates: (..., B, D) against (..., K, D) gives (..., B, K).
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from typing import ClassVar, Final, Literal

import torch
from torch import Tensor

from wikidata5m.errors import ConfigError

ModelName = Literal["transe", "complex"]


class Scorer(ABC):
    """What every model is to a trainer or evaluator."""

    name: ClassVar[ModelName]
    gamma: float
    """The score of distance zero, for models that have a margin; else 0."""
    p: int
    """The norm of the distance, for models that have one; else 0."""

    def __init__(self, *, gamma: float = 0.0, p: int = 0) -> None:
        self.gamma, self.p = gamma, p

    @abstractmethod
    def score_triplets(self, head_BD: Tensor, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """The score of each triplet, (B,)."""

    @abstractmethod
    def score_tails(self, head_BD: Tensor, relation_BR: Tensor, candidates_KD: Tensor) -> Tensor:
        """The score of every candidate as the tail of every (head, relation), (B, K)."""

    @abstractmethod
    def score_heads(self, relation_BR: Tensor, tail_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """The score of every candidate as the head of every (relation, tail), (B, K)."""

    def relation_width(self, dim: int) -> int:
        """R for entity vectors of `dim` floats. Raises ConfigError when `dim` does not fit."""
        return dim

    def magnitudes(self, vectors_ND: Tensor) -> Tensor:
        """The absolute values that an L3 penalty sums up, (N, any)."""
        return vectors_ND.abs()


class TransE(Scorer):
    """gamma - ||h + r - t||_p (Bordes et al. 2013); gamma changes no order."""

    name = "transe"

    def __init__(self, *, gamma: float = 12.0, p: int = 1) -> None:
        if p not in (1, 2):
            raise ConfigError(f"p = {p}: TransE knows the norms p = 1 and p = 2; set one of them")
        super().__init__(gamma=gamma, p=p)

    def score_triplets(self, head_BD: Tensor, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """See Scorer."""
        difference_BD = head_BD + relation_BR - tail_BD
        score_B: Tensor = self.gamma - torch.linalg.vector_norm(difference_BD, ord=self.p, dim=-1)
        return score_B

    def score_tails(self, head_BD: Tensor, relation_BR: Tensor, candidates_KD: Tensor) -> Tensor:
        """See Scorer."""
        return self._near(head_BD + relation_BR, candidates_KD)

    def score_heads(self, relation_BR: Tensor, tail_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """See Scorer."""
        return self._near(tail_BD - relation_BR, candidates_KD)

    def _near(self, query_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        # For p = 2 a matrix product is fast enough to train by, but it cancels for near vectors,
        # and near vectors are what ranks compare.
        mode = (
            "use_mm_for_euclid_dist" if torch.is_grad_enabled() else "donot_use_mm_for_euclid_dist"
        )
        distance_BK = torch.cdist(query_BD, candidates_KD, p=float(self.p), compute_mode=mode)
        return self.gamma - distance_BK


class ComplEx(Scorer):
    """Re <h, r, conj(t)> over D/2 complex numbers (Trouillon et al. 2016).

    The first half of a vector holds the real parts, the second half the imaginary parts.
    """

    name = "complex"

    def __init__(self, *, gamma: float = 0.0, p: int = 0) -> None:
        super().__init__()

    def score_triplets(self, head_BD: Tensor, relation_BR: Tensor, tail_BD: Tensor) -> Tensor:
        """See Scorer."""
        return (_times(head_BD, relation_BR) * tail_BD).sum(dim=-1)

    def score_tails(self, head_BD: Tensor, relation_BR: Tensor, candidates_KD: Tensor) -> Tensor:
        """See Scorer."""
        return _times(head_BD, relation_BR) @ candidates_KD.mT

    def score_heads(self, relation_BR: Tensor, tail_BD: Tensor, candidates_KD: Tensor) -> Tensor:
        """See Scorer."""
        return _times(tail_BD, _conjugate(relation_BR)) @ candidates_KD.mT

    def relation_width(self, dim: int) -> int:
        """See Scorer."""
        if dim % 2:
            raise ConfigError(
                f"dim = {dim}: ComplEx pairs floats into complex numbers; make it even"
            )
        return dim

    def magnitudes(self, vectors_ND: Tensor) -> Tensor:
        """The moduli of the complex numbers: the nuclear 3-norm of Lacroix et al. (2018)."""
        real, imaginary = vectors_ND.chunk(2, dim=-1)
        return (real.square() + imaginary.square()).sqrt()


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


SCORERS: Final[dict[ModelName, type[Scorer]]] = {"transe": TransE, "complex": ComplEx}


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
