"""The paper's Tables 1-3 for any dataset. Imports console, dataset and schema."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from wikidata5m.console import table
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.schema import DROP_MEANING, PARTS

TOP: Final = 5
"""How many categories Table 2 lists."""


def stats(dataset: Dataset) -> dict[str, Any]:
    """Sizes (Table 1), top P31 categories (Table 2), inductive parts (Table 3), degrees, drops."""
    return {
        "name": dataset.manifest.name,
        "counts": dataset.manifest.counts,
        "parts": {
            setting: {part: _part(dataset.triplets(setting, part)) for part in PARTS}
            for setting in dataset.settings
        },
        "categories": _categories(dataset),
        "degree": _degree(dataset),
        "words": _words(dataset),
        "drops": dataset.manifest.drops,
        "notes": list(dataset.manifest.notes),
    }


def render(result: dict[str, Any]) -> str:
    """The statistics as Markdown tables."""
    parts = [
        (setting, part, n["entities"], n["relations"], n["triplets"])
        for setting, split in result["parts"].items()
        for part, n in split.items()
    ]
    categories = [
        (f"{c['label']} ({c['class']})", c["entities"], f"{c['share']:.1%}")
        for c in result["categories"]
    ]
    degree, words = result["degree"], result["words"]
    drops = [(name, n, DROP_MEANING[name]) for name, n in result["drops"].items()]
    sections = [
        f"# {result['name']}",
        table(["what", "count"], list(result["counts"].items())),
        "## Splits (Tables 1 and 3)",
        table(["setting", "part", "entities", "relations", "triplets"], parts),
        "## Top categories (Table 2)",
        table(["category", "entities", "share"], categories),
        f"Triplets per entity: median {degree['median']:,.0f}, mean {degree['mean']:,.1f}, "
        f"largest {degree['max']:,} ({degree['hub']}).",
        f"Words per description: median {words['median']:,.0f}, mean {words['mean']:,.1f}.",
        "## Dropped",
        table(["reason", "count", "meaning"], drops),
        *result["notes"],
    ]
    return "\n\n".join(sections)


def _part(triplets_N3: Triplets) -> dict[str, int]:
    return {
        "entities": len(np.unique(triplets_N3[:, [0, 2]])),
        "relations": len(np.unique(triplets_N3[:, 1])),
        "triplets": len(triplets_N3),
    }


def _categories(dataset: Dataset) -> list[dict[str, Any]]:
    top = (
        dataset.entities.select(pl.col("types").explode().alias("class"))
        .drop_nulls()
        .group_by("class")
        .len("entities")
        .sort("entities", "class", descending=[True, False])
        .head(TOP)
        .join(dataset.classes, on="class", how="left", maintain_order="left")
        .with_columns(pl.col("label").fill_null(""))
    )
    return [
        row | {"share": row["entities"] / dataset.num_entities} for row in top.iter_rows(named=True)
    ]


def _degree(dataset: Dataset) -> dict[str, Any]:
    degree_E = np.bincount(dataset.triplets()[:, [0, 2]].ravel(), minlength=dataset.num_entities)
    hub = int(degree_E.argmax())
    return {
        "median": float(np.median(degree_E)),
        "mean": float(degree_E.mean()),
        "max": int(degree_E[hub]),
        "hub": dataset.entities["label"][hub],
    }


def _words(dataset: Dataset) -> dict[str, float]:
    words = pl.Series(dataset.texts).str.count_matches(r"\S+")
    return {"median": float(words.median() or 0), "mean": float(words.mean() or 0)}  # type: ignore[arg-type]
