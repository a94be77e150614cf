"""Triplets to rank, as distinct queries with their truths and their known answers.

Imports numpy, benchmarks.predictors and wikidata5m.errors.

Triplets that share a query share its scores: of the 5,133 test triplets of Wikidata5M hundreds ask
which entity is `instance of` the same class.

Shapes: N triplets, U queries of a direction, C candidates, M known answers of all queries.
A column is a place in the ascending list of candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.predictors import Direction, Indices
from wikidata5m.errors import DatasetError

CHUNK: Final = 1 << 20
"""Known triplets looked at together; few of many millions answer a query."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Distinct queries of one direction, by relation and given entity."""

    direction: Direction
    given_U: Indices
    relation_U: Indices
    truth_row_N: Indices
    """The query of each triplet to rank, ascending."""
    truth_column_N: Indices
    triplet_N: Indices
    """Which of the triplets that is."""
    known_row_M: Indices
    """The query of each known answer, ascending."""
    known_column_M: Indices

    def __len__(self) -> int:
        return len(self.given_U)

    def batches(self, size: int) -> Iterator[Queries]:
        """The queries in runs of at most `size`, as even as can be."""
        bounds = np.linspace(0, len(self), -(-len(self) // size) + 1).round().astype(np.int64)
        for start, stop in pairwise(bounds.tolist()):
            truths, known = (
                slice(*np.searchsorted(rows, (start, stop)))
                for rows in (self.truth_row_N, self.known_row_M)
            )
            yield Queries(
                self.direction,
                self.given_U[start:stop],
                self.relation_U[start:stop],
                self.truth_row_N[truths] - start,
                self.truth_column_N[truths],
                self.triplet_N[truths],
                self.known_row_M[known] - start,
                self.known_column_M[known],
            )

    def select(self, kept_U: npt.NDArray[np.bool_]) -> Queries:
        """Those of the queries."""
        row_U = np.cumsum(kept_U) - 1
        truths, known = kept_U[self.truth_row_N], kept_U[self.known_row_M]
        return Queries(
            self.direction,
            self.given_U[kept_U],
            self.relation_U[kept_U],
            row_U[self.truth_row_N[truths]],
            self.truth_column_N[truths],
            self.triplet_N[truths],
            row_U[self.known_row_M[known]],
            self.known_column_M[known],
        )


def make_queries(
    triplets_N3: npt.NDArray[np.integer],
    known_N3: npt.NDArray[np.integer],
    candidates_C: Indices,
    direction: Direction,
) -> Queries:
    """The queries of these triplets among ascending candidates, filtered by the known ones.

    Raises DatasetError when a truth is no candidate.
    """
    given, answer = (2, 0) if direction == "head" else (0, 2)
    column_N = _truth_columns(triplets_N3, candidates_C, direction)
    width = 1 + max(int(x[:, given].max(initial=0)) for x in (triplets_N3, known_N3))
    key_U, row_N = np.unique(_keys(triplets_N3, given, width), return_inverse=True)
    order_N = np.argsort(row_N, kind="stable")
    place_M = np.unique(
        np.concatenate(
            [
                _answers(known_N3[i : i + CHUNK], key_U, candidates_C, given, answer, width)
                for i in range(0, len(known_N3), CHUNK)
            ]
            or [np.zeros(0, dtype=np.int64)]
        )
    )
    known_row_M, known_column_M = np.divmod(place_M, max(1, len(candidates_C)))
    return Queries(
        direction,
        key_U % width,
        key_U // width,
        row_N[order_N].astype(np.int64),
        column_N[order_N],
        order_N,
        known_row_M,
        known_column_M,
    )


def _keys(triplets_N3: npt.NDArray[np.integer], given: int, width: int) -> Indices:
    return triplets_N3[:, 1].astype(np.int64) * width + triplets_N3[:, given]


def _answers(
    known_N3: npt.NDArray[np.integer],
    key_U: Indices,
    candidates_C: Indices,
    given: int,
    answer: int,
    width: int,
) -> Indices:
    """Where known triplets answer a query, row * C + column; no answer that is no candidate."""
    if not len(key_U):
        return np.zeros(0, dtype=np.int64)
    key_N = _keys(known_N3, given, width)
    row_N = np.searchsorted(key_U, key_N).clip(max=len(key_U) - 1)
    asked_N = key_U[row_N] == key_N
    row_N, column_N = row_N[asked_N], find_columns(candidates_C, known_N3[asked_N, answer])
    place_N: Indices = row_N * len(candidates_C) + column_N
    return place_N[column_N >= 0]


def find_columns(candidates_C: Indices, entity_N: npt.NDArray[np.integer]) -> Indices:
    """The column of each entity; -1 where it is no candidate."""
    column_N = np.searchsorted(candidates_C, entity_N).clip(max=len(candidates_C) - 1)
    return np.where(candidates_C[column_N] == entity_N, column_N, -1)


def _truth_columns(
    triplets_N3: npt.NDArray[np.integer], candidates_C: Indices, direction: Direction
) -> Indices:
    if not len(triplets_N3):
        return np.zeros(0, dtype=np.int64)
    if not len(candidates_C):
        raise DatasetError(
            "no candidates to rank among; name at least the entities of the triplets"
        )
    truth_N = triplets_N3[:, 0 if direction == "head" else 2]
    column_N = find_columns(candidates_C, truth_N)
    if (column_N < 0).any():
        n = int(np.argmax(column_N < 0))
        raise DatasetError(
            f"{direction} {truth_N[n]} of triplet {tuple(triplets_N3[n].tolist())} is no "
            "candidate; rank among all entities of the triplets"
        )
    return column_N
