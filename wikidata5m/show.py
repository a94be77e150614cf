"""One entity as a reader wants to see it. Imports console, dataset, errors and schema."""

from __future__ import annotations

from typing import Any, Final

from wikidata5m.console import table
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError
from wikidata5m.schema import Setting

OTHERS: Final = 5
"""How many more entities of a name are told."""


def show_entity(dataset: Dataset, entity: str, limit: int) -> dict[str, Any]:
    """An entity, by id or by name, with its facts, outgoing first, and its triplets by part.

    `also_called_so` holds other entities that the name fits. Raises DatasetError when none does.
    """
    index, others = _find(dataset, entity)
    facts_N3 = dataset.facts(index)
    return dataset.describe_entity(index) | {
        "also_called_so": others,
        "facts": len(facts_N3),
        "listed": [_fact(dataset, fact) for fact in facts_N3[:limit].tolist()],
        "splits": {setting: _parts(dataset, setting, index) for setting in dataset.settings},
    }


def render(result: dict[str, Any]) -> str:
    """The entity as Markdown."""
    types = ", ".join(f"{t['label'] or '?'} ({t['class']})" for t in result["types"])
    facts = [
        (f["head"]["label"], f["relation"]["label"], f["tail"]["label"]) for f in result["listed"]
    ]
    others = ", ".join(f"{o['label']} ({o['id']})" for o in result["also_called_so"])
    return "\n\n".join(
        [
            f"# {result['label']} ({result['entity']})",
            f"Types: {types or 'none'}\n"
            f"Aliases: {', '.join(result['aliases']) or 'none'}\n"
            + "\n".join(_split_line(setting, n) for setting, n in result["splits"].items()),
            *([result["text"]] if result["text"] else []),
            f"{result['facts']:,} {'fact' if result['facts'] == 1 else 'facts'}, "
            f"{len(facts):,} listed:",
            table(["head", "relation", "tail"], facts),
            *([f"Others that match: {others}. Name one by its id."] if others else []),
        ]
    )


def _split_line(setting: str, counts: dict[str, int]) -> str:
    told = ", ".join(f"{count:,} in {part}" for part, count in counts.items())
    return f"Triplets of the {setting} split: {told or 'none'}"


def _find(dataset: Dataset, entity: str) -> tuple[int, list[dict[str, str]]]:
    """The entity of this id, or else the best of those called so; and the next best by name."""
    if not entity.strip():
        raise DatasetError(f"{dataset.path}: no entity is named; give an id or a name")
    if (dataset.entity_ids == entity).any():
        return dataset.entity_index(entity), []
    hits = [hit.index for hit in dataset.search(entity, limit=1 + OTHERS)]
    if not hits:
        return dataset.entity_index(entity), []  # raises, with the closest ids
    return hits[0], [_entity(dataset, index) for index in hits[1:]]


def _parts(dataset: Dataset, setting: Setting, index: int) -> dict[str, int]:
    """How many of the entity's triplets each part of a split holds; parts without any left out."""
    counts = {
        part: int(((triplets_N3[:, 0] == index) | (triplets_N3[:, 2] == index)).sum())
        for part, triplets_N3 in dataset.parts(setting).items()
    }
    return {str(part): count for part, count in counts.items() if count}


def _fact(dataset: Dataset, triplet: list[int]) -> dict[str, Any]:
    head, relation, tail = triplet
    of_relation = dataset.relations.row(relation)
    return {
        "head": _entity(dataset, head),
        "relation": {"id": of_relation[0], "label": of_relation[1]},
        "tail": _entity(dataset, tail),
    }


def _entity(dataset: Dataset, index: int) -> dict[str, str]:
    return {"id": dataset.entity_ids[index], "label": dataset.entity_labels[index]}
