"""How cheap the trials of each round are. Imports numpy and wikidata5m.

Successive halving with the two savings of GraSH (Kochsiek et al. 2022): early rounds train fewer
epochs, on a k-core of the graph where it is large. A k-core is what remains when entities with
fewer than k triplets are taken away until none is left: unlike a sample of the triplets it stays as
dense as the graph, so that what works on it works on the graph.

Shapes: N triplets, V of them for validation, E entities; columns head, relation, tail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from wikidata5m.dataset import Dataset, Triplets

CORE_FROM: Final = 500_000
"""Graphs with fewer training triplets are cheap enough, and their cores poor."""
VALID_MIN: Final = 100
"""Validation triplets below which a core says too little."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a trial of this round costs: `epochs` passes over `share` of the triplets."""

    number: int
    """From 1."""
    epochs: int
    share: float


@dataclass(frozen=True, slots=True)
class Subgraph:
    """What a trial trains and validates on, entities numbered anew."""

    k: int
    """Its entities have at least so many triplets; 0 for the whole graph."""
    num_entities: int
    num_relations: int
    train_N3: Triplets
    valid_V3: Triplets


def plan(rounds: int, keep: int, epochs: int, triplets: int) -> list[Round]:
    """Rounds whose trials cost `keep` times as much each as those before; the last costs it all.

    On a large graph a saving is shared by epochs and triplets, its square root each.
    """
    planned = []
    for number in range(1, rounds + 1):
        cost = float(keep) ** (number - rounds)
        share = math.sqrt(cost) if triplets >= CORE_FROM else 1.0
        planned.append(Round(number, max(1, round(epochs * cost / share)), share))
    return planned


def subgraph(dataset: Dataset, share: float) -> Subgraph:
    """The largest k-core with at most `share` of the training triplets, or the whole graph.

    Whole, too, where the core would leave fewer than VALID_MIN validation triplets.
    """
    train_N3 = dataset.triplets("transductive", "train")
    valid_V3 = dataset.triplets("transductive", "valid")
    sizes = dataset.num_entities, dataset.num_relations
    if share < 1:
        k, core_N3 = core_of_share(train_N3, share)
        kept_E = np.unique(core_N3[:, [0, 2]])
        inside_V3 = valid_V3[np.isin(valid_V3[:, [0, 2]], kept_E).all(axis=1)]
        if len(inside_V3) >= VALID_MIN:
            parts = (_renumbered(part, kept_E) for part in (core_N3, inside_V3))
            return Subgraph(k, len(kept_E), sizes[1], *parts)
    return Subgraph(0, *sizes, train_N3, valid_V3)


def core_of_share(triplets_N3: Triplets, share: float) -> tuple[int, Triplets]:
    """The smallest k whose core has at most `share` of the triplets, and that core."""
    most = int(share * len(triplets_N3))
    low, low_core = 0, triplets_N3
    high = int(np.bincount(triplets_N3[:, [0, 2]].ravel()).max(initial=0)) + 1
    core = triplets_N3[:0]
    while high - low > 1:
        k = (low + high) // 2
        found = k_core(low_core, k)
        if len(found) <= most:
            high, core = k, found
        else:
            low, low_core = k, found
    return high, core


def k_core(triplets_N3: Triplets, k: int) -> Triplets:
    """The triplets whose two entities have at least k triplets, counted among those alone."""
    while len(triplets_N3):
        degree_E = np.bincount(triplets_N3[:, [0, 2]].ravel())
        kept_N = (degree_E[triplets_N3[:, [0, 2]]] >= k).all(axis=1)
        if kept_N.all():
            break
        triplets_N3 = triplets_N3[kept_N]
    return triplets_N3


def _renumbered(triplets_N3: Triplets, kept_E: np.ndarray) -> Triplets:
    found = triplets_N3.copy()
    for column in (0, 2):
        found[:, column] = np.searchsorted(kept_E, triplets_N3[:, column])
    return found
