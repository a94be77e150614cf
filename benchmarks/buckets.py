"""Which group each query belongs to, so that results can be told apart by group.

Imports numpy, benchmarks.ranking and wikidata5m. Everything is counted on train alone: a group must
not depend on what is asked. Shapes: N triplets to rank, E entities, R relations, M train triplets.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.ranking import Indices
from wikidata5m.dataset import Triplets

GroupName = Literal["relation", "mapping", "given_degree", "answer_degree", "entities", "ties"]
"""`ties` groups by the rule for equal scores, and is no property of a query."""

DEGREES: Final = (1, 3, 10, 30, 100, 300, 1000)
"""Where each bucket of degrees starts; below the first are entities that train lacks."""
MANY: Final = 1.5
"""From how many answers per question on a side of a relation counts as n (Bordes et al. 2013)."""
MAPPINGS: Final = ("1-1", "1-n", "n-1", "n-n", "relation not in train")
ENTITIES: Final = ("seen", "unseen")
"""Whether train holds both entities of a triplet."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The group of each head query and of each tail query, as a number into `names`."""

    names: tuple[str, ...]
    head_N: Indices
    tail_N: Indices


def groupings(
    triplets_N3: Triplets, train_M3: Triplets, num_entities: int, relation_ids: Sequence[str]
) -> dict[GroupName, Groups]:
    """Every grouping of the queries of `triplets_N3`; relations by their string ids."""
    head_N, relation_N, tail_N = triplets_N3.astype(np.int64).T
    degree_E = np.bincount(train_M3[:, [0, 2]].ravel(), minlength=num_entities)
    bucket_E = np.searchsorted(DEGREES, degree_E, side="right")
    mapping_N = mapping_types(train_M3, len(relation_ids))[relation_N]
    unseen_N = ((degree_E[head_N] == 0) | (degree_E[tail_N] == 0)).astype(np.int64)
    buckets = degree_names()
    return {
        "relation": Groups(tuple(relation_ids), relation_N, relation_N),
        "mapping": Groups(MAPPINGS, mapping_N, mapping_N),
        "given_degree": Groups(buckets, bucket_E[tail_N], bucket_E[head_N]),
        "answer_degree": Groups(buckets, bucket_E[head_N], bucket_E[tail_N]),
        "entities": Groups(ENTITIES, unseen_N, unseen_N),
    }


def degree_names() -> tuple[str, ...]:
    """What each bucket of degrees is called: "0", "1-2", ..., "1,000 or more"."""
    starts = (0, *DEGREES)
    named = [
        f"{low}-{high - 1}" if low < high - 1 else f"{low}"
        for low, high in itertools.pairwise(starts)
    ]
    return (*named, f"{starts[-1]:,} or more")


def mapping_types(train_M3: Triplets, num_relations: int) -> Indices:
    """(R,) the place in MAPPINGS of each relation.

    A relation is n on its tail side when a (head, relation) of train has on average MANY tails or
    more, and likewise on its head side (Bordes et al. 2013, section 4.1).
    """
    heads_R = _per_question(train_M3, 2, num_relations)
    tails_R = _per_question(train_M3, 0, num_relations)
    type_R = 2 * (heads_R >= MANY) + (tails_R >= MANY)
    return np.where(np.isnan(heads_R), len(MAPPINGS) - 1, type_R).astype(np.int64)


def _per_question(train_M3: Triplets, given: int, num_relations: int) -> npt.NDArray[np.float64]:
    """(R,) distinct answers per (relation, given entity) that occurs; NaN where none does."""
    width = int(train_M3.max(initial=0)) + 1
    key_M = train_M3[:, 1].astype(np.int64)
    for column in (given, 2 - given):
        key_M *= width
        key_M += train_M3[:, column]
    question_M = np.unique(key_M) // width
    relation_Q = question_M[np.diff(question_M, prepend=-1) > 0] // width
    answers_R = np.bincount(question_M // width, minlength=num_relations)
    with np.errstate(invalid="ignore"):
        return answers_R / np.bincount(relation_Q, minlength=num_relations)
