"""The inductive split: connected subgraphs held out, whose entities train never shows.

Imports draws, config, graph and world.random. Legend: N triplets, E entities, R relations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.draws import Ints, order
from pipelines.split.config import (
    LEAST_INDUCTIVE,
    SplitConfig,
    SplitResult,
    nothing,
    shortfall,
    too_few,
)
from pipelines.split.graph import Graph
from pipelines.world.random import Stream
from wikidata5m.dataset import Triplets
from wikidata5m.schema import Part
from wikidata5m.splits import Split

TRAIN: Final = 0
CODES: Final[dict[Part, int]] = {"train": TRAIN, "valid": 1, "test": 2}


def inductive(
    triplets_N3: Triplets, num_entities: int, config: SplitConfig, seed: int
) -> SplitResult:
    """Hold out connected subgraphs, so that valid and test entities are unseen in train.

    Subgraphs grow from random entities along random edges, never through hubs, until each part
    holds its entities. A part's triplets are those with both ends in it; those between two parts
    are dropped and counted. A subgraph is taken only while train keeps every relation.
    `triplets_N3` are sorted and unique.
    """
    if not len(triplets_N3):
        return too_few("inductive", "triplets", 0, 1)
    size = min(config.inductive_entities, int(num_entities * config.max_share))
    if size < LEAST_INDUCTIVE:
        return too_few("inductive", "entities", num_entities, LEAST_INDUCTIVE)
    growth = _Growth(Graph(triplets_N3, num_entities), config, seed)
    subgraphs = list(growth.hold_out(size))
    part_E = growth.part_E
    head_N, tail_N = part_E[triplets_N3[:, 0]], part_E[triplets_N3[:, 2]]
    parts: Split = {
        part: triplets_N3[(head_N == code) & (tail_N == code)] for part, code in CODES.items()
    }
    if not (len(parts["valid"]) and len(parts["test"])):
        return nothing(
            "no inductive split: no connected subgraph could be held out; set "
            "split.subgraph_entities or split.hub_share lower"
        )
    got = int((part_E != TRAIN).sum())
    return SplitResult(
        parts=parts,
        note=shortfall("inductive", "unseen entities", 2 * config.inductive_entities, got),
        drops={"inductive_border": int((head_N != tail_N).sum())},
        subgraphs=tuple(subgraphs),
    )


class _Growth:
    """Subgraphs taken out of train one after the other."""

    def __init__(self, graph: Graph, config: SplitConfig, seed: int) -> None:
        self.graph, self.seed, self.config = graph, seed, config
        self.part_E: npt.NDArray[np.int8] = np.zeros(len(graph.degree_E), dtype=np.int8)
        self.relation_N = graph.triplets_N3[:, 1]
        self.left_R = np.bincount(self.relation_N)
        self.kept_N = np.ones(len(self.relation_N), dtype=np.bool_)
        self.open_E = (graph.degree_E > 0) & (graph.degree_E <= _hub(graph, config.hub_share))
        self._stream = Stream(seed, 3)

    def hold_out(self, size: int) -> Iterator[tuple[Part, list[int]]]:
        """Subgraphs until each part has `size` entities.

        The emptier part comes first, so that a shortfall hits both.
        """
        missing: dict[Part, int] = {"valid": size, "test": size}
        for start in order(len(self.part_E), self.seed, 2):
            part = max(missing, key=lambda each: missing[each])
            if missing[part] < 2:
                return
            if not self.open_E[start] or self.part_E[start] != TRAIN:
                continue
            grown = self._grow(int(start), min(missing[part], self.config.subgraph_entities))
            if len(grown) >= 2 and self._release(grown):
                self.part_E[grown] = CODES[part]
                missing[part] -= len(grown)
                yield part, grown

    def _grow(self, start: int, size: int) -> list[int]:
        """Up to `size` connected entities of train around `start`, by random edges."""
        grown: list[int] = []
        frontier, seen = [start], {start}
        while frontier and len(grown) < size:
            pick = self._stream.below(len(frontier))
            frontier[pick], frontier[-1] = frontier[-1], frontier[pick]
            entity = frontier.pop()
            grown.append(entity)
            for other in self.graph.neighbours(entity):
                if other not in seen and self.open_E[other] and self.part_E[other] == TRAIN:
                    seen.add(other)
                    frontier.append(other)
        return grown

    def _release(self, grown: list[int]) -> bool:
        """Take the entities' triplets out of train, unless a relation would vanish from it."""
        rows = np.unique(np.concatenate([self.graph.rows(entity) for entity in grown]))
        rows = rows[self.kept_N[rows]]
        taken_R = np.bincount(self.relation_N[rows], minlength=len(self.left_R))
        if np.any((taken_R > 0) & (taken_R >= self.left_R)):
            return False
        self.kept_N[rows] = False
        self.left_R -= taken_R
        return True


def _hub(graph: Graph, share: float) -> int:
    """The degree above which an entity belongs to the best-connected share."""
    used: Ints = graph.degree_E[graph.degree_E > 0]
    place = int((len(used) - 1) * (1 - share))
    return int(np.partition(used, place)[place])
