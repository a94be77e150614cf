"""A dataset folder as an object: what every trainer, evaluator and report reads.

Imports errors, manifest and schema. Shapes: N triplets, E entities.
"""

from __future__ import annotations

import difflib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m import schema
from wikidata5m.errors import DatasetError
from wikidata5m.manifest import Manifest, load_manifest
from wikidata5m.schema import Part, Setting

Triplets = npt.NDArray[np.int32]
"""(N, 3): head, relation, tail as indices into the entity and relation tables."""


class Dataset:
    """A dataset on disk; each table is read when first asked for and kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest: Manifest = load_manifest(path)

    def __repr__(self) -> str:
        return (
            f"Dataset({str(self.path)!r}, {self.num_entities:,} entities, "
            f"{self.num_relations:,} relations, {self.manifest.counts['triplets']:,} triplets)"
        )

    @property
    def num_entities(self) -> int:
        """E: the number of rows of the entity table; indices run from 0 to E-1."""
        return self.manifest.counts["entities"]

    @property
    def num_relations(self) -> int:
        """The number of rows of the relation table."""
        return self.manifest.counts["relations"]

    @cached_property
    def entities(self) -> pl.DataFrame:
        """The entity table; row i describes entity i."""
        return self._read(schema.ENTITIES)

    @cached_property
    def relations(self) -> pl.DataFrame:
        """The relation table; row i describes relation i."""
        return self._read(schema.RELATIONS)

    @cached_property
    def classes(self) -> pl.DataFrame:
        """Labels of the classes that the entities' `types` name."""
        return self._read(schema.CLASSES)

    @cached_property
    def texts(self) -> list[str]:
        """The descriptions of all E entities by index; '' where there is none."""
        frame = self._scan_texts().collect()
        texts = [""] * self.num_entities
        for index, text in zip(frame["index"], frame["text"], strict=True):
            texts[index] = text
        return texts

    def text(self, index: int) -> str:
        """The description of one entity, read alone; '' where there is none."""
        found = self._scan_texts().filter(pl.col("index") == index).collect()
        return str(found["text"][0]) if found.height else ""

    def triplets(self, setting: Setting | None = None, part: Part | None = None) -> Triplets:
        """The triplets of one part of a split, (N, 3); all of them when neither is named.

        Raises DatasetError when the dataset has no such split.
        """
        if setting is None or part is None:
            return self.read_triplets(schema.TRIPLETS)
        if not self.has_split(setting):
            raise DatasetError(
                f"{self.path}: has no {setting} split"
                + "".join(f" ({note})" for note in self.manifest.notes if setting in note)
                + "; build it from a larger graph or ask for a smaller split"
            )
        return self.read_triplets(schema.split_file(setting, part))

    def support(self, setting: Setting) -> Triplets:
        """What is given about the entities that train lacks, (N, 3); (0, 3) where nothing is."""
        name = schema.split_file(setting, schema.SUPPORT)
        if name not in self.manifest.files:
            return np.zeros((0, 3), dtype=np.int32)
        return self.read_triplets(name)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings that the dataset has a split for."""
        return tuple(setting for setting in schema.SETTINGS if self.has_split(setting))

    def read_triplets(self, name: str) -> Triplets:
        """(N, 3) of one triplet file, by its path in the dataset folder."""
        frame = self._read(name)
        columns = [frame[column].to_numpy() for column in schema.TRIPLET_SCHEMA.names]
        return np.stack(columns, axis=1).astype(np.int32, copy=False)

    def has_split(self, setting: Setting) -> bool:
        """Whether the dataset holds this split; a graph too small for it has none."""
        return (self.path / schema.split_file(setting, "train")).is_file()

    def entity_index(self, entity: str) -> int:
        """The index of an entity by its string id. Raises DatasetError with the closest ids."""
        return self._index(self.entities["entity"], entity, "entity")

    def relation_index(self, relation: str) -> int:
        """The index of a relation by its string id. Raises DatasetError with the closest ids."""
        return self._index(self.relations["relation"], relation, "relation")

    def describe_entity(self, index: int) -> dict[str, Any]:
        """One entity as a plain record: id, label, title, types with labels, aliases, text."""
        record = self.entities.row(index, named=True)
        labels = dict(self.classes.select("class", "label").iter_rows())
        return record | {
            "index": index,
            "types": [{"class": c, "label": labels.get(c, "")} for c in record["types"]],
            "text": self.text(index),
        }

    def _index(self, ids: pl.Series, wanted: str, kind: str) -> int:
        found = (ids == wanted).arg_max() if ids.len() else None
        if found is None or ids[found] != wanted:
            close = difflib.get_close_matches(wanted, ids.head(100_000).to_list(), n=3)
            hint = f"; close: {', '.join(close)}" if close else "; check the id"
            raise DatasetError(f"{self.path}: no {kind} {wanted!r}{hint}")
        return int(found)

    def _scan_texts(self) -> pl.LazyFrame:
        shards = sorted((self.path / schema.DESCRIPTIONS).glob("*.parquet"))
        if not shards:
            raise DatasetError(
                f"{self.path / schema.DESCRIPTIONS}: no descriptions; "
                "run `wikidata5m verify` and build the dataset again"
            )
        return pl.scan_parquet(shards, glob=False)

    def _read(self, name: str) -> pl.DataFrame:
        try:
            return pl.read_parquet(self.path / name, glob=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DatasetError(
                f"{self.path / name}: cannot be read ({str(error).splitlines()[0]}); "
                "run `wikidata5m verify` and build the dataset again"
            ) from None
