"""A dataset as the paper describes its own: sizes, categories, inductive parts; and degrees.

Imports numpy, benchmarks.plots, benchmarks.report and wikidata5m. Legend: E entities, R relations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.plots import short
from benchmarks.report import charts
from benchmarks.report.blocks import Block, Figure, Fold, Note, Section, Table, Term
from wikidata5m.dataset import Dataset
from wikidata5m.published import PUBLISHED, WIKIDATA5M, is_wikidata5m
from wikidata5m.schema import PARTS
from wikidata5m.stats import relation_sizes, stats

POINTS: Final = 40
"""At most so many points of a distribution are drawn."""
FIRST_RELEASE: Final = "Wikidata5M (first release)"


def dataset_section(dataset: Dataset) -> Section:
    """Tables 1-3, with the paper's figures where they belong, and how degrees are spread."""
    known = stats(dataset)
    beside = is_wikidata5m(dataset.manifest)
    tables = [
        _sizes(dataset, known),
        _categories(known, beside=beside),
        _inductive(known, beside=beside),
    ]
    blocks: list[Block] = [table for table in tables if table.rows]
    if not beside:
        blocks.append(
            Note(
                "Tables 2 and 3 of the paper describe Wikidata5M, and this dataset is another: "
                "their figures are not shown."
            )
        )
    return Section("dataset", f"Dataset: {known['name']}", [*blocks, *_degrees(dataset, known)])


def _sizes(dataset: Dataset, known: Mapping[str, Any]) -> Table:
    """Table 1: the paper lists datasets, so that any dataset may stand below them."""
    split = known["parts"].get("transductive")
    ours = [split[part]["triplets"] if split else "-" for part in PARTS]
    rows: list[list[object]] = [
        [Term(known["name"], "this dataset"), dataset.num_entities, dataset.num_relations, *ours]
    ]
    first = known["published"] and known["published"]["name"] == FIRST_RELEASE
    for each in PUBLISHED:
        if each.name != FIRST_RELEASE or first:
            source = "its preprint" if each.name == FIRST_RELEASE else "the paper"
            sizes = [each.transductive[part] for part in PARTS]
            rows.append([Term(each.name, source), each.entities, each.relations, *sizes])
    return Table(
        caption="Table 1: sizes, and triplets of the transductive split",
        header=["dataset", "entities", "relations", *PARTS],
        rows=rows,
    )


def _categories(known: Mapping[str, Any], *, beside: bool) -> Table:
    rows: list[list[object]] = []
    for row in known["categories"]:
        name = Term(row["label"] or row["class"], row["class"])
        rows.append([name, row["entities"], f"{row['share']:.1%}"])
        if beside:
            told = WIKIDATA5M.categories.get(row["class"])
            share = f"{told / WIKIDATA5M.entities:.1%}" if told else "-"
            rows[-1] += [told or "-", share]
    paper = ["paper", "share, paper"] if beside else []
    return Table(
        caption="Table 2: the most frequent categories",
        header=["category", "entities", "share", *paper],
        rows=rows,
    )


def _inductive(known: Mapping[str, Any], *, beside: bool) -> Table:
    columns = ("entities", "relations", "triplets")
    split = known["parts"].get("inductive", {})
    rows: list[list[object]] = []
    for part, sizes in split.items():
        theirs = WIKIDATA5M.inductive[part] if beside else ()
        rows.append([part, *(sizes[column] for column in columns), *theirs])
    paper = [f"{column}, paper" for column in columns] if beside else []
    return Table(
        caption="Table 3: the inductive split", header=["subset", *columns, *paper], rows=rows
    )


def _degrees(dataset: Dataset, known: Mapping[str, Any]) -> list[Block]:
    degree = known["degree"]
    head_N, _, tail_N = dataset.triplets().T
    counts = {
        "as head": np.bincount(head_N, minlength=dataset.num_entities),
        "as tail": np.bincount(tail_N, minlength=dataset.num_entities),
        "in all": dataset.degrees,
    }
    told = (
        f"Triplets per entity: median {degree['median']:,.0f}, mean {degree['mean']:,.1f}, "
        f"largest {degree['max']:,} ({degree['hub']})."
    )
    lines = {label: _at_least(count_E) for label, count_E in counts.items()}
    sizes_R = np.sort(relation_sizes(dataset))[::-1]
    sizes_R = sizes_R[sizes_R > 0]
    largest = short(float(sizes_R[0])) if len(sizes_R) else "0"
    relations = f"{len(sizes_R):,} relations; the largest has {largest} triplets."
    rows = [
        [f"{b['from']:,}-{b['to']:,}" if b["from"] < b["to"] else f"{b['to']:,}", b["number"]]
        for b in known["degrees"]
    ]
    return [
        charts.log_lines(
            lines,
            "degrees",
            ("triplets of an entity", "entities with at least so many"),
            "How many entities have at least so many triplets.",
            told,
        ),
        _relation_sizes(sizes_R, relations),
        Note(f"{told} {relations}"),
        Fold(
            "Numbers: entities by their triplets",
            [Table(caption="Degrees", header=["triplets", "entities"], rows=rows)],
        ),
    ]


def _relation_sizes(sizes_R: npt.NDArray[np.int64], told: str) -> Figure:
    rank_P = _spread(len(sizes_R)) if len(sizes_R) else np.zeros(0, dtype=np.int64)
    lines = {"relations": (rank_P, sizes_R[rank_P - 1])}
    labels = ("rank of the relation", "triplets")
    caption = "Triplets of each relation, the most frequent first."
    return charts.log_lines(lines, "relation-sizes", labels, caption, told)


def _at_least(
    count_E: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers of triplets, and how many entities have so many or more."""
    largest = int(count_E.max(initial=0))
    if not largest:
        return (np.zeros(0, dtype=np.int64),) * 2
    number_D = np.bincount(count_E)
    more_D = number_D[::-1].cumsum()[::-1]
    degree_P = _spread(largest)
    return degree_P, more_D[degree_P]


def _spread(largest: int) -> npt.NDArray[np.int64]:
    """At most POINTS whole numbers from 1 to `largest`, evenly on a logarithmic axis."""
    return np.unique(np.geomspace(1, largest, POINTS).round().astype(np.int64))
