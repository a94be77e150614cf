"""The paper's Tables 1-3 for any dataset, beside the paper's figures where it is one it names.

Imports console, dataset, published and schema. Legend: N triplets, E entities, R relations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m.console import by_stages, table
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.published import recognise
from wikidata5m.schema import ENTITIES, PARTS, TRIPLETS, drop_meaning

TOP: Final = 5
"""How many categories Table 2 lists."""
BAR: Final = 40
"""The width of a histogram's longest bar, in characters."""


def stats(dataset: Dataset) -> dict[str, Any]:
    """Sizes (Table 1), top P31 categories (Table 2), inductive parts (Table 3), degrees, drops.

    `published` holds the figures of the paper that names this dataset, or None.
    """
    stages = {
        "parts": lambda: {
            setting: {
                part: _part(dataset.triplets(setting, part), dataset.num_entities) for part in PARTS
            }
            for setting in dataset.settings
        },
        "categories": lambda: _categories(dataset),
        "degree": lambda: _degree(dataset),
        "degrees": lambda: _buckets(dataset.degrees),
        "relation_sizes": lambda: _buckets(relation_sizes(dataset)),
        "words": lambda: _words(words(dataset)),
    }
    known = recognise(dataset.manifest)
    return {
        "name": dataset.manifest.name,
        "published": asdict(known) if known else None,
        "counts": dataset.manifest.counts,
        **by_stages("stats", stages),
        "drops": dataset.manifest.drops,
        "notes": list(dataset.manifest.notes),
    }


def _words(words_T: npt.NDArray[np.uint32]) -> dict[str, float]:
    return {
        "median": float(np.median(words_T)) if len(words_T) else 0.0,
        "mean": float(words_T.mean()) if len(words_T) else 0.0,
    }


def words(dataset: Dataset) -> npt.NDArray[np.uint32]:
    """(T,) the words of each description, by white space."""
    counted = dataset.scan_texts().select(pl.col("text").str.count_matches(r"\S+"))
    return dataset.collect_texts(counted)["text"].to_numpy()


def relation_sizes(dataset: Dataset) -> npt.NDArray[np.int64]:
    """(R,) the triplets of each relation."""
    relation_N = dataset.read_column(TRIPLETS, "relation").to_numpy()
    return np.bincount(relation_N, minlength=dataset.num_relations)


def render(result: dict[str, Any]) -> str:
    """The statistics as Markdown tables and histograms of text."""
    known = result["published"]
    paper = [known["name"]] if known else []
    header = ["setting", "part", "entities", "relations", "triplets", *paper]
    degree, of_words = result["degree"], result["words"]
    drops = [(name, n, drop_meaning(name)) for name, n in result["drops"].items()]
    sections = [
        f"# {result['name']}",
        table(["what", "count"], list(result["counts"].items())),
        "## Splits (Tables 1 and 3)",
        table(header, list(_part_rows(result, known))),
        "## Top categories (Table 2)",
        table(["category", "entities", "share", *paper], list(_category_rows(result, known))),
        f"Triplets per entity: median {degree['median']:,.0f}, mean {degree['mean']:,.1f}, "
        f"largest {degree['max']:,} ({degree['hub']}).",
        _histogram("entities by their triplets", result["degrees"]),
        _histogram("relations by their triplets", result["relation_sizes"]),
        f"Words per description: median {of_words['median']:,.0f}, mean {of_words['mean']:,.1f}.",
        "## Dropped",
        table(["reason", "count", "meaning"], drops),
        *result["notes"],
    ]
    return "\n\n".join(sections)


def _part_rows(result: dict[str, Any], known: dict[str, Any] | None) -> Iterator[Sequence[object]]:
    """A row per part; the paper's figure beside it: triplets, or all three for inductive parts."""
    for setting, split in result["parts"].items():
        for part, n in split.items():
            row = (setting, part, n["entities"], n["relations"], n["triplets"])
            if known is None:
                yield row
                continue
            told = known.get(setting, {}).get(part)
            numbers = told if isinstance(told, tuple | list) else [told] if told else []
            yield (*row, " / ".join(f"{number:,}" for number in numbers) or "-")


def _category_rows(
    result: dict[str, Any], known: dict[str, Any] | None
) -> Iterator[Sequence[object]]:
    if not result["categories"]:
        return
    total, share = 0, 0.0
    for row in result["categories"]:
        total, share = total + row["entities"], share + row["share"]
        told = (known or {}).get("categories", {}).get(row["class"])
        paper = [f"{told:,} ({told / known['entities']:.1%})" if told else "-"] if known else []
        yield (f"{row['label']} ({row['class']})", row["entities"], f"{row['share']:.1%}", *paper)
    if known:
        told = sum(known["categories"].values())
        paper = [f"{told:,} ({told / known['entities']:.1%})" if told else "-"]
    else:
        paper = []
    yield ("together", total, f"{share:.1%}", *paper)


def _buckets(count: npt.NDArray[np.int64]) -> list[dict[str, int]]:
    """How many counts are 0, 1, 2-3, 4-7 and so on: from, to, number; none left out between."""
    number = np.bincount(np.ceil(np.log2(count + 1)).astype(np.int64))
    return [
        {"from": (1 << b) // 2, "to": (1 << b) - 1, "number": int(n)} for b, n in enumerate(number)
    ]


def _histogram(title: str, buckets: list[dict[str, int]]) -> str:
    """Bars as long as the square root of their number, so that a few among millions are seen."""
    longest = max((b["number"] for b in buckets), default=0)
    lines = [f"{title} (bars by the square root)"]
    for b in buckets:
        span = f"{b['from']:,}" if b["from"] == b["to"] else f"{b['from']:,}-{b['to']:,}"
        bar = "█" * round(BAR * (b["number"] / max(longest, 1)) ** 0.5) or (
            "▏" if b["number"] else ""
        )
        lines.append(f"{span:>23} {bar:<{BAR}} {b['number']:,}")
    return "\n".join(["```", *lines, "```"])


def _part(triplets_N3: Triplets, num_entities: int) -> dict[str, int]:
    seen_E = np.zeros(num_entities, dtype=np.bool_)
    seen_E[triplets_N3[:, 0]] = True
    seen_E[triplets_N3[:, 2]] = True
    return {
        "entities": int(seen_E.sum()),
        "relations": int(np.count_nonzero(np.bincount(triplets_N3[:, 1]))),
        "triplets": len(triplets_N3),
    }


def _categories(dataset: Dataset) -> list[dict[str, Any]]:
    top = (
        dataset.read_column(ENTITIES, "types")
        .to_frame()
        .select(pl.col("types").explode().alias("class"))
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
    degree_E = dataset.degrees
    if not len(degree_E):
        return {"median": 0.0, "mean": 0.0, "max": 0, "hub": ""}
    hub = int(degree_E.argmax())
    return {
        "median": float(np.median(degree_E)),
        "mean": float(degree_E.mean()),
        "max": int(degree_E[hub]),
        "hub": dataset.entity_labels[hub],
    }
