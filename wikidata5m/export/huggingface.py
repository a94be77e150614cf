"""A folder that Hugging Face `datasets` loads and the Hub shows. Imports files and schema.

One configuration per split, and one each for all triplets, entities, relations and descriptions;
README.md is the dataset card, whose metadata names the files of each. Triplets hold ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import yaml

from wikidata5m import schema
from wikidata5m.console import table
from wikidata5m.dataset import Dataset
from wikidata5m.export import files
from wikidata5m.export.files import Choice, ExportFile, parquet_file, whole_file
from wikidata5m.schema import Part, Support, departure_meaning, drop_meaning

_STRING: Final = pa.string()
TRIPLETS: Final = pa.schema([("head", _STRING), ("relation", _STRING), ("tail", _STRING)])
LABELLED: Final = TRIPLETS.append(pa.field("label", pa.bool_()))
DESCRIPTIONS: Final = pa.schema([("entity", _STRING), ("text", _STRING)])
SPLIT_NAME: Final[dict[Part | Support, str]] = {
    "train": "train",
    "valid": "validation",
    "test": "test",
    "support": "support",
}
SIZES: Final = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
WIKIMEDIA: Final = ("cc0-1.0", "cc-by-sa-4.0")
"""Wikidata's facts and names, and Wikipedia's text."""

Configs = dict[str, dict[str, ExportFile]]
"""Files by configuration, and by the split of it that they are."""


def export(dataset: Dataset, choice: Choice) -> list[ExportFile]:
    """Parquet files by configuration, and the card."""
    configs = _splits(dataset, choice) | _tables(dataset)
    listed = [file for held in configs.values() for file in held.values()]
    return [*listed, whole_file("README.md", _card(dataset, choice, configs))]


def _splits(dataset: Dataset, choice: Choice) -> Configs:
    found: Configs = {}
    for setting in choice.settings:
        found[setting] = {
            SPLIT_NAME[part]: parquet_file(
                f"{setting}/{SPLIT_NAME[part]}.parquet",
                files.part_rows(dataset, setting, part),
                TRIPLETS,
                files.part_frames(dataset, setting, part),
            )
            for part in files.parts(dataset, setting)
        }
    held: tuple[Part, ...] = ("valid", "test")
    labelled = {
        SPLIT_NAME[part]: parquet_file(
            f"classification/{SPLIT_NAME[part]}.parquet",
            dataset.manifest.files[schema.classification_file(part)].rows,
            LABELLED,
            [files.labelled_frame(dataset, part)],
        )
        for part in held
        if schema.classification_file(part) in dataset.manifest.files
    }
    return found | ({"classification": labelled} if labelled else {})


def _tables(dataset: Dataset) -> Configs:
    counts = dataset.manifest.counts
    jobs = {
        "triplets": (counts["triplets"], TRIPLETS, files.whole_frames(dataset)),
        "entities": (
            dataset.num_entities,
            schema.ENTITY_SCHEMA,
            files.table_frames(dataset.entities),
        ),
        "relations": (
            dataset.num_relations,
            schema.RELATION_SCHEMA,
            files.table_frames(dataset.relations),
        ),
        "descriptions": (counts["descriptions"], DESCRIPTIONS, files.text_frames(dataset)),
    }
    return {
        name: {"train": parquet_file(f"{name}.parquet", *job)}
        for name, job in jobs.items()
        if name != "descriptions" or counts["descriptions"]
    }


def _card(dataset: Dataset, choice: Choice, configs: Configs) -> str:
    metadata = yaml.safe_dump(_metadata(dataset, choice, configs), sort_keys=False)
    manifest = dataset.manifest
    rows = [
        (config, split, file.rows)
        for config, held in configs.items()
        for split, file in held.items()
    ]
    first = next(iter(configs))
    sections = [
        f"---\n{metadata}---",
        f"# {manifest.name}",
        f"A knowledge graph of {manifest.counts['triplets']:,} triplets over "
        f"{dataset.num_entities:,} entities and {dataset.num_relations:,} relations; "
        f"{manifest.counts['descriptions']:,} entities have a description. "
        "Row i of `entities` is entity i.",
        f'```python\nfrom datasets import load_dataset\n\nload_dataset("PATH", "{first}")\n```',
        table(["configuration", "split", "rows"], rows),
        *_provenance(dataset),
    ]
    return "\n\n".join(sections) + "\n"


def _provenance(dataset: Dataset) -> Iterator[str]:
    manifest = dataset.manifest
    yield "## Where it comes from"
    yield f"Made {manifest.created} by wikidata5m {manifest.software['wikidata5m']}."
    sources = [
        # Another dataset and a URL have no SHA-256 of their own.
        (one["role"], str(one.get("path", "")).rpartition("/")[2], one.get("sha256") or "")
        for one in manifest.sources
    ]
    if sources:
        yield table(["source", "file", "SHA-256"], sources)
    if manifest.drops:
        drops = [(name, n, drop_meaning(name)) for name, n in manifest.drops.items()]
        yield table(["dropped", "count", "meaning"], drops)
    if manifest.departures:
        rows = [(name, n, departure_meaning(name)) for name, n in manifest.departures.items()]
        yield table(["departure of the splits from their rules", "count", "meaning"], rows)
    yield from manifest.notes


def _metadata(dataset: Dataset, choice: Choice, configs: Configs) -> dict[str, Any]:
    roles = {source["role"] for source in dataset.manifest.sources}
    wikimedia = "release" in roles or roles >= {"wikidata", "wikipedia"}
    licence = choice.license or (WIKIMEDIA if wikimedia else ("unknown",))
    language = choice.language or _language(dataset.manifest.config)
    if "release" in roles:
        language = language or ("en",)
    return {
        "pretty_name": dataset.manifest.name,
        "license": list(licence),
        **({"language": list(language)} if language else {}),
        "task_categories": ["graph-ml"],
        "tags": ["knowledge-graph", "link-prediction", "knowledge-graph-embedding"],
        "size_categories": [_size(dataset.manifest.counts["triplets"])],
        "configs": [
            {
                "config_name": name,
                **({"default": True} if i == 0 else {}),
                "data_files": [{"split": split, "path": file.name} for split, file in held.items()],
            }
            for i, (name, held) in enumerate(configs.items())
        ],
    }


def _language(config: dict[str, Any]) -> tuple[str, ...]:
    """The language of a build, also of one that was split anew."""
    stated = config.get("language")
    if isinstance(stated, str):
        return (stated,)
    origin = config.get("dataset")
    return _language(origin) if isinstance(origin, dict) else ()


def _size(rows: int) -> str:
    """The Hub's word for a number of rows."""
    place = next((i for i in range(len(SIZES)) if rows < 1000 * 10**i), len(SIZES))
    if place == 0:
        return "n<1K"
    return f"{SIZES[place - 1]}<n<{SIZES[place]}" if place < len(SIZES) else "n>1B"
