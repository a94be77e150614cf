"""Is a dataset what its manifest says, and do its splits hold? Imports dataset, manifest, schema.

Each check returns sentences, one per breach; no sentence means that it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.manifest import check_files
from wikidata5m.schema import PARTS, Part

Keys = npt.NDArray[np.int64]


def verify(dataset: Dataset) -> list[str]:
    """Every hash, count and split invariant of the dataset; one sentence per breach.

    Damaged files are reported alone: what they hold cannot be judged.
    """
    damaged = check_files(dataset.path, dataset.manifest)
    if damaged:
        return damaged
    return [
        *_check_tables(dataset),
        *_check_triplets(dataset),
        *(_check_transductive(dataset) if dataset.has_split("transductive") else ()),
        *(_check_inductive(dataset) if dataset.has_split("inductive") else ()),
    ]


def _check_tables(dataset: Dataset) -> Iterator[str]:
    counts = dataset.manifest.counts
    for name, frame in (("entities", dataset.entities), ("relations", dataset.relations)):
        if frame.height != counts[name]:
            yield f"{name}: {frame.height:,} rows, manifest says {counts[name]:,}"
        column = frame.columns[0]
        if frame[column].n_unique() != frame.height:
            yield f"{name}: ids repeat"
    if "" in dataset.texts:
        yield f"descriptions: {dataset.texts.count(''):,} entities have none"


def _check_triplets(dataset: Dataset) -> Iterator[str]:
    triplets_N3 = dataset.triplets()
    if len(triplets_N3) != dataset.manifest.counts["triplets"]:
        yield f"triplets: {len(triplets_N3):,} rows, manifest says otherwise"
    for column, size in ((0, "entities"), (1, "relations"), (2, "entities")):
        values = triplets_N3[:, column]
        if len(values) and not 0 <= values.min() <= values.max() < dataset.manifest.counts[size]:
            yield f"triplets: column {column} points outside the {size}"
    keys = _keys(triplets_N3, dataset)
    if np.any(keys[1:] <= keys[:-1]):
        yield "triplets: not sorted by head, relation, tail, or not unique"


def _check_transductive(dataset: Dataset) -> Iterator[str]:
    parts = {part: dataset.triplets("transductive", part) for part in PARTS}
    together = np.sort(np.concatenate([_keys(parts[part], dataset) for part in PARTS]))
    if not np.array_equal(together, _keys(dataset.triplets(), dataset)):
        yield "transductive: the parts are no partition of the triplets"
    train = parts["train"]
    for part in ("valid", "test"):
        if np.any(_entities(parts[part], dataset) & ~_entities(train, dataset)):
            yield f"transductive: {part} has entities that train lacks"
        yield from _check_relations(parts[part], train, f"transductive: {part}")


def _check_inductive(dataset: Dataset) -> Iterator[str]:
    parts: dict[Part, Triplets] = {part: dataset.triplets("inductive", part) for part in PARTS}
    known = _keys(dataset.triplets(), dataset)
    for part in PARTS:
        if not np.isin(_keys(parts[part], dataset), known).all():
            yield f"inductive: {part} has triplets that the dataset lacks"
    for one, other in combinations(PARTS, 2):
        shared = int((_entities(parts[one], dataset) & _entities(parts[other], dataset)).sum())
        if shared:
            yield f"inductive: {one} and {other} share {shared:,} entities"
    for part in ("valid", "test"):
        yield from _check_relations(parts[part], parts["train"], f"inductive: {part}")
    total = sum(len(part) for part in parts.values()) + dataset.manifest.drops["inductive_border"]
    if total != len(known):
        yield f"inductive: parts and border give {total:,} triplets of {len(known):,}"


def _check_relations(part_N3: Triplets, train_N3: Triplets, name: str) -> Iterator[str]:
    missing = np.setdiff1d(part_N3[:, 1], train_N3[:, 1])
    if len(missing):
        yield f"{name} has {len(missing):,} relations that train lacks"


def _entities(triplets_N3: Triplets, dataset: Dataset) -> npt.NDArray[np.bool_]:
    """(E,): whether each entity occurs."""
    seen = np.zeros(dataset.num_entities, dtype=np.bool_)
    seen[triplets_N3[:, [0, 2]]] = True
    return seen


def _keys(triplets_N3: Triplets, dataset: Dataset) -> Keys:
    """One int64 per triplet, in the order of (head, relation, tail)."""
    head, relation, tail = triplets_N3.astype(np.int64).T
    keys: Keys = (head * dataset.num_relations + relation) * dataset.num_entities + tail
    return keys
