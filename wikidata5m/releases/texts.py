"""The release's texts, in the order of the entities, in bounded memory. Imports files, labels, tsv.

The file has them in an order of its own. They go through buckets on disk, one for each shard of the
dataset; a bucket is sorted when it is written. Legend: E entities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m.lines import BadLines, OnBytes
from wikidata5m.releases.labels import RULES, choose_label
from wikidata5m.tsv import read_pairs

SHARD_ROWS: Final = 500_000
"""Entities per shard, and rows handled at once."""


@dataclass(slots=True)
class Described:
    """What reading the texts gave."""

    labels: list[str]
    """By the entity's index."""
    rules: Counter[str] = field(default_factory=Counter)
    """How many labels each rule of labels.RULES chose."""
    drops: Counter[str] = field(default_factory=Counter)
    """By schema.DROP_MEANING."""
    read: int = 0
    """Lines of the text file."""
    without_text: int = 0
    """Entities."""


def read_texts(
    path: Path | None,
    entities: pl.DataFrame,
    buckets: Path,
    bad: BadLines,
    on_bytes: OnBytes = lambda _: None,
) -> Described:
    """Spread the texts over `buckets` and name each entity by its aliases and text.

    `entities` has the columns index, id and aliases. The first text of an entity counts.
    """
    done = Described(labels=[""] * entities.height)
    seen_E = np.zeros(entities.height, dtype=np.bool_)
    if path:
        for number, batch in enumerate(_batches(read_pairs(path, bad, on_bytes))):
            done.read += batch.height
            known = _known(batch, entities.select("id", "index"), seen_E, done.drops)
            named = entities[known["index"]].with_columns(text=known["text"])
            _name(named, done)
            _spread(known, buckets, number)
    done.without_text = int((~seen_E).sum())
    rest = entities.filter(pl.Series(~seen_E)).with_columns(text=pl.lit(""))
    for part in rest.iter_slices(SHARD_ROWS):
        _name(part, done)
    return done


def sorted_texts(buckets: Path) -> Iterator[pl.DataFrame]:
    """The shards of (index, text), up the indices; one empty shard when there is no text."""
    folders = sorted(buckets.iterdir()) if buckets.is_dir() else []
    for folder in folders:
        yield pl.read_parquet(sorted(folder.iterdir()), glob=False).sort("index")
    if not folders:
        yield pl.DataFrame(schema={"index": pl.Int32, "text": pl.String})


def label_counts(done: Described) -> dict[str, int]:
    """How many labels each rule chose, for the manifest."""
    return {f"label_{rule}": done.rules[rule] for rule in RULES}


def _batches(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The frames joined to about SHARD_ROWS rows, so that each join is worth its hash table."""
    held: list[pl.DataFrame] = []
    for frame in frames:
        held.append(frame)
        if sum(map(len, held)) >= SHARD_ROWS:
            yield pl.concat(held)
            held = []
    if held:
        yield pl.concat(held)


def _known(
    batch: pl.DataFrame, ids: pl.DataFrame, seen_E: npt.NDArray[np.bool_], drops: Counter[str]
) -> pl.DataFrame:
    """(index, text) of the entities whose first text this is; marks them in `seen_E`."""
    matched = batch.join(ids, on="id", how="inner", maintain_order="left").select("index", "text")
    drops["text_of_unknown_id"] += batch.height - matched.height
    filled = matched.filter(pl.col("text").str.strip_chars() != "")
    drops["empty_text"] += matched.height - filled.height
    first = filled.unique("index", keep="first", maintain_order=True)
    first = first.filter(pl.Series(~seen_E[first["index"].to_numpy()]))
    drops["repeated_text"] += filled.height - first.height
    seen_E[first["index"].to_numpy()] = True
    return first


def _name(named: pl.DataFrame, done: Described) -> None:
    columns = (named[name].to_list() for name in ("index", "id", "aliases", "text"))
    for index, entity, aliases, text in zip(*columns, strict=True):
        done.labels[index], rule = choose_label(entity, aliases, text)
        done.rules[rule] += 1


def _spread(known: pl.DataFrame, buckets: Path, number: int) -> None:
    keyed = known.with_columns(bucket=pl.col("index") // SHARD_ROWS)
    for (bucket,), frame in keyed.partition_by("bucket", as_dict=True).items():
        folder = buckets / f"{bucket:05}"
        folder.mkdir(parents=True, exist_ok=True)
        frame.drop("bucket").write_parquet(folder / f"{number:05}.parquet", compression="lz4")
