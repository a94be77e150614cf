"""A dataset folder of LibKGE: integer triplets, maps of ids, dataset.yaml. Imports files.

Put it under LibKGE's `data/` with its own name. Indices are those of the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import yaml

from wikidata5m.dataset import Dataset
from wikidata5m.export import files
from wikidata5m.export.files import Choice, ExportFile, text_file, whole_file
from wikidata5m.schema import SUPPORT, Part, Setting, Support


def export(dataset: Dataset, choice: Choice) -> list[ExportFile]:
    """train.del, valid.del, test.del, entity_ids.del, relation_ids.del, and maps of labels."""
    files.check_ids(dataset, r"[\r\n]", "a line break")
    setting = choice.setting
    tables = {"entity": dataset.entities, "relation": dataset.relations}
    described: dict[str, object] = {}
    listed: list[ExportFile] = []
    for key, frame in tables.items():
        for kind, column in (("ids", key), ("strings", "label")):
            name = f"{key}_{kind}.del"
            listed.append(text_file(name, frame.height, _map(frame, column, choice)))
            described |= {f"files.{key}_{kind}.filename": name, f"files.{key}_{kind}.type": "map"}
    for part in files.parts(dataset, setting):
        rows = files.part_rows(dataset, setting, part)
        listed.append(text_file(f"{part}.del", rows, _triplets(dataset, setting, part)))
        described |= {
            f"files.{part}.filename": f"{part}.del",
            f"files.{part}.size": rows,
            f"files.{part}.type": "triples",
        }
        if part != SUPPORT:
            described[f"files.{part}.split_type"] = part
    described |= {
        "name": dataset.manifest.name,
        "num_entities": dataset.num_entities,
        "num_relations": dataset.num_relations,
    }
    return [*listed, whole_file("dataset.yaml", yaml.safe_dump({"dataset": described}))]


def _map(frame: pl.DataFrame, column: str, choice: Choice) -> Iterator[pl.DataFrame]:
    for rows in files.table_frames(frame.with_row_index("index")):
        flat = files.flatten(rows, column, choice) if column == "label" else rows
        yield flat.select("index", column)


def _triplets(dataset: Dataset, setting: Setting, part: Part | Support) -> Iterator[pl.DataFrame]:
    for triplets_N3 in files.part_indices(dataset, setting, part):
        yield pl.DataFrame(dict(zip("hrt", triplets_N3.T, strict=True)))
