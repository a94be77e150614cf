"""A few queries that a model answered best, and a few that it answered worst, for people to read.

Imports numpy, benchmarks.{predict,ranking} and wikidata5m. Shapes: Q queries, C candidates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.predict import Answer, Query, predict
from benchmarks.ranking import DIRECTIONS, Direction, Predictor, Ranks
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.schema import Setting

EACH: Final = 8
"""How many of the best, and how many of the worst."""
OF_RELATION: Final = 2
"""At most so many of one relation, so that one hard relation does not fill the list."""
RIVALS: Final = 3

Verdict = Literal["best", "worst"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One query and its truth, by the dataset's string ids."""

    verdict: Verdict
    direction: Direction
    """Which end was asked for."""
    head: str
    relation: str
    tail: str
    rank: float
    """Of the truth, filtered; equal scores count half."""
    candidates: int
    """How many were left after filtering, the truth included."""
    rivals: tuple[str, ...]
    """The entities of the highest scores that no known triplet states, best first."""


def find_examples(
    predictor: Predictor,
    ranks: Ranks,
    triplets_N3: Triplets,
    dataset: Dataset,
    setting: Setting,
    candidates_C: npt.NDArray[np.integer],
    *,
    seed: int,
) -> tuple[Example, ...]:
    """The EACH best and worst of the ranked queries; the seed draws among those of equal rank."""
    rank_Q = np.concatenate([getattr(ranks, direction).realistic for direction in DIRECTIONS])
    shuffled_Q = np.random.default_rng(seed).permutation(len(rank_Q))
    order_Q = shuffled_Q[np.argsort(rank_Q[shuffled_Q], kind="stable")]
    relation_Q = np.tile(triplets_N3[:, 1], len(DIRECTIONS))
    best = list(_varied(order_Q.tolist(), relation_Q))
    worst = list(_varied((q for q in order_Q[::-1].tolist() if q not in best), relation_Q))
    chosen = [*best, *worst]
    queries = [_query(triplets_N3, q) for q in chosen]
    parts = dataset.parts(setting)
    rivals = predict(predictor, queries, candidates_C, parts, top=RIVALS, known="hide")
    return tuple(
        _example("best" if n < len(best) else "worst", q, ranks, triplets_N3, dataset, answers)
        for n, (q, answers) in enumerate(zip(chosen, rivals, strict=True))
    )


def _varied(order: Iterable[int], relation_Q: npt.NDArray[np.integer]) -> Iterator[int]:
    """The first EACH in this order, OF_RELATION of one relation at most."""
    taken: Counter[int] = Counter()
    for q in order:
        if taken.total() == EACH:
            return
        relation = int(relation_Q[q])
        if taken[relation] < OF_RELATION:
            taken[relation] += 1
            yield q


def _place(triplets_N3: Triplets, q: int) -> tuple[Direction, int]:
    """The direction and the row of query q: all of one direction, then all of the other."""
    return DIRECTIONS[q // len(triplets_N3)], q % len(triplets_N3)


def _query(triplets_N3: Triplets, q: int) -> Query:
    direction, row = _place(triplets_N3, q)
    head, relation, tail = map(int, triplets_N3[row])
    return Query(head, relation, None) if direction == "tail" else Query(None, relation, tail)


def _example(
    verdict: Verdict,
    q: int,
    ranks: Ranks,
    triplets_N3: Triplets,
    dataset: Dataset,
    rivals: Iterable[Answer],
) -> Example:
    direction, row = _place(triplets_N3, q)
    head, relation, tail = map(int, triplets_N3[row])
    found = getattr(ranks, direction)
    return Example(
        verdict=verdict,
        direction=direction,
        head=dataset.entity_ids[head],
        relation=dataset.relations["relation"][relation],
        tail=dataset.entity_ids[tail],
        rank=float(found.realistic[row]),
        candidates=int(found.candidates[row]),
        rivals=tuple(dataset.entity_ids[answer.entity] for answer in rivals),
    )
