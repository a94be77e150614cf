"""What to hold out, and what a split is when it is made. Imports schema and splits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from wikidata5m.schema import Part, Setting
from wikidata5m.splits import Split

LEAST_INDUCTIVE: Final = 4
"""Unseen entities of an inductive part, at least."""
LEAST_UNSEEN: Final = 2
"""Unseen entities of a semi-inductive part, at least."""
MOST_SHARE: Final = 0.5
"""Of the graph in a part: with as much in valid as in test, train would be empty."""


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
    unseen_entities: int = 500
    """Unseen entities in each of the semi-inductive validation and test parts."""
    shots: int = 5
    """Facts given as support about each unseen entity; the first k of them are its k shots."""
    least_queries: int = 2
    """Facts that an unseen entity has left to ask for, at least."""
    most_facts: int = 20
    """An entity of more facts than this is never unseen: new entities come with few."""
    nearest_degree: int = 0
    """Draw a false entity among this many candidates nearest in degree; 0: among all."""
    keep_unseen: bool = False
    """Keep temporal queries about entities or relations that the earlier dataset lacks."""

    def __post_init__(self) -> None:
        if min(self.valid, self.test) < 1:
            raise ValueError("valid and test must be at least 1")
        if self.inductive_entities < LEAST_INDUCTIVE or self.unseen_entities < LEAST_UNSEEN:
            raise ValueError(
                f"inductive_entities must be at least {LEAST_INDUCTIVE} and unseen_entities at "
                f"least {LEAST_UNSEEN}: fewer rank nothing worth ranking"
            )
        if self.subgraph_entities < 2:
            raise ValueError("subgraph_entities must be at least 2: an edge has two ends")
        if not (0 < self.max_share < MOST_SHARE and 0 <= self.hub_share < 1):
            raise ValueError(f"max_share must lie in (0, {MOST_SHARE}) and hub_share in [0, 1)")
        if min(self.shots, self.nearest_degree) < 0 or self.least_queries < 1:
            raise ValueError(
                "shots and nearest_degree must not be negative, and least_queries at least 1"
            )
        if self.most_facts < self.shots + self.least_queries:
            raise ValueError("most_facts must be at least shots + least_queries")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """The parts, what fell between them, and what a reader should be told; no parts if none fit."""

    parts: Split
    note: str = ""
    drops: Mapping[str, int] = field(default_factory=dict)
    """Triplets that no part holds, by reason."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What else was counted, such as facts that an earlier dataset stated and a later does not."""
    subgraphs: tuple[tuple[Part, list[int]], ...] = ()
    """The connected subgraphs that an inductive split held out, as lists of entities."""


def nothing(note: str) -> SplitResult:
    """No split, why, and which setting would make one."""
    return SplitResult(parts={}, note=note)


def too_few(setting: Setting, what: str, count: int, least: int) -> SplitResult:
    """No split, since the largest share of `count` that a part may hold is less than `least`."""
    share = math.ceil(100 * least / max(count, 1)) / 100
    few = f"no {setting} split: {count:,} {what} are too few"
    fix = f"; set split.max_share to {share} or more" if share < MOST_SHARE else " for any share"
    return nothing(few + fix)


def shortfall(setting: str, what: str, asked: int, got: int) -> str:
    """The note on a split that is clearly smaller than asked for; '' when it is not."""
    if got >= 0.99 * asked:
        return ""
    return f"smaller {setting} split: {got:,} of the {asked:,} {what} asked for could be held out"
