"""Filtered ranking by counting: one evaluator for every engine and for KEPLER.

Imports numpy, benchmarks.{counting,predictors,pruning,queries,unfinished} and wikidata5m.

The rank of a truth is 1 + the candidates that score above it + half of those that score equal.
rank_triplets is the main path; docs/explanation/ranking.md tells the protocol and how this is fast.

Shapes: N triplets to rank, C candidates, U distinct queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.counting import BLOCK, Counts
from benchmarks.predictors import (
    DIRECTIONS,
    Direction,
    EmbeddingPredictor,
    Indices,
    Predictor,
    VectorPredictor,
)
from benchmarks.pruning import count
from benchmarks.queries import Queries, make_queries
from benchmarks.unfinished import Unfinished

__all__ = [
    "DIRECTIONS",
    "Direction",
    "DirectionRanks",
    "EmbeddingPredictor",
    "Indices",
    "Predictor",
    "Ranks",
    "VectorPredictor",
    "rank_triplets",
]

BATCH: Final = 2048
"""Queries that share a pass over the candidates, at most."""


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


def rank_triplets(
    predictor: Predictor,
    triplets_N3: npt.NDArray[np.integer],
    known_N3: npt.NDArray[np.integer],
    candidates_C: npt.NDArray[np.integer],
    *,
    batch: int = BATCH,
    block: int = BLOCK,
    progress: Callable[[int], None] | None = None,
    unfinished: Unfinished | None = None,
) -> Ranks:
    """Rank the tail and the head of each triplet among the candidates.

    `known_N3` are the true triplets to filter by, in any order, repeats allowed; the truth of a
    query is never filtered. `batch` queries are scored against `block` candidates at a time, a
    multiple of 64; no rank depends on these. `progress` is told how many truths are ranked, out of
    2 N. `unfinished` keeps finished batches: an interrupted ranking goes on after them.
    Raises DatasetError when a truth is no candidate, Wikidata5MError when a score is not finite.
    """
    triplets_N3, known_N3 = (np.asarray(x).reshape(-1, 3) for x in (triplets_N3, known_N3))
    column_C = np.unique(np.asarray(candidates_C, dtype=np.int64))
    # Few candidates: batches so small that scoring the truths apart costs little beside them.
    batch = min(batch, max(512, len(column_C) // 64))
    found: dict[Direction, DirectionRanks] = {}
    for number, direction in enumerate(DIRECTIONS):
        queries = make_queries(triplets_N3, known_N3, column_C, direction)
        counts, done = [], number * len(triplets_N3)
        for part in queries.batches(batch):
            make = partial(count, predictor, part, column_C, block)
            counts.append(unfinished.get(part, column_C, make) if unfinished else make())
            done += len(part.truth_row_N)
            if progress:
                progress(done)
        found[direction] = _in_order(queries, counts)
    relation_N = triplets_N3[:, 1].astype(np.int64)
    return Ranks(found["head"], found["tail"], relation_N, len(column_C))


def _in_order(queries: Queries, counts: list[Counts]) -> DirectionRanks:
    """The batches' counts as ranks in the order of the triplets."""
    above_N, equal_N, left_N = (np.zeros(len(queries.triplet_N), dtype=np.int64) for _ in range(3))
    if counts:
        above_N[queries.triplet_N] = np.concatenate([x.above for x in counts])
        equal_N[queries.triplet_N] = np.concatenate([x.equal for x in counts])
        left_N[queries.triplet_N] = np.concatenate([x.left for x in counts])
    return DirectionRanks(1 + above_N, above_N + equal_N, left_N)
