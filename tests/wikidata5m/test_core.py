"""Files, tables on the console, and the dataset object."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.datasets import make_dataset
from wikidata5m import load
from wikidata5m.console import table
from wikidata5m.errors import DatasetError, InputError, OutputExistsError
from wikidata5m.files import atomic_path, claim_output, read_json, write_json


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"kept": 1})

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        fail()
    assert read_json(path) == {"kept": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_folder_is_never_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        claim_output(tmp_path)
    (tmp_path / ".half.parquet.123.tmp").write_text("x")
    claim_output(tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    claim_output(tmp_path, overwrite=True)
    assert not (tmp_path / "kept").exists()
    with pytest.raises(OutputExistsError, match="is a file"):
        claim_output(Path(__file__), overwrite=True)


def test_an_input_error_crosses_a_process_boundary() -> None:
    error = InputError("a.bz2", "cut off", where="byte 7", fix="download it again")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == "a.bz2, byte 7: cut off; download it again"


def test_tables_align_numbers_and_escape_bars() -> None:
    assert table(["name", "n"], [("a|b", 1234), ("c", 5)]) == (
        "| name |     n |\n|------|------:|\n| a\\|b | 1,234 |\n| c    |     5 |"
    )
    assert table(["x"], []) == "| x   |\n|-----|"


def test_another_split_is_another_dataset(tmp_path: Path) -> None:
    one, same, other = (make_dataset(tmp_path / str(i), seed=i // 2) for i in range(3))
    assert np.array_equal(one.triplets(), other.triplets()) or one.texts != other.texts
    assert one.manifest.dataset_hash == same.manifest.dataset_hash
    assert one.manifest.dataset_hash != other.manifest.dataset_hash


def test_a_dataset_gives_back_what_was_written(tmp_path: Path) -> None:
    written = make_dataset(tmp_path / "data")
    dataset = load(tmp_path / "data")
    assert np.array_equal(dataset.triplets(), written.triplets())
    assert dataset.triplets().dtype == np.int32
    assert len(dataset.texts) == dataset.num_entities == dataset.entities.height
    assert dataset.text(3) == dataset.texts[3]
    assert dataset.entity_index(dataset.entities["entity"][5]) == 5
    assert dataset.relation_index(dataset.relations["relation"][1]) == 1
    with pytest.raises(DatasetError, match="no relation 'P1'; close: P19, P17"):
        dataset.relation_index("P1")
    with pytest.raises(DatasetError, match="no complete dataset folder"):
        load(tmp_path)
