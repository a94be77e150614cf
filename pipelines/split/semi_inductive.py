"""The semi-inductive split: unseen entities whose neighbours are seen, with few-shot support.

Imports draws, config and graph. The task is that of Kochsiek & Gemulla, "A Benchmark for
Semi-Inductive Link Prediction in Knowledge Graphs" (Findings of EMNLP 2023), who made one for
Wikidata5M; how entities are chosen here is our own. Legend: N triplets, E entities, R relations.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipelines.draws import bits, order
from pipelines.split.config import (
    LEAST_UNSEEN,
    SplitConfig,
    SplitResult,
    nothing,
    shortfall,
    too_few,
)
from pipelines.split.graph import Graph
from wikidata5m.dataset import Triplets

VALID, TEST, SUPPORT = 1, 2, 3


def semi_inductive(
    triplets_N3: Triplets, num_entities: int, config: SplitConfig, seed: int
) -> SplitResult:
    """Take entities out of train with all their facts; their neighbours stay.

    No two unseen entities are neighbours, and each known one keeps a triplet in train, so train,
    support, valid and test are a partition of the triplets (which are sorted and unique), and each
    triplet outside train joins one unseen entity and one of train. Of each unseen entity's facts
    `config.shots` random ones are support, in `support` grouped by entity and in an order of their
    own: the first k of a group are that entity's k shots. The rest are its queries.
    """
    size = min(config.unseen_entities, int(num_entities * config.max_share))
    if size < LEAST_UNSEEN:
        return too_few("semi_inductive", "entities", num_entities, LEAST_UNSEEN)
    graph = Graph(triplets_N3, num_entities)
    unseen = _choose(graph, 2 * size, config, seed)
    if len(unseen) < 2 * LEAST_UNSEEN:
        return nothing(
            "no semi_inductive split: hardly an entity has "
            f"{config.shots + config.least_queries} to {config.most_facts} facts to take out; set "
            "split.shots or split.least_queries lower, or split.most_facts higher"
        )
    # Taken in turns, so that a shortfall hits both parts.
    parts = {entity: TEST if turn % 2 else VALID for turn, entity in enumerate(unseen)}
    part_N = np.zeros(len(triplets_N3), dtype=np.int8)
    support = []
    for entity in sorted(parts):
        rows = graph.rows(entity)
        rows = rows[np.argsort(bits(rows, seed, 5))]
        part_N[rows[: config.shots]] = SUPPORT
        part_N[rows[config.shots :]] = parts[entity]
        support.append(rows[: config.shots])
    return SplitResult(
        parts={
            "train": triplets_N3[part_N == 0],
            "valid": triplets_N3[part_N == VALID],
            "test": triplets_N3[part_N == TEST],
            "support": triplets_N3[np.concatenate(support)],
        },
        note=shortfall(
            "semi_inductive", "unseen entities", 2 * config.unseen_entities, len(unseen)
        ),
    )


def _choose(graph: Graph, size: int, config: SplitConfig, seed: int) -> list[int]:
    """Up to `size` entities that can leave train together, in random order."""
    least = config.shots + config.least_queries
    degree_E = graph.degree_E
    fits_E = (degree_E >= least) & (degree_E <= config.most_facts)
    left_E = degree_E.copy()
    left_R = np.bincount(graph.triplets_N3[:, 1])
    unseen: dict[int, None] = {}
    visited = order(len(degree_E), seed, 4)
    for entity in visited[fits_E[visited]]:
        ends = Counter(graph.neighbours(int(entity)))
        relations = Counter(graph.triplets_N3[graph.rows(int(entity)), 1].tolist())
        if (
            entity not in ends
            and not ends.keys() & unseen.keys()
            and all(left_E[other] > count for other, count in ends.items())
            and all(left_R[relation] > count for relation, count in relations.items())
        ):
            unseen[int(entity)] = None
            for other, count in ends.items():
                left_E[other] -= count
            for relation, count in relations.items():
                left_R[relation] -= count
            if len(unseen) == size:
                break
    return list(unseen)
