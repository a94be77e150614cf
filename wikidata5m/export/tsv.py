"""The files of the 2021 release, for any dataset. Imports files and schema.

    wikidata5m_SETTING_PART.txt    head⇥relation⇥tail
    wikidata5m_all_triplet.txt     the same, all triplets
    wikidata5m_text.txt            entity⇥description
    wikidata5m_entity.txt          entity⇥alias⇥alias…, the label first
    wikidata5m_relation.txt        relation⇥alias⇥alias…

Beside them, where the dataset has such, what the release did not have:

    wikidata5m_SETTING_support.txt, wikidata5m_relation_text.txt (relation⇥description),
    wikidata5m_PART_negatives.txt (the false triplets of a classification set)
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from wikidata5m import schema
from wikidata5m.dataset import Dataset
from wikidata5m.export import files
from wikidata5m.export.files import Choice, ExportFile, text_file

PREFIX = "wikidata5m"


def export(dataset: Dataset, choice: Choice) -> list[ExportFile]:
    """The release's files; each setting's parts under their own names."""
    files.check_ids(dataset, r"[\t\r\n]", "a tab or a line break")
    counts = dataset.manifest.counts
    splits = [
        text_file(
            f"{PREFIX}_{setting}_{part}.txt",
            files.part_rows(dataset, setting, part),
            files.part_frames(dataset, setting, part),
        )
        for setting in choice.settings
        for part in files.parts(dataset, setting)
    ]
    return [
        *splits,
        text_file(f"{PREFIX}_all_triplet.txt", counts["triplets"], files.whole_frames(dataset)),
        text_file(f"{PREFIX}_text.txt", counts["descriptions"], _texts(dataset, choice)),
        *alias_files(dataset, choice, f"{PREFIX}_"),
        *_relation_texts(dataset, choice),
        *_negatives(dataset),
    ]


def alias_files(dataset: Dataset, choice: Choice, prefix: str) -> list[ExportFile]:
    """PREFIXentity.txt and PREFIXrelation.txt: id⇥alias⇥alias…, the label first."""
    tables = (("entity", dataset.entities), ("relation", dataset.relations))
    return [
        text_file(f"{prefix}{key}.txt", frame.height, _aliases(frame, key, choice))
        for key, frame in tables
    ]


def _aliases(frame: pl.DataFrame, key: str, choice: Choice) -> Iterator[pl.DataFrame]:
    names = pl.concat_list("label", "aliases").list.unique(maintain_order=True)
    flat = pl.element().str.replace_all(r"[\t\r\n]+", " ")
    for rows in files.table_frames(frame):
        held = rows.select(key, before=names).with_columns(after=pl.col("before").list.eval(flat))
        choice.flattened["aliases"] += int((held["before"] != held["after"]).sum())
        yield held.select(key, pl.col("after").list.join("\t"))


def _relation_texts(dataset: Dataset, choice: Choice) -> list[ExportFile]:
    described = dataset.relations.filter(pl.col("description") != "")
    if not described.height:
        return []
    frame = files.flatten(described, "description", choice).select("relation", "description")
    return [text_file(f"{PREFIX}_relation_text.txt", frame.height, [frame])]


def _negatives(dataset: Dataset) -> list[ExportFile]:
    listed = []
    for part in ("valid", "test"):
        if schema.classification_file(part) in dataset.manifest.files:
            frame = files.labelled_frame(dataset, part).filter(~pl.col("label")).drop("label")
            listed.append(text_file(f"{PREFIX}_{part}_negatives.txt", frame.height, [frame]))
    return listed


def _texts(dataset: Dataset, choice: Choice) -> Iterator[pl.DataFrame]:
    for frame in files.text_frames(dataset):
        yield files.flatten(frame, "text", choice)
