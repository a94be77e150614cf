"""Filtered ranking by counting: one evaluator for every engine and for KEPLER.

Imports numpy, torch, benchmarks.embeddings, benchmarks.scorers and wikidata5m.

The rank of a truth is 1 + the candidates that score above it + half of those that score equal.
Candidates known to be true as well (the filter) are counted like all others and subtracted after,
so no mask is ever formed. Candidates are scored a block at a time.

Shapes: N triplets to rank, B queries of a batch, C candidates, K candidates of a block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.embeddings import Embeddings
from benchmarks.scorers import Scorer
from wikidata5m.errors import DatasetError, Wikidata5MError

Direction = Literal["head", "tail"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("tail", "head")
Indices = npt.NDArray[np.int64]

MEMORY_BYTES: Final = 256 << 20
"""The default budget for one block of scores and what comparing it needs."""

MAX_BLOCK: Final = 1 << 16
"""Candidates of a block at most, since their vectors are gathered."""

COLUMNS: Final = 64
"""Blocks are filled up to a multiple of this: at ragged edges a matrix product may add in another
order, and equal vectors would score unequal."""


class Predictor(Protocol):
    """Anything that scores candidates. All arguments are the dataset's indices, int64.

    The scores may live on any device and be of any floating type.
    """

    def score_tails(self, head_B: Indices, relation_B: Indices, candidates_K: Indices) -> Tensor:
        """The score of each candidate as the tail of each (head, relation), (B, K)."""

    def score_heads(self, relation_B: Indices, tail_B: Indices, candidates_K: Indices) -> Tensor:
        """The score of each candidate as the head of each (relation, tail), (B, K)."""


class EmbeddingPredictor:
    """A Predictor over vectors: a trained table, or texts that an encoder turned into vectors.

    `index_E` says which entity each row is where only some entities have one, ascending. With
    `reciprocal` a head query (?, r, t) is asked as the tail query (t, r + R, ?).
    """

    def __init__(
        self,
        scorer: Scorer,
        entities_ED: Tensor,
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

    def score_tails(self, head_B: Indices, relation_B: Indices, candidates_K: Indices) -> Tensor:
        """See Predictor. Raises DatasetError when an entity has no vector."""
        head_BD, candidates_KD = self._entities(head_B), self._entities(candidates_K)
        with torch.no_grad():
            return self.scorer.score_tails(head_BD, self._relations(relation_B), candidates_KD)

    def score_heads(self, relation_B: Indices, tail_B: Indices, candidates_K: Indices) -> Tensor:
        """See Predictor. Raises DatasetError when an entity has no vector."""
        if self.inverse:
            return self.score_tails(tail_B, relation_B + self.inverse, candidates_K)
        tail_BD, candidates_KD = self._entities(tail_B), self._entities(candidates_K)
        with torch.no_grad():
            return self.scorer.score_heads(self._relations(relation_B), tail_BD, candidates_KD)

    def _relations(self, relation_B: Indices) -> Tensor:
        return self.relations_RD[torch.from_numpy(relation_B).to(self.relations_RD.device)]

    def _entities(self, wanted_B: Indices) -> Tensor:
        row_B = wanted_B
        if self.index_E is not None:
            row_B = np.searchsorted(self.index_E, wanted_B).clip(max=len(self.index_E) - 1)
            missing = self.index_E[row_B] != wanted_B
            if missing.any():
                raise DatasetError(
                    f"entity {wanted_B[missing][0]} has no vector in these embeddings; "
                    "encode the entities of this split and part first"
                )
        return self.entities_ED[torch.from_numpy(row_B).to(self.entities_ED.device)]


@dataclass(frozen=True, slots=True)
class DirectionRanks:
    """Filtered ranks of N truths in one direction, in the order the triplets came in."""

    optimistic: Indices
    """(N,): 1 + candidates that score above."""
    pessimistic: Indices
    """(N,): 1 + candidates that score above or equal."""
    candidates: Indices
    """(N,): how many candidates were left after filtering, the truth included."""

    @property
    def realistic(self) -> npt.NDArray[np.float64]:
        """(N,): the mean of the two: what a random order among equals gives on average."""
        return (self.optimistic + self.pessimistic) / 2


@dataclass(frozen=True, slots=True)
class Ranks:
    """What rank_triplets found."""

    head: DirectionRanks
    tail: DirectionRanks
    relation: Indices
    """(N,): the relation of each triplet."""
    num_candidates: int
    """C, before filtering."""


class _Known:
    """The known answers of (entity, relation) queries in one direction, as sorted arrays."""

    def __init__(self, known_N3: Indices, direction: Direction) -> None:
        given, answer = (2, 0) if direction == "head" else (0, 2)
        self.width = int(known_N3[:, given].max(initial=0)) + 1
        order = np.lexsort((known_N3[:, answer], known_N3[:, given], known_N3[:, 1]))
        ordered_N3 = known_N3[order]
        fresh_N = np.ones(len(ordered_N3), dtype=bool)
        fresh_N[1:] = (ordered_N3[1:] != ordered_N3[:-1]).any(axis=1)
        ordered_N3 = ordered_N3[fresh_N]
        self.key_N = ordered_N3[:, 1] * self.width + ordered_N3[:, given]
        self.answer_N = ordered_N3[:, answer]

    def find(self, given_B: Indices, relation_B: Indices) -> tuple[Indices, Indices]:
        """Each known answer of each query: (rows into the batch, entities)."""
        key_B = np.where(given_B < self.width, relation_B * self.width + given_B, -1)
        start_B = np.searchsorted(self.key_N, key_B, side="left")
        count_B = np.searchsorted(self.key_N, key_B, side="right") - start_B
        row_M = np.repeat(np.arange(len(key_B)), count_B)
        within_M = np.arange(len(row_M)) - np.repeat(np.cumsum(count_B) - count_B, count_B)
        return row_M, self.answer_N[start_B[row_M] + within_M]


class _Candidates:
    """The candidate list and where each entity stands in it."""

    def __init__(self, entity_C: Indices) -> None:
        self.entity_C = np.unique(entity_C)

    def place(self, entity_N: Indices) -> Indices:
        """The column of each entity; -1 where it is no candidate."""
        column_N = np.searchsorted(self.entity_C, entity_N)
        column_N[column_N == len(self.entity_C)] = 0
        return np.where(self.entity_C[column_N] == entity_N, column_N, -1)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Queries of one direction with their truths' columns and the filter's (row, column) pairs."""

    triplets: Indices
    truths: Indices
    known_rows: Indices
    known_columns: Indices


def rank_triplets(
    predictor: Predictor,
    triplets_N3: npt.NDArray[np.integer],
    known_N3: npt.NDArray[np.integer],
    candidates_C: npt.NDArray[np.integer],
    *,
    batch: int = 512,
    memory_bytes: int = MEMORY_BYTES,
    progress: Callable[[int], None] | None = None,
) -> Ranks:
    """Rank the tail and the head of each triplet among the candidates.

    `known_N3` are the true triplets to filter by, in any order, repeats allowed; the truth of a
    query is never filtered. `progress` is told the number of queries done, out of 2 N.
    Raises DatasetError when a truth is no candidate, Wikidata5MError when a score is not finite.
    """
    triplets, known = (
        np.asarray(x, dtype=np.int64).reshape(-1, 3) for x in (triplets_N3, known_N3)
    )
    candidates = _Candidates(np.asarray(candidates_C, dtype=np.int64))
    found: dict[Direction, DirectionRanks] = {}
    for number, direction in enumerate(DIRECTIONS):
        found[direction] = _rank_direction(
            predictor,
            triplets,
            _Known(known, direction),
            candidates,
            direction,
            batch=batch,
            memory_bytes=memory_bytes,
            progress=partial(_tell, progress, number * len(triplets)),
        )
    return Ranks(found["head"], found["tail"], triplets[:, 1], len(candidates.entity_C))


def _tell(progress: Callable[[int], None] | None, before: int, done: int) -> None:
    if progress:
        progress(before + done)


def _rank_direction(
    predictor: Predictor,
    triplets: Indices,
    known: _Known,
    candidates: _Candidates,
    direction: Direction,
    *,
    batch: int,
    memory_bytes: int,
    progress: Callable[[int], None],
) -> DirectionRanks:
    truth_N = _truth_columns(candidates, triplets, direction)
    better_N, equal_N, left_N = (np.zeros(len(triplets), dtype=np.int64) for _ in range(3))
    # Two blocks of scores and three masks live at a time: 16 bytes are enough for each score.
    block = min(MAX_BLOCK, memory_bytes // (16 * max(1, min(batch, len(triplets)))))
    block = max(COLUMNS, block - block % COLUMNS)
    # Sorted by truth, the truths of a batch fall into few blocks of candidates.
    order_N = np.argsort(truth_N, kind="stable")
    for start in range(0, len(triplets), batch):
        rows_B = order_N[start : start + batch]
        queries = _prepare(triplets[rows_B], truth_N[rows_B], known, candidates, direction)
        blocks = _Blocks(predictor, queries, candidates.entity_C, direction, block)
        better_N[rows_B], equal_N[rows_B] = _count(blocks)
        filtered_B = np.bincount(queries.known_rows, minlength=len(rows_B))
        left_N[rows_B] = len(candidates.entity_C) - filtered_B
        progress(start + len(rows_B))
    return DirectionRanks(1 + better_N, better_N + equal_N, left_N)


def _truth_columns(candidates: _Candidates, triplets: Indices, direction: Direction) -> Indices:
    if len(triplets) == 0:
        return np.zeros(0, dtype=np.int64)
    truth_N = triplets[:, 0 if direction == "head" else 2]
    if len(candidates.entity_C) == 0:
        raise DatasetError(
            "no candidates to rank among; name at least the entities of the triplets"
        )
    column_N = candidates.place(truth_N)
    if (column_N < 0).any():
        n = int(np.argmax(column_N < 0))
        raise DatasetError(
            f"{direction} {truth_N[n]} of triplet {tuple(triplets[n].tolist())} is no candidate; "
            "rank among all entities of the triplets"
        )
    return column_N


def _prepare(
    triplet_B3: Indices,
    truth_B: Indices,
    index: _Known,
    candidates: _Candidates,
    direction: Direction,
) -> _Batch:
    given_B = triplet_B3[:, 2 if direction == "head" else 0]
    row_M, entity_M = index.find(given_B, triplet_B3[:, 1])
    column_M = candidates.place(entity_M)
    kept = (column_M >= 0) & (column_M != truth_B[row_M])
    return _Batch(triplet_B3, truth_B, row_M[kept], column_M[kept])


class _Blocks:
    """The scores of a batch against one block of candidates after another; the last one is kept."""

    def __init__(
        self,
        predictor: Predictor,
        queries: _Batch,
        entity_C: Indices,
        direction: Direction,
        block: int,
    ) -> None:
        self.predictor, self.queries, self.direction = predictor, queries, direction
        self.entity_C, self.block = entity_C, block
        self.number = -(-len(entity_C) // block)
        self.last: tuple[int, Tensor] | None = None

    def score(self, number: int) -> Tensor:
        """(B, K) of block `number`. Raises Wikidata5MError when a score is not finite."""
        if self.last is None or self.last[0] != number:
            entity_K = self.entity_C[number * self.block : (number + 1) * self.block]
            filled = np.pad(entity_K, (0, -len(entity_K) % COLUMNS), mode="edge")
            head_B, relation_B, tail_B = self.queries.triplets.T
            if self.direction == "tail":
                scores_BK = self.predictor.score_tails(head_B, relation_B, filled)
            else:
                scores_BK = self.predictor.score_heads(relation_B, tail_B, filled)
            scores_BK = scores_BK[:, : len(entity_K)]
            self._check(scores_BK, entity_K)
            self.last = (number, scores_BK)
        return self.last[1]

    def _check(self, scores_BK: Tensor, entity_K: Indices) -> None:
        finite_BK = torch.isfinite(scores_BK)
        if finite_BK.all():
            return
        row, column = (int(i) for i in (~finite_BK).nonzero()[0])
        triplet = tuple(self.queries.triplets[row].tolist())
        raise Wikidata5MError(
            f"triplet {triplet}: candidate {self.direction} {entity_K[column]} scores "
            f"{scores_BK[row, column].item()}; the model has diverged, train with a smaller rate"
        )


def _count(blocks: _Blocks) -> tuple[Indices, Indices]:
    """Candidates above and equal to each truth, (B,) each; `equal` includes the truth itself."""
    queries = blocks.queries
    truth_score_B = _truth_scores(blocks)
    better_B = torch.zeros_like(truth_score_B, dtype=torch.int64)
    equal_B = torch.zeros_like(better_B)
    known_block_M = queries.known_columns // blocks.block
    for number in range(blocks.number):
        scores_BK = blocks.score(number)
        better_B += (scores_BK > truth_score_B[:, None]).sum(dim=1)
        equal_B += (scores_BK == truth_score_B[:, None]).sum(dim=1)
        here_M = known_block_M == number
        row_M = _on(scores_BK, queries.known_rows[here_M])
        column_M = _on(scores_BK, queries.known_columns[here_M] - number * blocks.block)
        known_M, truth_M = scores_BK[row_M, column_M], truth_score_B[row_M]
        better_B.index_add_(0, row_M, -(known_M > truth_M).long())
        equal_B.index_add_(0, row_M, -(known_M == truth_M).long())
    return better_B.cpu().numpy(), equal_B.cpu().numpy()


def _truth_scores(blocks: _Blocks) -> Tensor:
    """Each truth's score, read from its block: the call that counts gives the same bits."""
    block_B, column_B = np.divmod(blocks.queries.truths, blocks.block)
    numbers = np.unique(block_B)
    truth_score_B = blocks.score(int(numbers[0])).new_empty(len(block_B))
    for number in numbers:
        scores_BK = blocks.score(int(number))
        rows = np.flatnonzero(block_B == number)
        row_M, column_M = _on(scores_BK, rows), _on(scores_BK, column_B[rows])
        truth_score_B[row_M] = scores_BK[row_M, column_M]
    return truth_score_B


def _on(like: Tensor, indices: Indices) -> Tensor:
    return torch.from_numpy(indices).to(like.device)
