"""The graph that every engine is given, as an .npz. Imports numpy and wikidata5m.

Shapes: N training triplets, M of them that are ranked; columns head, relation, tail, int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import ConfigError, DatasetError

RANKED = 5_000
"""Triplets drawn for ranking, at most; a run ranks as many as its time allows."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Where the graph is, and its sizes."""

    path: Path
    name: str
    num_entities: int
    num_relations: int
    num_triplets: int


def random_graph(path: Path, *, entities: int, relations: int, triplets: int, seed: int) -> Graph:
    """Uniform heads, relations and tails: no rows are hot, which is the hardest on memory."""
    for name, value in {"entities": entities, "relations": relations, "triplets": triplets}.items():
        if value < 1:
            raise ConfigError(f"--{name} {value}: must be at least 1")
    rng = np.random.default_rng(seed)
    sizes = (entities, relations, entities)
    columns = [rng.integers(size, size=triplets) for size in sizes]
    return _save(path, "random graph", np.stack(columns, axis=1), entities, relations, seed)


def dataset_graph(path: Path, dataset: Path, *, seed: int) -> Graph:
    """The training triplets of a dataset's transductive split."""
    data = Dataset(dataset)
    train_N3 = data.triplets("transductive", "train")
    if not len(train_N3):
        raise DatasetError(f"{dataset}: no training triplets; build it from a larger graph")
    sizes = data.num_entities, data.num_relations
    return _save(path, data.manifest.name, train_N3, *sizes, seed)


def _save(
    path: Path, name: str, train_N3: Triplets, entities: int, relations: int, seed: int
) -> Graph:
    rng = np.random.default_rng(seed)
    shuffled_N3 = rng.permutation(train_N3).astype(np.int64)
    # Known triplets are ranked, so that no test triplet is ever touched for the sake of speed.
    np.savez(path, train=shuffled_N3, ranked=shuffled_N3[-RANKED:])
    return Graph(path, name, entities, relations, len(train_N3))
