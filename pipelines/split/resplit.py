"""A dataset folder anew with other splits. Imports make, temporal and the package wikidata5m.

    wikidata5m split DATASET --out DIR --settings transductive,semi_inductive,classification

Tables and texts are hard-linked (copied where the file system cannot), so that a second set of
splits costs no more than its own triplets.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pipelines.split.config import SplitConfig
from pipelines.split.make import DEFAULT, Splits, Whole, check_names, make_splits
from pipelines.split.temporal import read_earlier
from wikidata5m import schema
from wikidata5m.console import progress
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError
from wikidata5m.files import claim_output, write_parquet
from wikidata5m.manifest import FileRecord, Manifest, hash_files, now, software
from wikidata5m.schema import SETTINGS
from wikidata5m.writer import as_table

FOLDERS: Final = (*SETTINGS, "classification")
"""What is written anew; everything else of a dataset stays."""
_OF_A_SPLIT: Final = re.compile(rf"(no|smaller) \w+ (split|set)\b|({'|'.join(FOLDERS)}):")
"""How a note of a split begins, also of one that the source's own files made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResplitConfig:
    """What decides the splits, beside the graph."""

    settings: tuple[str, ...] = DEFAULT
    """Which splits: transductive, inductive, semi_inductive, temporal, classification."""
    seed: int = 0
    split: SplitConfig = field(default_factory=SplitConfig)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError("seed must not be negative")


def resplit(
    dataset: Dataset,
    out: Path,
    config: ResplitConfig,
    *,
    earlier: Dataset | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Write `dataset` with the splits of `config`, and no others, as the folder `out`.

    Raises OutputExistsError when `out` holds something, DatasetError when the dataset is damaged,
    and ConfigError on a split that cannot be made; those that can be are written before it.
    """
    names = check_names(config.settings, earlier=earlier is not None)
    whole = Whole(
        triplets=dataset.triplets(),
        num_entities=dataset.num_entities,
        num_relations=dataset.num_relations,
        earlier=read_earlier(earlier, dataset) if earlier else None,
    )
    inputs = [each.path for each in (dataset, earlier) if each]
    claim_output(out, overwrite=overwrite, inputs=inputs, keep=True)
    kept = _kept_tables(dataset)
    with progress("split", len(names), "splits") as update:
        made = make_splits(whole, names, config.split, config.seed, update)
    if not made.splits:
        raise ConfigError("; ".join(made.missing))
    # What is to be replaced goes when there is something to put in its place.
    claim_output(out, overwrite=overwrite, inputs=inputs)
    _link_tables(dataset, out, kept)
    rows = _write_splits(made, out)
    before = dataset.manifest
    sources = (*before.sources, _as_source("dataset", dataset))
    manifest = Manifest(
        name=out.resolve().name,
        created=now(),
        sources=(*sources, _as_source("earlier", earlier)) if earlier else sources,
        config=asdict(config) | {"settings": list(names), "dataset": before.config},
        counts=_others(before.counts) | made.counts | _by_part(rows),
        drops=_others(before.drops) | made.drops,
        departures=_others(before.departures) | made.departures,
        notes=(*(n for n in before.notes if not _OF_A_SPLIT.match(n)), *made.notes),
        files=kept | hash_files(out, rows),
        software=software(),
    )
    manifest.save(out)
    if made.missing:
        raise ConfigError(
            f"{'; '.join(made.missing)}; or leave it out of --settings: {out} has the other splits"
        )
    return manifest


def _as_source(role: str, dataset: Dataset) -> dict[str, Any]:
    return {
        "role": role,
        "path": str(dataset.path),
        "name": dataset.manifest.name,
        "dataset_hash": dataset.manifest.dataset_hash,
    }


def _others(numbers: Mapping[str, int]) -> dict[str, int]:
    """Those that do not speak of a split."""
    of_splits = tuple(f"{folder}_" for folder in FOLDERS)
    return {name: n for name, n in numbers.items() if not name.startswith(of_splits)}


def _by_part(rows: Mapping[str, int]) -> dict[str, int]:
    return {name.removesuffix(".parquet").replace("/", "_"): n for name, n in rows.items()}


def _kept_tables(dataset: Dataset) -> dict[str, FileRecord]:
    """The record of every file that is no split. Raises DatasetError when one is damaged."""
    kept = {
        name: record
        for name, record in dataset.manifest.files.items()
        if name.partition("/")[0] not in FOLDERS
    }
    for name, record in kept.items():
        source = dataset.path / name
        if not source.is_file() or source.stat().st_size != record.bytes:
            raise DatasetError(
                f"{source}: missing or of another size than its manifest says; "
                f"run `wikidata5m verify {dataset.path}` and build the dataset again"
            )
    return kept


def _link_tables(dataset: Dataset, out: Path, names: Iterable[str]) -> None:
    for name in names:
        source, target = dataset.path / name, out / name
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)


def _write_splits(made: Splits, out: Path) -> dict[str, int]:
    """Write each part; the rows of each file."""
    rows: dict[str, int] = {}
    for setting, split in made.splits.items():
        for part, triplets_N3 in split.items():
            name = schema.split_file(setting, part)
            write_parquet(as_table(triplets_N3), schema.TRIPLET_SCHEMA, out / name)
            rows[name] = len(triplets_N3)
    for part, table in made.classification.items():
        name = schema.classification_file(part)
        write_parquet(table, schema.CLASSIFICATION_SCHEMA, out / name)
        rows[name] = len(table)
    return rows
