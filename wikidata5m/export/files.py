"""What the export formats share: files as rows that stream, and the tables as frames of ids.

Imports dataset, errors and schema. Legend: N triplets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from wikidata5m import schema
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import DatasetError, unreadable
from wikidata5m.schema import PARTS, SUPPORT, Part, Setting, Support

BATCH: Final = 1 << 20
OnRows = Callable[[int], None]
"""Told how many more rows were written."""
Quote = Literal["never", "necessary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What of a dataset to export, and what came up while doing so."""

    settings: tuple[Setting, ...]
    license: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    flattened: Counter[str] = field(default_factory=Counter)
    """Texts and names whose tabs and line breaks a format of lines could not hold, by table."""

    @property
    def setting(self) -> Setting:
        """The one setting, for formats that hold one."""
        return self.settings[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """One file of an export, by its name in the folder."""

    name: str
    rows: int
    write: Callable[[Path, OnRows], None]


def text_file(
    name: str, rows: int, frames: Iterable[pl.DataFrame], *, quote: Quote = "never"
) -> ExportFile:
    """Tab-separated lines; with quote "necessary", fields that need it are quoted as in CSV."""

    def write(path: Path, on_rows: OnRows) -> None:
        with path.open("wb") as stream:
            for frame in frames:
                frame.write_csv(stream, include_header=False, separator="\t", quote_style=quote)
                on_rows(frame.height)

    return ExportFile(name=name, rows=rows, write=write)


def parquet_file(
    name: str, rows: int, layout: pa.Schema, frames: Iterable[pl.DataFrame]
) -> ExportFile:
    """A Parquet table under `layout`, one row group a frame."""

    def write(path: Path, on_rows: OnRows) -> None:
        relation = ["relation"] if {"head", "relation"} <= set(layout.names) else False
        with pq.ParquetWriter(
            path, layout, compression="zstd", compression_level=3, use_dictionary=relation
        ) as writer:
            for frame in frames:
                writer.write_table(frame.to_arrow().select(layout.names).cast(layout))
                on_rows(frame.height)

    return ExportFile(name=name, rows=rows, write=write)


def whole_file(name: str, content: str) -> ExportFile:
    """A small file that is made at once."""

    def write(path: Path, _on_rows: OnRows) -> None:
        path.write_text(content, encoding="utf-8")

    return ExportFile(name=name, rows=content.count("\n"), write=write)


def parts(dataset: Dataset, setting: Setting) -> list[Part | Support]:
    """The parts that a split has: train, valid, test, and support where there is one."""
    held: list[Part | Support] = [*PARTS, SUPPORT]
    return [part for part in held if schema.split_file(setting, part) in dataset.manifest.files]


def part_rows(dataset: Dataset, setting: Setting, part: Part | Support) -> int:
    """How many triplets a part holds."""
    return dataset.manifest.files[schema.split_file(setting, part)].rows


def part_indices(dataset: Dataset, setting: Setting, part: Part | Support) -> Iterator[Triplets]:
    """The triplets of a part, (N, 3) indices, some at a time."""
    whole_N3 = dataset.read_triplets(schema.split_file(setting, part))
    for start in range(0, max(len(whole_N3), 1), BATCH):
        yield whole_N3[start : start + BATCH]


def part_frames(dataset: Dataset, setting: Setting, part: Part | Support) -> Iterator[pl.DataFrame]:
    """The triplets of a part as frames of ids."""
    for triplets_N3 in part_indices(dataset, setting, part):
        yield _named(dataset, triplets_N3)


def whole_frames(dataset: Dataset) -> Iterator[pl.DataFrame]:
    """All triplets as frames of ids."""
    whole_N3 = dataset.triplets()
    for start in range(0, max(len(whole_N3), 1), BATCH):
        yield _named(dataset, whole_N3[start : start + BATCH])


def labelled_frame(dataset: Dataset, part: Part) -> pl.DataFrame:
    """A classification set: head, relation and tail as ids, and the label."""
    name = schema.classification_file(part)
    label = dataset.read_column(name, "label")
    return _named(dataset, dataset.read_triplets(name)).with_columns(label)


def text_frames(dataset: Dataset) -> Iterator[pl.DataFrame]:
    """The descriptions as frames of (entity, text), in the order they are stored.

    Raises DatasetError when a shard cannot be read.
    """
    for shard in dataset.texts.shards:
        try:
            for batch in pq.ParquetFile(shard).iter_batches(BATCH >> 4):
                index = batch.column("index").to_numpy()
                texts = pl.Series("text", pl.from_arrow(batch.column("text")), dtype=pl.String)
                yield pl.DataFrame({"entity": dataset.entity_ids.gather(index), "text": texts})
        except (OSError, pa.ArrowException) as error:
            raise unreadable(shard, error) from None


def table_frames(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """A table, some rows at a time."""
    return frame.iter_slices(BATCH >> 3) if frame.height else iter([frame])


def flatten(frame: pl.DataFrame, column: str, choice: Choice) -> pl.DataFrame:
    """Tabs and line breaks of a text column as one space, the texts changed counted."""
    flat = frame[column].str.replace_all(r"[\t\r\n]+", " ")
    choice.flattened[column] += int((flat != frame[column]).sum())
    return frame.with_columns(flat)


def check_ids(dataset: Dataset, forbidden: str, told: str) -> None:
    """Raise DatasetError naming the first id that matches `forbidden`, what the format excludes."""
    for what, ids in (
        ("entity", dataset.entities["entity"]),
        ("relation", dataset.relations["relation"]),
    ):
        found = ids.filter(ids.str.contains(forbidden))
        if found.len():
            raise DatasetError(
                f"{dataset.path}: {what} {found[0]!r} holds {told}, which this format cannot; "
                "export to hf, networkx or pykeen"
            )


def _named(dataset: Dataset, triplets_N3: Triplets) -> pl.DataFrame:
    entities, relations = dataset.entities["entity"], dataset.relations["relation"]
    return pl.DataFrame(
        {
            "head": entities.gather(triplets_N3[:, 0]),
            "relation": relations.gather(triplets_N3[:, 1]),
            "tail": entities.gather(triplets_N3[:, 2]),
        }
    )
