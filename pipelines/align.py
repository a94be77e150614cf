"""Items x pages -> entities, descriptions, relations, triplets, with every drop counted.

Imports corrupt, leads, limits, triplets, wikidata, wikipedia, errors and writer. Reads the tables
that extraction left behind: the narrow columns whole, labels and aliases of the kept items alone,
statements a file and texts a batch at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines import corrupt
from pipelines.leads import gather_texts
from pipelines.limits import PAGE_DROPS
from pipelines.triplets import Frame, Redirects, keep_triplets
from pipelines.wikidata import STATEMENT_DROPS
from pipelines.wikipedia import dropped_pages, dropped_words
from wikidata5m.errors import DatasetError
from wikidata5m.writer import Tables

REDIRECT_HOPS: Final = 2
"""MediaWiki follows one redirect; a dump may catch a double redirect before a bot mends it."""
NOTHING_EXCLUDED: Final = np.empty((0, 3), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """The tables of a dataset, and how many records came in and fell out."""

    tables: Tables
    counts: dict[str, int]
    drops: dict[str, int]
    notes: tuple[str, ...] = ()


def align(
    work: Path, min_words: int, excluded_X3: npt.NDArray[np.int64] = NOTHING_EXCLUDED
) -> Aligned:
    """Keep the items whose page's lead has at least `min_words` words, and what lies among them.

    `work` holds the tasks' folders wikidata-*/ and wikipedia-*/; it must be there until the
    descriptions have been drawn. Triplets in `excluded_X3` (numbers of head, relation, tail) are
    left out. Raises DatasetError when no entity is left.
    """
    extracted = _Extracted(work)
    drops = extracted.drops()
    items = _latest(
        extracted.wikidata("items").select("entity", "revision", "row", "title").collect(),
        "entity",
        "duplicate_item",
        drops,
    )
    kept, redirected = _keep_items(items, extracted, min_words, drops)
    if kept.is_empty():
        raise DatasetError(
            f"no item is left: {_reasons(drops)}; check that both dumps are of one wiki and date"
        )
    drops |= extracted.statement_drops(items["row"])
    properties = _keep_relations(extracted.wikidata("properties").collect(), drops)
    redirects = _redirects(extracted, items["entity"])
    facts = keep_triplets(
        extracted.files("wikidata", "statements"),
        _frame(items, kept, properties, redirects),
        excluded_X3,
    )
    used = np.unique(facts.triplets_N3[:, 1])
    facts.triplets_N3[:, 1] = np.searchsorted(used, facts.triplets_N3[:, 1])
    entities = _entity_table(kept, extracted, redirects)
    tables = Tables(
        entities=entities,
        relations=_relation_table(properties[used]),
        classes=_class_table(entities["types"], extracted),
        triplets=facts.triplets_N3,
        descriptions=gather_texts(
            extracted.files("wikipedia", "pages"), kept["page"], work / ".texts.tmp"
        ),
    )
    counts = extracted.counts() | {
        "wikidata_redirects": len(redirects.old),
        "redirects_resolved": redirected,
        "values_redirected": facts.values_redirected,
        "disambiguation_pages": int(kept["disambiguation"].sum()),
    }
    if len(excluded_X3):
        counts |= {"excluded_listed": len(excluded_X3), "excluded_absent": facts.excluded_absent}
    notes = dropped_pages(extracted.wikipedia("dropped").collect())
    return Aligned(tables=tables, counts=counts, drops=drops | facts.drops, notes=notes)


class _Extracted:
    """The tasks' tables, by name."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def wikidata(self, name: str) -> pl.LazyFrame:
        return pl.scan_parquet(self.files("wikidata", name), glob=False)

    def wikipedia(self, name: str) -> pl.LazyFrame:
        return pl.scan_parquet(self.files("wikipedia", name), glob=False)

    def files(self, source: str, name: str) -> list[Path]:
        """A table's file of each task, in the dump's order."""
        return sorted(self._work.glob(f"{source}-*/{name}.parquet"))

    def counts(self) -> dict[str, int]:
        """What came in."""
        return {
            "wikidata_entities": _sum(self.wikidata("counts"), "entities"),
            "wikidata_properties": _height(self.wikidata("properties")),
            "wikipedia_pages": _sum(self.wikipedia("counts"), "pages"),
            "wikipedia_redirects": _height(self.wikipedia("redirects")),
        }

    def drops(self) -> dict[str, int]:
        """What the tasks themselves dropped."""
        frames = (self.wikidata("counts"), self.wikipedia("counts"))
        reasons = (("no_page", "other_entity"), ("other_namespace",))
        dropped = {
            name: _sum(frame, name)
            for frame, names in zip(frames, reasons, strict=True)
            for name in names
        }
        unread = (self.wikidata(corrupt.TABLE), self.wikipedia(corrupt.TABLE))
        return dropped | {"corrupt_record": sum(map(_height, unread))}

    def statement_drops(self, rows: pl.Series) -> dict[str, int]:
        """What reading the items on these rows dropped of their statements."""
        sums = (
            self.wikidata("items")
            .select("row", *STATEMENT_DROPS)
            .join(rows.to_frame().lazy(), on="row", how="semi")
            .select(pl.col(STATEMENT_DROPS).cast(pl.Int64).sum())
            .collect()
        )
        return sums.row(0, named=True)


def _sum(frame: pl.LazyFrame, column: str) -> int:
    return int(frame.select(pl.col(column).sum()).collect().item())


def _height(frame: pl.LazyFrame) -> int:
    return int(frame.select(pl.len()).collect().item())


def _latest(frame: pl.DataFrame, key: str, reason: str, drops: dict[str, int]) -> pl.DataFrame:
    """One row per key, sorted by it: of the latest revision, and of its last copy."""
    order = ["revision", "row"] if "revision" in frame.columns else ["row"]
    kept = frame.sort(key, *order).unique(key, keep="last", maintain_order=True)
    drops[reason] = frame.height - kept.height
    return kept


def _keep_items(
    items: pl.DataFrame, extracted: _Extracted, min_words: int, drops: dict[str, int]
) -> tuple[pl.DataFrame, int]:
    """The kept items with their page's title and row, sorted; and how many came by a redirect."""
    pages = _latest(
        extracted.wikipedia("pages").select("title", "words", "disambiguation", "row").collect(),
        "title",
        "duplicate_page",
        drops,
    ).rename({"row": "page"})
    found, missing = _meet(items.drop("revision"), pages)
    targets = extracted.wikipedia("redirects")
    drops["duplicate_page"] += _repeated(targets)
    redirected = 0
    for _ in range(REDIRECT_HOPS):
        moved = missing.join(_targets(targets, missing["title"]), on="title", how="inner")
        arrived, missing = _meet(moved.with_columns(title="target").drop("target"), pages)
        redirected += arrived.height
        found = pl.concat([found, arrived])
    drops["page_missing"] = items.height - found.height
    for reason in PAGE_DROPS:
        drops[reason] = int((found["words"] == dropped_words(reason)).sum())
    read = found.filter(pl.col("words") >= 0)
    kept = read.filter(pl.col("words") >= min_words).sort("entity")
    drops["short_lead"] = read.height - kept.height
    return kept.drop("words"), redirected


def _meet(items: pl.DataFrame, pages: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The items with a page of their title, with what is known of it, and the others."""
    return (
        items.join(pages, on="title", how="inner"),
        items.join(pages.select("title"), on="title", how="anti"),
    )


def _targets(redirects: pl.LazyFrame, titles: pl.Series) -> pl.DataFrame:
    """Where these titles redirect; of a repeated one, what the dump says last."""
    return (
        redirects.with_row_index("place")
        .join(titles.to_frame().lazy(), on="title", how="semi")
        .sort("place")
        .unique("title", keep="last", maintain_order=True)
        .select("title", "target")
        .collect()
    )


def _repeated(redirects: pl.LazyFrame) -> int:
    counted = redirects.select(all=pl.len(), unique=pl.col("title").n_unique()).collect()
    everything, unique = counted.row(0)
    return int(everything) - int(unique)


def _redirects(extracted: _Extracted, items: pl.Series) -> Redirects:
    frame = extracted.wikidata("redirects").collect()
    return Redirects.of(frame["entity"].to_numpy(), frame["target"].to_numpy(), items.to_numpy())


def _keep_relations(properties: pl.DataFrame, drops: dict[str, int]) -> pl.DataFrame:
    """The properties with a non-empty page: a label, a description or an alias."""
    told = (
        (pl.col("label") != "") | (pl.col("description") != "") | (pl.col("aliases").list.len() > 0)
    )
    return _latest(properties, "relation", "duplicate_property", drops).filter(told)


def _frame(
    items: pl.DataFrame, kept: pl.DataFrame, properties: pl.DataFrame, redirects: Redirects
) -> Frame:
    lines = (
        items.select("row")
        .join(kept.select("row").with_row_index("head"), on="row", how="left")
        .select("row", head=pl.col("head").cast(pl.Int64).fill_null(-1))
        .sort("row")
    )
    return Frame(
        row_I=lines["row"].to_numpy(),
        head_I=lines["head"].to_numpy(),
        entity_E=kept["entity"].to_numpy(),
        relation_R=properties["relation"].cast(pl.Int64).to_numpy(),
        redirects=redirects,
    )


def _entity_table(kept: pl.DataFrame, extracted: _Extracted, redirects: Redirects) -> pl.DataFrame:
    """Sorted by number. An item without a label goes by its page's title."""
    nameless = pl.col("label") == ""
    named = pl.concat_list("title", "aliases").list.unique(maintain_order=True)
    types = pl.col("types")
    if len(redirects.old):
        moved = types.list.eval(pl.element().replace(redirects.old, redirects.new))
        types = moved.list.unique(maintain_order=True)
    return (
        extracted.wikidata("items")
        .select("row", "label", "types", "aliases")
        .join(kept.lazy(), on="row", how="inner")
        .sort("entity")
        .select(
            entity=_id("Q", pl.col("entity")),
            label=pl.when(nameless).then("title").otherwise("label"),
            title="title",
            types=types.list.eval(_id("Q", pl.element())),
            aliases=pl.when(nameless).then(named).otherwise("aliases"),
            disambiguation="disambiguation",
        )
        .collect()
    )


def _relation_table(properties: pl.DataFrame) -> pl.DataFrame:
    return properties.select(
        "label", "description", "aliases", relation=_id("P", pl.col("relation"))
    )


def _class_table(types: pl.Series, extracted: _Extracted) -> pl.DataFrame:
    """Labels of the classes that `types` names, kept entities or not."""
    wanted = (
        types.explode()
        .drop_nulls()
        .unique()
        .str.strip_prefix("Q")
        .cast(pl.Int64)
        .to_frame("entity")
    )
    columns = ("entity", "revision", "row", "label")
    named = pl.concat(
        extracted.wikidata(name)
        .select(columns)
        .filter(pl.col("label") != "")
        .join(wanted.lazy(), on="entity", how="semi")
        for name in ("items", "pageless")
    )
    latest = _latest(named.collect(), "entity", "", {})
    return latest.select(pl.col("label"), **{"class": _id("Q", pl.col("entity"))})


def _id(letter: str, number: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit(letter), number.cast(pl.String))


def _reasons(drops: dict[str, int]) -> str:
    return (
        ", ".join(f"{reason} {count:,}" for reason, count in drops.items() if count) or "no input"
    )
