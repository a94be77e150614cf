"""Is a dataset what its manifest says, and do its splits hold? Imports dataset, manifest, splits.

Each check returns sentences, one per breach; no sentence means that it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from wikidata5m import schema
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.manifest import check_files
from wikidata5m.schema import PARTS, Setting, departure_meaning
from wikidata5m.splits import Split, departures, mislabelled, triplet_keys, uncovered

UNHELD: Final = ("border", "unseen_entity", "unseen_relation")
"""Reasons, after the setting's name, for which a triplet of the dataset is in no part."""


def verify(dataset: Dataset) -> list[str]:
    """Every hash, count and split invariant of the dataset; one sentence per breach.

    Departures that the manifest declares are no breaches, but must be exactly as many as it says.
    Damaged files are reported alone: what they hold cannot be judged.
    """
    damaged = check_files(dataset.path, dataset.manifest)
    if damaged:
        return damaged
    whole_N3 = dataset.triplets()
    splits = {setting: dataset.parts(setting) for setting in dataset.settings}
    misplaced = [*_check_counts(dataset), *_check_ranges(dataset, whole_N3, splits)]
    if misplaced:
        return misplaced
    found: dict[str, int] = {}
    breaches = [*_check_ids(dataset), *_check_texts(dataset, found)]
    breaches += _check_order(whole_N3, dataset)
    for setting, split in splits.items():
        sizes = (dataset.num_entities, dataset.num_relations)
        found |= departures(setting, split, whole_N3, *sizes)
        breaches += _check_cover(setting, split, whole_N3, dataset)
    if splits:
        found |= _mislabelled(dataset, next(iter(splits.values())))
    return [*breaches, *_check_departures(found, dataset.manifest.departures)]


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


def _check_ranges(
    dataset: Dataset, whole_N3: Triplets, splits: Mapping[Setting, Split]
) -> Iterator[str]:
    """No index points outside its table."""
    read = {schema.TRIPLETS: whole_N3} | {
        schema.split_file(setting, part): triplets_N3
        for setting, split in splits.items()
        for part, triplets_N3 in split.items()
    }
    for part in PARTS:
        name = schema.classification_file(part)
        if name in dataset.manifest.files:
            read[name] = dataset.read_triplets(name)
    sizes = np.array([dataset.num_entities, dataset.num_relations, dataset.num_entities])
    for name, triplets_N3 in read.items():
        if len(triplets_N3) and (triplets_N3.min() < 0 or np.any(triplets_N3.max(axis=0) >= sizes)):
            yield f"{name}: points outside the entity or relation table"


def _check_ids(dataset: Dataset) -> Iterator[str]:
    for name, frame in (("entities", dataset.entities), ("relations", dataset.relations)):
        if frame[frame.columns[0]].n_unique() != frame.height:
            yield f"{name}: ids repeat"


def _check_texts(dataset: Dataset, found: dict[str, int]) -> Iterator[str]:
    """Each text belongs to an entity of its own; those without one go into `found`."""
    shards = [n for n in dataset.manifest.files if n.startswith(f"{schema.DESCRIPTIONS}/")]
    described_E = np.zeros(dataset.num_entities, dtype=np.int32)
    empty = 0
    for shard in shards:
        frame = pl.scan_parquet(dataset.path / shard, glob=False).select(
            "index", empty=pl.col("text") == ""
        )
        texts = frame.collect()
        index = texts["index"].to_numpy()
        if len(index) and (index.min() < 0 or index.max() >= dataset.num_entities):
            yield f"{shard}: points outside the entity table"
            return
        np.add.at(described_E, index, 1)
        empty += int(texts["empty"].sum())
    if empty:
        yield f"descriptions: {empty:,} are empty"
    if np.any(described_E > 1):
        yield f"descriptions: {int((described_E > 1).sum()):,} entities have more than one"
    if without := int((described_E == 0).sum()):
        found["entity_without_text"] = without


def _check_order(whole_N3: Triplets, dataset: Dataset) -> Iterator[str]:
    keys = triplet_keys(whole_N3, (dataset.num_entities, dataset.num_relations))
    if np.any(keys[1:] <= keys[:-1]):
        yield "triplets: not sorted by head, relation, tail, or not unique"


def _check_cover(
    setting: Setting, split: Split, whole_N3: Triplets, dataset: Dataset
) -> Iterator[str]:
    """The parts and the triplets dropped between them are all there are.

    A temporal split trains on what was known earlier, some of which is stated no more.
    """
    lost, foreign = uncovered(split, whole_N3, (dataset.num_entities, dataset.num_relations))
    manifest = dataset.manifest
    dropped = sum(manifest.drops.get(f"{setting}_{reason}", 0) for reason in UNHELD)
    removed = manifest.counts.get(f"{setting}_removed", 0) if setting == "temporal" else 0
    if foreign != removed:
        yield f"{setting}: the parts hold {foreign - removed:,} triplets that the dataset lacks"
    if lost != dropped:
        yield f"{setting}: no part holds {lost:,} triplets, the manifest says {dropped:,}"


def _mislabelled(dataset: Dataset, split: Split) -> dict[str, int]:
    """What the labels of the classification sets say against the split that they are made of."""
    sizes = (dataset.num_entities, dataset.num_relations)
    found: dict[str, int] = {}
    for part in PARTS:
        name = schema.classification_file(part)
        if name in dataset.manifest.files:
            label_N = dataset.read_column(name, "label").to_numpy()
            found |= mislabelled(part, dataset.read_triplets(name), label_N, split, sizes)
    return found


def _check_departures(found: dict[str, int], declared: dict[str, int]) -> Iterator[str]:
    for name in sorted(found.keys() | declared.keys()):
        if found.get(name, 0) != declared.get(name, 0):
            told = f", the manifest declares {declared[name]:,}" if name in declared else ""
            yield f"{name}: {found.get(name, 0):,} {departure_meaning(name)}{told}"
