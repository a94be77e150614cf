"""What answers a query with scores: any Predictor, and the one over tables of vectors.

Imports numpy, torch, benchmarks.{embeddings,kernels,scorers,tensors} and wikidata5m.errors.
Shapes: B queries, K candidates, E rows of entities, R relations, D floats per vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.embeddings import Embeddings
from benchmarks.kernels import Similarity
from benchmarks.scorers import Scorer
from benchmarks.tensors import StoredRows
from wikidata5m.errors import DatasetError

Direction = Literal["head", "tail"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("tail", "head")
Indices = npt.NDArray[np.int64]


class Predictor(Protocol):
    """Anything that scores candidates. All arguments are the dataset's indices, int64.

    The scores may live on any device and be of any floating type.
    """

    def score_tails(self, head_B: Indices, relation_B: Indices, candidates_K: Indices) -> Tensor:
        """The score of each candidate as the tail of each (head, relation), (B, K)."""

    def score_heads(self, relation_B: Indices, tail_B: Indices, candidates_K: Indices) -> Tensor:
        """The score of each candidate as the head of each (relation, tail), (B, K)."""


@runtime_checkable
class VectorPredictor(Predictor, Protocol):
    """A Predictor whose scores are similarities of two vectors; ranking compares them itself."""

    @property
    def similarity(self) -> Similarity:
        """Of a query's vector and a candidate's."""

    def queries(self, direction: Direction, given_B: Indices, relation_B: Indices) -> Tensor:
        """The vectors to compare candidates of that direction with, (B, D)."""

    def vectors(self, entity_K: Indices) -> Tensor:
        """The vectors of candidates, (K, D)."""


class EmbeddingPredictor:
    """A Predictor over vectors: a trained table, or texts that an encoder turned into vectors.

    `index_E` says which entity each row is where only some entities have one, ascending. With
    `reciprocal` a head query (?, r, t) is asked as the tail query (t, r + R, ?).
    """

    def __init__(
        self,
        scorer: Scorer,
        entities_ED: Tensor | StoredRows,
        relations_RD: Tensor,
        *,
        index_E: Tensor | None = None,
        reciprocal: bool = False,
    ) -> None:
        self.scorer, self.entities_ED, self.relations_RD = scorer, entities_ED, relations_RD
        self.index_E = None if index_E is None else index_E.cpu().numpy().astype(np.int64)
        self.inverse = len(relations_RD) // 2 if reciprocal else 0

    @classmethod
    def of(cls, embeddings: Embeddings) -> EmbeddingPredictor:
        """The predictor that an artefact describes."""
        return cls(
            embeddings.meta.make_scorer(),
            embeddings.entities,
            embeddings.relations,
            index_E=embeddings.index,
            reciprocal=embeddings.meta.reciprocal,
        )

    @property
    def similarity(self) -> Similarity:
        """See VectorPredictor."""
        return self.scorer.similarity

    def score_tails(self, head_B: Indices, relation_B: Indices, candidates_K: Indices) -> Tensor:
        """See Predictor. Raises DatasetError when an entity has no vector."""
        head_BD, candidates_KD = self.vectors(head_B), self.vectors(candidates_K)
        with torch.no_grad():
            return self.scorer.score_tails(head_BD, self._relations(relation_B), candidates_KD)

    def score_heads(self, relation_B: Indices, tail_B: Indices, candidates_K: Indices) -> Tensor:
        """See Predictor. Raises DatasetError when an entity has no vector."""
        if self.inverse:
            return self.score_tails(tail_B, relation_B + self.inverse, candidates_K)
        tail_BD, candidates_KD = self.vectors(tail_B), self.vectors(candidates_K)
        with torch.no_grad():
            return self.scorer.score_heads(self._relations(relation_B), tail_BD, candidates_KD)

    def queries(self, direction: Direction, given_B: Indices, relation_B: Indices) -> Tensor:
        """See VectorPredictor."""
        given_BD = self.vectors(given_B)
        with torch.no_grad():
            if direction == "tail" or self.inverse:
                inverse = self.inverse if direction == "head" else 0
                return self.scorer.query_tails(given_BD, self._relations(relation_B + inverse))
            return self.scorer.query_heads(self._relations(relation_B), given_BD)

    def vectors(self, entity_B: Indices) -> Tensor:
        """See VectorPredictor: a view of the table where the rows are a run.

        Raises DatasetError when an entity has no vector.
        """
        row_B = entity_B
        if self.index_E is not None:
            row_B = np.searchsorted(self.index_E, entity_B).clip(max=len(self.index_E) - 1)
            missing = self.index_E[row_B] != entity_B
            if missing.any():
                raise DatasetError(
                    f"entity {entity_B[missing][0]} has no vector in these embeddings; "
                    "encode the entities of this split and part first"
                )
        if len(row_B) and (np.diff(row_B) == 1).all():
            return self.entities_ED[row_B[0] : row_B[-1] + 1]
        return self.entities_ED[torch.from_numpy(row_B).to(self.entities_ED.device)]

    def _relations(self, relation_B: Indices) -> Tensor:
        return self.relations_RD[torch.from_numpy(relation_B).to(self.relations_RD.device)]


BlockScorer = Callable[[Indices], Tensor]
"""Candidates to their scores for queries fixed before: (K,) gives (B, K)."""


def block_scorer(
    predictor: Predictor, direction: Direction, given_B: Indices, relation_B: Indices
) -> BlockScorer:
    """The scores of these queries, by the predictor's own methods."""
    if direction == "tail":
        return lambda entity_K: predictor.score_tails(given_B, relation_B, entity_K)
    return lambda entity_K: predictor.score_heads(relation_B, given_B, entity_K)
