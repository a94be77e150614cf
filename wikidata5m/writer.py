"""Write a dataset folder: the one way in which tables and splits become one.

Imports dataset, files, manifest, schema and splits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from wikidata5m import schema
from wikidata5m.dataset import Triplets
from wikidata5m.files import write_parquet
from wikidata5m.manifest import Manifest, hash_files, now, software
from wikidata5m.schema import Part, Setting
from wikidata5m.splits import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The content of a dataset; schemas as in wikidata5m.schema."""

    entities: pl.DataFrame
    """Row i is entity i."""
    relations: pl.DataFrame
    """Row i is relation i."""
    classes: pl.DataFrame
    triplets: Triplets
    """(N, 3) indices, sorted and unique."""
    descriptions: Iterable[pl.DataFrame]
    """Shards of (index, text), one file each, so that texts need never be held together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What the manifest says of where a dataset came from."""

    name: str
    sources: tuple[dict[str, Any], ...]
    config: dict[str, Any]
    drops: dict[str, int]
    counts: dict[str, int] = field(default_factory=dict)
    """What was read, beside the rows that the writer counts itself."""
    departures: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write_dataset(
    folder: Path,
    tables: Tables,
    splits: Mapping[Setting, Split],
    provenance: Provenance,
    classification: Mapping[Part, pa.Table] | None = None,
) -> Manifest:
    """Write every table, then the manifest; returns it. `folder` must be claimed by the caller.

    `classification` holds tables under CLASSIFICATION_SCHEMA.
    """
    rows: dict[str, int] = {}

    def write(name: str, table: pl.DataFrame | pa.Table, layout: pa.Schema) -> None:
        write_parquet(table, layout, folder / name)
        rows[name] = len(table)

    write(schema.ENTITIES, tables.entities, schema.ENTITY_SCHEMA)
    write(schema.RELATIONS, tables.relations, schema.RELATION_SCHEMA)
    write(schema.CLASSES, tables.classes, schema.CLASS_SCHEMA)
    write(schema.TRIPLETS, as_table(tables.triplets), schema.TRIPLET_SCHEMA)
    described = 0
    for shard, frame in enumerate(tables.descriptions):
        write(f"{schema.DESCRIPTIONS}/{shard:05}.parquet", frame, schema.DESCRIPTION_SCHEMA)
        described += frame.height
    for setting, split in splits.items():
        for part, triplets in split.items():
            write(schema.split_file(setting, part), as_table(triplets), schema.TRIPLET_SCHEMA)
    for part, labelled in (classification or {}).items():
        write(schema.classification_file(part), labelled, schema.CLASSIFICATION_SCHEMA)
    counts = (
        provenance.counts
        | {
            "entities": tables.entities.height,
            "relations": tables.relations.height,
            "triplets": len(tables.triplets),
            "descriptions": described,
            "classes": tables.classes.height,
        }
        | {
            f"{setting}_{part}": len(triplets)
            for setting, split in splits.items()
            for part, triplets in split.items()
        }
        | {f"classification_{part}": len(table) for part, table in (classification or {}).items()}
    )
    manifest = Manifest(
        name=provenance.name,
        created=now(),
        sources=provenance.sources,
        config=provenance.config,
        counts=counts,
        drops=provenance.drops,
        departures=provenance.departures,
        notes=provenance.notes,
        files=hash_files(folder, rows),
        software=software(),
    )
    manifest.save(folder)
    return manifest


def as_table(triplets: Triplets) -> pa.Table:
    """(N, 3) indices as an Arrow table under TRIPLET_SCHEMA."""
    columns = [pa.array(triplets[:, i]) for i in range(3)]
    return pa.table(columns, schema=schema.TRIPLET_SCHEMA)
