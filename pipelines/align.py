"""Items x pages -> entities, descriptions, relations, triplets, with every drop counted.

Imports errors, wikidata, wikipedia and writer. Reads the tables that extraction left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.limits import PAGE_DROPS
from pipelines.wikidata import LAYOUTS as WIKIDATA
from pipelines.wikidata import STATEMENT_DROPS, label_first
from pipelines.wikipedia import LAYOUTS as WIKIPEDIA
from pipelines.wikipedia import dropped_pages, dropped_words, normalise_title
from wikidata5m.errors import DatasetError
from wikidata5m.writer import Tables

SHARD_ROWS: Final = 500_000
REDIRECT_HOPS: Final = 2
"""MediaWiki follows one redirect; a dump may catch a double redirect before a bot mends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """The tables of a dataset, and how many records came in and fell out."""

    tables: Tables
    counts: dict[str, int]
    drops: dict[str, int]
    notes: tuple[str, ...] = ()


def align(work: Path, min_words: int) -> Aligned:
    """Keep the items whose page's lead has at least `min_words` words, and what lies among them.

    `work` holds the tasks' folders wikidata-*/ and wikipedia-*/. Raises DatasetError when no
    entity is left.
    """
    extracted = _Extracted(work)
    drops = extracted.drops()
    items = _latest(
        extracted.wikidata("items"), "entity", ["revision", "row"], "duplicate_item", drops
    )
    pages = _latest(extracted.wikipedia("pages"), "title", ["row"], "duplicate_page", drops)
    repeated_pages = drops["duplicate_page"]
    redirects = _latest(extracted.wikipedia("redirects"), "title", [], "duplicate_page", drops)
    drops["duplicate_page"] += repeated_pages
    kept, redirected = _keep_items(items, pages, redirects, min_words, drops)
    if kept.is_empty():
        raise DatasetError(
            f"no item is left: {_reasons(drops)}; check that both dumps are of one wiki and date"
        )
    for reason in STATEMENT_DROPS:
        drops[reason] = int(items[reason].sum())
    known = _latest(extracted.wikidata("properties"), "relation", [], "duplicate_property", drops)
    properties = _keep_relations(known)
    statements = extracted.wikidata("statements").join(
        items.select("row", head="entity"), on="row", how="inner"
    )
    triplets_N3 = _keep_triplets(statements, kept["entity"], properties["relation"], drops)
    used = np.unique(triplets_N3[:, 1])
    triplets_N3[:, 1] = np.searchsorted(used, triplets_N3[:, 1])
    tables = Tables(
        entities=_entity_table(kept),
        relations=_relation_table(properties[used]),
        classes=_class_table(kept, items, extracted.wikidata("pageless")),
        triplets=triplets_N3,
        descriptions=_descriptions(kept, pages),
    )
    counts = extracted.counts() | {"redirects_resolved": redirected}
    notes = dropped_pages(extracted.wikipedia("dropped"))
    return Aligned(tables=tables, counts=counts, drops=drops, notes=notes)


class _Extracted:
    """The tasks' tables, by name."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def wikidata(self, name: str) -> pl.DataFrame:
        return self._read("wikidata", name)

    def wikipedia(self, name: str) -> pl.DataFrame:
        return self._read("wikipedia", name)

    def counts(self) -> dict[str, int]:
        """What came in."""
        return {
            "wikidata_entities": int(self.wikidata("counts")["entities"].sum()),
            "wikidata_properties": self.wikidata("properties").height,
            "wikipedia_pages": int(self.wikipedia("counts")["pages"].sum()),
            "wikipedia_redirects": self.wikipedia("redirects").height,
        }

    def drops(self) -> dict[str, int]:
        """What the tasks themselves dropped."""
        return {
            name: int(frame[name].sum())
            for source, layouts in (("wikidata", WIKIDATA), ("wikipedia", WIKIPEDIA))
            for frame in [self._read(source, "counts")]
            for name in layouts["counts"].names[1:]
        }

    def _read(self, source: str, name: str) -> pl.DataFrame:
        files = sorted(self._work.glob(f"{source}-*/{name}.parquet"))
        return pl.read_parquet(files, glob=False)


def _latest(
    frame: pl.DataFrame, key: str, order: list[str], reason: str, drops: dict[str, int]
) -> pl.DataFrame:
    """One row per key: the last in `order`, or in the file's own."""
    kept = (frame.sort(order) if order else frame).unique(key, keep="last", maintain_order=True)
    drops[reason] = frame.height - kept.height
    return kept


def _keep_items(
    items: pl.DataFrame,
    pages: pl.DataFrame,
    targets: pl.DataFrame,
    min_words: int,
    drops: dict[str, int],
) -> tuple[pl.DataFrame, int]:
    """The kept items with their page's title, sorted by id; and how many came by a redirect."""
    titles = items.with_columns(
        title=pl.col("title").map_elements(normalise_title, return_dtype=pl.String)
    )
    known = pages.select("title", "words", "disambiguation")
    found = titles.join(known, on="title", how="inner")
    missing = titles.join(known, on="title", how="anti")
    redirected = 0
    for _ in range(REDIRECT_HOPS):
        moved = missing.join(targets, on="title", how="inner").with_columns(title="target")
        arrived = moved.drop("target").join(known, on="title", how="inner")
        redirected += arrived.height
        found = pl.concat([found, arrived])
        missing = moved.drop("target").join(known, on="title", how="anti")
    drops["page_missing"] = items.height - found.height
    for reason in PAGE_DROPS:
        drops[reason] = int((found["words"] == dropped_words(reason)).sum())
    read = found.filter(pl.col("words") >= 0)
    kept = read.filter(pl.col("words") >= min_words).sort("entity")
    drops["short_lead"] = read.height - kept.height
    return kept, redirected


def _keep_relations(properties: pl.DataFrame) -> pl.DataFrame:
    """The properties with a non-empty page: a label, a description or an alias."""
    told = (
        (pl.col("label") != "") | (pl.col("description") != "") | (pl.col("aliases").list.len() > 0)
    )
    return (
        properties.filter(told)
        .unique("relation", keep="last", maintain_order=True)
        .sort("relation")
    )


def _keep_triplets(
    statements: pl.DataFrame, entities: pl.Series, relations: pl.Series, drops: dict[str, int]
) -> npt.NDArray[np.int32]:
    """(N, 3) indices into the sorted ids, sorted and unique."""
    head, has_head = _positions(entities, statements["head"])
    tail, has_tail = _positions(entities, statements["tail"])
    relation, has_relation = _positions(relations, statements["relation"])
    drops["head_not_kept"] = int((~has_head).sum())
    drops["tail_not_kept"] = int((has_head & ~has_tail).sum())
    drops["relation_without_page"] = int((has_head & has_tail & ~has_relation).sum())
    kept = has_head & has_tail & has_relation
    table = pl.DataFrame({"h": head[kept], "r": relation[kept], "t": tail[kept]})
    unique = table.unique().sort("h", "r", "t")
    drops["duplicate_statement"] = table.height - unique.height
    return unique.to_numpy().astype(np.int32)


def _positions(
    ids: pl.Series, wanted: pl.Series
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Where each wanted id stands in the sorted `ids`, and whether it does."""
    sorted_ids, looked_up = ids.to_numpy(), wanted.to_numpy()
    if not len(sorted_ids):
        return np.zeros(len(looked_up), np.int64), np.zeros(len(looked_up), np.bool_)
    place = np.minimum(np.searchsorted(sorted_ids, looked_up), len(sorted_ids) - 1)
    return place.astype(np.int64), sorted_ids[place] == looked_up


def _entity_table(kept: pl.DataFrame) -> pl.DataFrame:
    label = pl.when(pl.col("label") == "").then("title").otherwise("label")
    return kept.with_columns(label=label).select(
        entity=_id("Q", pl.col("entity")),
        label="label",
        title="title",
        types=pl.col("types").list.eval(_id("Q", pl.element())),
        aliases=pl.struct("label", "aliases").map_elements(
            lambda row: label_first(row["label"], row["aliases"]),
            return_dtype=pl.List(pl.String),
        ),
        disambiguation="disambiguation",
    )


def _relation_table(properties: pl.DataFrame) -> pl.DataFrame:
    return properties.with_columns(relation=_id("P", pl.col("relation")))


def _class_table(kept: pl.DataFrame, items: pl.DataFrame, pageless: pl.DataFrame) -> pl.DataFrame:
    """Labels of the classes that `types` names, kept entities or not."""
    named = pl.concat([items.select("entity", "label"), pageless.select("entity", "label")])
    wanted = kept.select(entity=pl.col("types").explode()).unique()
    return (
        named.filter(pl.col("label") != "")
        .unique("entity", keep="last", maintain_order=True)
        .join(wanted, on="entity", how="semi")
        .sort("entity")
        .select(pl.col("label"), **{"class": _id("Q", pl.col("entity"))})
    )


def _descriptions(kept: pl.DataFrame, pages: pl.DataFrame) -> Iterator[pl.DataFrame]:
    texts = (
        kept.with_row_index("index")
        .select("index", "title")
        .join(pages.select("title", "text"), on="title", how="left", maintain_order="left")
    )
    return texts.select("index", "text").iter_slices(SHARD_ROWS)


def _id(letter: str, number: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit(letter), number.cast(pl.String))


def _reasons(drops: dict[str, int]) -> str:
    return (
        ", ".join(f"{reason} {count:,}" for reason, count in drops.items() if count) or "no input"
    )
