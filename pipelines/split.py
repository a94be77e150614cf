"""Transductive and inductive splits: pure functions of (triplets, sizes, seed).

Imports dataset, schema and splits. Legend: N triplets, E entities, R relations. Triplets are
(N, 3) arrays of head, relation, tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from wikidata5m.dataset import Triplets
from wikidata5m.schema import Part
from wikidata5m.splits import Split

Ints = npt.NDArray[np.int64]
TRAIN: Final = 0
LEAST_ENTITIES: Final = 4
"""An inductive part with fewer entities than this ranks nothing worth ranking."""
CODES: Final[dict[Part, int]] = {"train": TRAIN, "valid": 1, "test": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """How much to hold out. A graph too small for these sizes gives up a smaller share, or none."""

    valid: int = 5163
    """Transductive validation triplets (the release's own size)."""
    test: int = 5133
    """Transductive test triplets."""
    inductive_entities: int = 7400
    """Unseen entities in each of the inductive validation and test parts."""
    subgraph_entities: int = 24
    """How far one connected subgraph of the inductive split grows."""
    max_share: float = 0.05
    """No part holds more than this share of the graph's triplets (or entities)."""
    hub_share: float = 0.01
    """The best-connected entities, which stay in train: to hold one out drops all its triplets."""

    def __post_init__(self) -> None:
        if min(self.valid, self.test, self.inductive_entities) < 1:
            raise ValueError("split sizes must be at least 1")
        if self.subgraph_entities < 2:
            raise ValueError("subgraph_entities must be at least 2: an edge has two ends")
        if not (0 < self.max_share < 0.5 and 0 <= self.hub_share < 1):
            raise ValueError("max_share must lie in (0, 0.5) and hub_share in [0, 1)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """The parts, what fell between them, and what a reader should be told; no parts if none fit."""

    parts: Split
    border: int
    note: str
    subgraphs: tuple[tuple[Part, list[int]], ...] = ()
    """The connected subgraphs that were held out, as lists of entities."""


def transductive(triplets_N3: Triplets, config: SplitConfig, seed: int) -> SplitResult:
    """Hold out triplets so that each entity and relation of valid and test occurs in train.

    Triplets are visited in random order; one is held out while its head, relation and tail keep
    another occurrence in train.
    """
    limit = int(len(triplets_N3) * config.max_share)
    sizes = [min(config.valid, limit), min(config.test, limit)]
    if min(sizes) == 0:
        return _none(f"no transductive split: {len(triplets_N3):,} triplets are too few")
    entities, relations = _counts(triplets_N3)
    held: list[int] = []
    for row in np.random.default_rng(seed).permutation(len(triplets_N3)):
        head, relation, tail = triplets_N3[row]
        entities[head] -= 1
        entities[tail] -= 1
        relations[relation] -= 1
        if entities[head] and entities[tail] and relations[relation]:
            held.append(row)
            if len(held) == sum(sizes):
                break
        else:
            entities[head] += 1
            entities[tail] += 1
            relations[relation] += 1
    if len(held) < 2:
        return _none("no transductive split: hardly a triplet has ends that occur elsewhere too")
    # The two parts share a shortfall in proportion; the draw is random, so a prefix is fair.
    first = min(max(1, len(held) * sizes[0] // sum(sizes)), len(held) - 1)
    part_N = np.zeros(len(triplets_N3), dtype=np.int8)
    part_N[held[:first]] = CODES["valid"]
    part_N[held[first:]] = CODES["test"]
    asked, got = config.valid + config.test, len(held)
    return SplitResult(
        parts={part: triplets_N3[part_N == code] for part, code in CODES.items()},
        border=0,
        note=_shortfall("transductive", "triplets", asked, got),
    )


def inductive(
    triplets_N3: Triplets, num_entities: int, config: SplitConfig, seed: int
) -> SplitResult:
    """Hold out connected subgraphs, so that valid and test entities are unseen in train.

    Subgraphs grow from random entities along random edges, never through hubs, until each part
    holds its entities. A part's triplets are those with both ends in it; those between two parts
    are dropped and counted. A subgraph is taken only while train keeps every relation.
    """
    size = min(config.inductive_entities, int(num_entities * config.max_share))
    if size < LEAST_ENTITIES or not len(triplets_N3):
        return _none(f"no inductive split: {num_entities:,} entities are too few")
    graph = _Graph(triplets_N3, num_entities, config.hub_share)
    rng = np.random.default_rng(seed)
    part_E = np.zeros(num_entities, dtype=np.int8)
    seeds = iter(rng.permutation(np.flatnonzero(graph.open_E)))
    subgraphs: list[tuple[Part, list[int]]] = []
    held_parts: tuple[Part, ...] = ("valid", "test")
    for held in held_parts:
        missing = size
        while missing >= 2 and (start := next(seeds, None)) is not None:
            grown = graph.grow(int(start), part_E, min(missing, config.subgraph_entities), rng)
            if len(grown) >= 2 and graph.release(grown):
                part_E[grown] = CODES[held]
                subgraphs.append((held, grown))
                missing -= len(grown)
    head_N, tail_N = part_E[triplets_N3[:, 0]], part_E[triplets_N3[:, 2]]
    parts: Split = {
        part: triplets_N3[(head_N == code) & (tail_N == code)] for part, code in CODES.items()
    }
    if not (len(parts["valid"]) and len(parts["test"])):
        return _none("no inductive split: no connected subgraph could be held out")
    got = int((part_E != TRAIN).sum())
    return SplitResult(
        parts=parts,
        border=int((head_N != tail_N).sum()),
        note=_shortfall("inductive", "unseen entities", 2 * config.inductive_entities, got),
        subgraphs=tuple(subgraphs),
    )


class _Graph:
    """The undirected graph as arrays: edge i of entity e leads to neighbour[offset[e] + i]."""

    def __init__(self, triplets_N3: Triplets, num_entities: int, hub_share: float) -> None:
        head_N, self.relation_N, tail_N = triplets_N3.T
        ends = np.concatenate([head_N, tail_N])
        order = np.argsort(ends, kind="stable")
        self.neighbour = np.concatenate([tail_N, head_N])[order]
        self.edge = (order % len(triplets_N3)).astype(np.int32)
        degree_E = np.bincount(ends, minlength=num_entities)
        self.offset = np.concatenate([[0], np.cumsum(degree_E)])
        used = degree_E[degree_E > 0]
        self.open_E = (degree_E > 0) & (degree_E <= np.quantile(used, 1 - hub_share))
        self.left_R = np.bincount(self.relation_N)
        self.kept_N = np.ones(len(triplets_N3), dtype=np.bool_)

    def grow(
        self, start: int, part_E: npt.NDArray[np.int8], size: int, rng: np.random.Generator
    ) -> list[int]:
        """Up to `size` connected entities of train around `start`, by random edges."""
        if part_E[start] != TRAIN:
            return []
        grown: list[int] = []
        frontier, seen = [start], {start}
        while frontier and len(grown) < size:
            pick = int(rng.integers(len(frontier)))
            frontier[pick], frontier[-1] = frontier[-1], frontier[pick]
            entity = frontier.pop()
            grown.append(entity)
            for other in self.neighbour[self.offset[entity] : self.offset[entity + 1]].tolist():
                if other not in seen and self.open_E[other] and part_E[other] == TRAIN:
                    seen.add(other)
                    frontier.append(other)
        return grown

    def release(self, grown: list[int]) -> bool:
        """Take the entities' triplets out of train, unless a relation would vanish from it."""
        edges = np.unique(
            np.concatenate([self.edge[self.offset[e] : self.offset[e + 1]] for e in grown])
        )
        edges = edges[self.kept_N[edges]]
        taken_R = np.bincount(self.relation_N[edges], minlength=len(self.left_R))
        if np.any((taken_R > 0) & (taken_R >= self.left_R)):
            return False
        self.kept_N[edges] = False
        self.left_R -= taken_R
        return True


def _counts(triplets_N3: Triplets) -> tuple[Ints, Ints]:
    """How often each entity (as head or tail) and each relation occurs."""
    return np.bincount(triplets_N3[:, [0, 2]].ravel()), np.bincount(triplets_N3[:, 1])


def _none(note: str) -> SplitResult:
    return SplitResult(parts={}, border=0, note=note)


def _shortfall(setting: str, what: str, asked: int, got: int) -> str:
    if got >= 0.99 * asked:
        return ""
    return f"smaller {setting} split: {got:,} of the {asked:,} {what} asked for could be held out"
