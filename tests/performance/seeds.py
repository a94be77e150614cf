"""Do the splits of a large graph hold for any seed? Plain sets, and networkx for what is connected.

    python -m tests.performance.seeds DATASET --seeds 20

The checks of tests/pipelines/checker.py hold tuples in sets, which a million entities make slow;
here a triplet is one number, and the rules are the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np

from pipelines.split import (
    SplitConfig,
    SplitResult,
    classification,
    inductive,
    semi_inductive,
    transductive,
)
from tests.pipelines.checker import check_classification
from wikidata5m import load
from wikidata5m.dataset import Triplets
from wikidata5m.splits import Split


def main() -> None:
    """Check each split of each seed; the first that does not hold ends the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    dataset = load(str(arguments.dataset))
    checker = Checker(dataset.triplets(), dataset.num_entities, dataset.num_relations)
    for seed in range(arguments.seeds):
        start = time.process_time()
        told = checker.check(seed, thorough=seed == 0)
        print(f"seed {seed}: {told}; {time.process_time() - start:.0f} s", flush=True)  # noqa: T201
    print(f"{arguments.seeds} seeds hold", file=sys.stderr)  # noqa: T201


class Checker:
    """The rules on one graph."""

    def __init__(self, triplets_N3: Triplets, num_entities: int, num_relations: int) -> None:
        self.triplets_N3 = triplets_N3
        self.sizes = (num_entities, num_relations)
        self.whole = self.keys(triplets_N3)
        self.relations = set(triplets_N3[:, 1].tolist())

    def keys(self, triplets_N3: Triplets) -> set[int]:
        """The triplets as numbers; none of them repeats."""
        entities, relations = self.sizes
        head, relation, tail = triplets_N3.astype(np.int64).T
        found: set[int] = set(((head * relations + relation) * entities + tail).tolist())
        assert len(found) == len(triplets_N3)
        return found

    def check(self, seed: int, *, thorough: bool) -> str:
        """All four splits; the false triplets, which are slow to check, only where thorough."""
        entities, relations = self.sizes
        config = SplitConfig()
        known = transductive(self.triplets_N3, config, seed)
        self.transductive(known.parts)
        unseen = inductive(self.triplets_N3, entities, config, seed)
        self.inductive(unseen)
        few = semi_inductive(self.triplets_N3, entities, config, seed)
        self.semi_inductive(few.parts, config)
        if thorough:
            made = classification(known.parts, entities, relations, config, seed)
            check_classification(known.parts, made)
        parts = {part: len(rows) for part, rows in unseen.parts.items() if part != "train"}
        return f"inductive {parts}, border {unseen.drops['inductive_border']:,}"

    def transductive(self, parts: Split) -> None:
        """A partition; nothing unseen."""
        self.partition(parts, lost=0)
        held = np.concatenate([parts["valid"], parts["test"]])
        assert ends(held) <= ends(parts["train"])
        assert set(held[:, 1].tolist()) <= set(parts["train"][:, 1].tolist())

    def inductive(self, result: SplitResult) -> None:
        """Disjoint entities, connected subgraphs with all they hold, every relation known."""
        parts = result.parts
        self.partition(parts, lost=result.drops["inductive_border"])
        own = {part: ends(parts[part]) for part in ("train", "valid", "test")}
        assert not own["train"] & (own["valid"] | own["test"])
        assert not own["valid"] & own["test"]
        assert set(parts["train"][:, 1].tolist()) == self.relations
        for part in ("valid", "test"):
            inside = np.isin(self.triplets_N3[:, [0, 2]], list(own[part])).all(axis=1)
            assert int(inside.sum()) == len(parts[part])
            graph = nx.Graph(parts[part][:, [0, 2]].tolist())
            grown = [subgraph for of, subgraph in result.subgraphs if of == part]
            assert {entity for subgraph in grown for entity in subgraph} == own[part]
            assert all(nx.is_connected(graph.subgraph(subgraph)) for subgraph in grown)

    def semi_inductive(self, parts: Split, config: SplitConfig) -> None:
        """A partition; one end unseen; as many shots as asked for, and queries left."""
        self.partition(parts, lost=0)
        seen = ends(parts["train"])
        assert set(parts["train"][:, 1].tolist()) == self.relations
        unseen = {part: self.unseen(rows, seen) for part, rows in parts.items() if part != "train"}
        assert not set(unseen["valid"]) & set(unseen["test"])
        asked = Counter(unseen["valid"]) + Counter(unseen["test"])
        assert Counter(unseen["support"]) == dict.fromkeys(asked, config.shots)
        assert unseen["support"] == sorted(unseen["support"])
        assert min(asked.values()) >= config.least_queries
        assert max(asked.values()) + config.shots <= config.most_facts

    def unseen(self, triplets_N3: Triplets, seen: set[int]) -> list[int]:
        """The unseen end of each triplet; the other is seen."""
        found = []
        for head, _, tail in triplets_N3.tolist():
            (entity,) = {head, tail} - seen
            assert {head, tail} & seen
            found.append(entity)
        return found

    def partition(self, parts: Split, lost: int) -> None:
        """No triplet stands twice; all are of the graph; just so many are lost."""
        keys = [self.keys(rows) for rows in parts.values()]
        together = set().union(*keys)
        assert sum(map(len, keys)) == len(together)
        assert together <= self.whole
        assert len(self.whole) - len(together) == lost


def ends(triplets_N3: Triplets) -> set[int]:
    """The entities of the triplets."""
    return set(triplets_N3[:, [0, 2]].ravel().tolist())


if __name__ == "__main__":
    main()
