"""Is a dataset what its manifest says, and do its splits hold? Imports dataset, manifest, schema.

Each check returns sentences, one per breach; no sentence means that it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from wikidata5m import schema
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
    misplaced = [*_check_counts(dataset), *_check_ranges(dataset)]
    if misplaced:
        return misplaced
    return [
        *_check_tables(dataset),
        *_check_triplets(dataset),
        *(_check_transductive(dataset) if dataset.has_split("transductive") else ()),
        *(_check_inductive(dataset) if dataset.has_split("inductive") else ()),
    ]


def _check_counts(dataset: Dataset) -> Iterator[str]:
    """Rows of each file, as it is and as both parts of the manifest tell."""
    manifest, rows = dataset.manifest, Counter[str]()
    for name, record in manifest.files.items():
        found = pq.read_metadata(dataset.path / name).num_rows
        rows[name.removesuffix(".parquet").split("/0")[0].replace("/", "_")] += found
        if found != record.rows:
            yield f"{name}: {found:,} rows, manifest says {record.rows:,}"
    for name, found in rows.items():
        if found != manifest.counts.get(name):
            yield f"{name}: {found:,} rows, the manifest's counts say {manifest.counts.get(name)}"


def _check_ranges(dataset: Dataset) -> Iterator[str]:
    """No index points outside its table."""
    sizes = (dataset.num_entities, dataset.num_relations, dataset.num_entities)
    for name in dataset.manifest.files:
        if name == schema.TRIPLETS or name.startswith(schema.SETTINGS):
            triplets_N3 = dataset.read_triplets(name)
            if np.any(triplets_N3 < 0) or np.any(triplets_N3 >= np.array(sizes)):
                yield f"{name}: points outside the entity or relation table"


def _check_tables(dataset: Dataset) -> Iterator[str]:
    for name, frame in (("entities", dataset.entities), ("relations", dataset.relations)):
        if frame[frame.columns[0]].n_unique() != frame.height:
            yield f"{name}: ids repeat"
    if "" in dataset.texts:
        yield f"descriptions: {dataset.texts.count(''):,} entities have none"


def _check_triplets(dataset: Dataset) -> Iterator[str]:
    keys = _keys(dataset.triplets(), dataset)
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
    own = {part: _entities(triplets_N3, dataset) for part, triplets_N3 in parts.items()}
    # Entities that lost all their triplets at a border belong to train, and to no triplet of it.
    own["train"] = ~(own["valid"] | own["test"])
    whole_N3 = dataset.triplets()
    known = _keys(whole_N3, dataset)
    for one, other in combinations(PARTS, 2):
        shared = int((_entities(parts[one], dataset) & _entities(parts[other], dataset)).sum())
        if shared:
            yield f"inductive: {one} and {other} share {shared:,} entities"
    for part in PARTS:
        if not np.isin(_keys(parts[part], dataset), known).all():
            yield f"inductive: {part} has triplets that the dataset lacks"
        inside = int((own[part][whole_N3[:, 0]] & own[part][whole_N3[:, 2]]).sum())
        if inside != len(parts[part]):
            yield f"inductive: {part} holds {len(parts[part]):,} of {inside:,} among its entities"
    yield from _check_relations(whole_N3, parts["train"], "inductive: the dataset")
    total = sum(len(part) for part in parts.values())
    border = dataset.manifest.drops.get("inductive_border", 0)
    if total + border != len(known):
        yield f"inductive: parts and border give {total + border:,} triplets of {len(known):,}"


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
