"""One entity as a reader wants to see it. Imports console, dataset and schema."""

from __future__ import annotations

from typing import Any

import numpy as np

from wikidata5m.console import table
from wikidata5m.dataset import Dataset
from wikidata5m.schema import PARTS, Part


def show_entity(dataset: Dataset, entity: str, limit: int) -> dict[str, Any]:
    """An entity with its facts, outgoing first, and the inductive part it belongs to.

    Raises DatasetError when the dataset has no such entity.
    """
    index = dataset.entity_index(entity)
    triplets_N3 = dataset.triplets()
    rows = np.flatnonzero((triplets_N3[:, 0] == index) | (triplets_N3[:, 2] == index))
    ordered = sorted(rows.tolist(), key=lambda row: triplets_N3[row, 0] != index)
    return dataset.describe_entity(index) | {
        "facts": len(rows),
        "listed": [_fact(dataset, triplets_N3[row].tolist()) for row in ordered[:limit]],
        "inductive_part": _inductive_part(dataset, index),
    }


def render(result: dict[str, Any]) -> str:
    """The entity as Markdown."""
    types = ", ".join(f"{t['label'] or '?'} ({t['class']})" for t in result["types"])
    facts = [
        (f["head"]["label"], f["relation"]["label"], f["tail"]["label"]) for f in result["listed"]
    ]
    return "\n\n".join(
        [
            f"# {result['label']} ({result['entity']})",
            f"Types: {types or 'none'}\n"
            f"Inductive part: {result['inductive_part'] or 'none'}\n"
            f"Aliases: {', '.join(result['aliases']) or 'none'}",
            result["text"],
            f"{result['facts']:,} facts, {len(facts):,} listed:",
            table(["head", "relation", "tail"], facts),
        ]
    )


def _inductive_part(dataset: Dataset, index: int) -> Part | None:
    """The inductive part whose triplets hold the entity; None when it fell on a border."""
    if not dataset.has_split("inductive"):
        return None
    inside = (p for p in PARTS if np.any(dataset.triplets("inductive", p)[:, [0, 2]] == index))
    return next(inside, None)


def _fact(dataset: Dataset, triplet: list[int]) -> dict[str, Any]:
    head, relation, tail = triplet
    return {
        "head": _named(dataset.entities.row(head)),
        "relation": _named(dataset.relations.row(relation)),
        "tail": _named(dataset.entities.row(tail)),
    }


def _named(row: tuple[Any, ...]) -> dict[str, str]:
    return {"id": row[0], "label": row[1]}
