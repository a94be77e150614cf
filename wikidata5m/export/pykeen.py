"""Files that PyKEEN's TriplesFactory and PathDataset load. Imports files.

PyKEEN reads them with pandas, which takes quotes as CSV does, so that fields are quoted where they
must be. It makes its own indices; the maps give it the dataset's.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from wikidata5m.dataset import Dataset
from wikidata5m.export import files
from wikidata5m.export.files import Choice, ExportFile, text_file


def export(dataset: Dataset, choice: Choice) -> list[ExportFile]:
    """train.txt, valid.txt, test.txt (support.txt), entity_to_id.tsv and relation_to_id.tsv."""
    setting = choice.setting
    return [
        *(
            text_file(
                f"{part}.txt",
                files.part_rows(dataset, setting, part),
                files.part_frames(dataset, setting, part),
                quote="necessary",
            )
            for part in files.parts(dataset, setting)
        ),
        *(
            text_file(f"{key}_to_id.tsv", frame.height, _map(frame, key), quote="necessary")
            for key, frame in (("entity", dataset.entities), ("relation", dataset.relations))
        ),
    ]


def _map(frame: pl.DataFrame, key: str) -> Iterator[pl.DataFrame]:
    for rows in files.table_frames(frame.with_row_index("index")):
        yield rows.select(key, "index")
