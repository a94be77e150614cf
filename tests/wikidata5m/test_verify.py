"""verify() finds each kind of breach that can befall a dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

from tests.datasets import make_dataset
from wikidata5m import schema
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.files import sha256, write_parquet
from wikidata5m.manifest import FileRecord, load_manifest
from wikidata5m.schema import Part, Setting
from wikidata5m.verify import verify
from wikidata5m.writer import as_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "data").path


def rewrite(
    folder: Path, setting: Setting, part: Part, change: Callable[[Triplets], Triplets]
) -> None:
    """Change a part and let the manifest agree, so that only the invariant can tell."""
    name = schema.split_file(setting, part)
    triplets = change(Dataset(folder).triplets(setting, part))
    write_parquet(as_table(triplets), schema.TRIPLET_SCHEMA, folder / name)
    agree(folder, name, len(triplets))


def agree(folder: Path, name: str, rows: int) -> None:
    manifest = load_manifest(folder)
    path = folder / name
    record = FileRecord(bytes=path.stat().st_size, sha256=sha256(path), rows=rows)
    count = {name.removesuffix(".parquet").replace("/", "_"): rows}
    files = manifest.files | {name: record}
    dataclasses.replace(manifest, files=files, counts=manifest.counts | count).save(folder)


def test_an_intact_dataset_has_no_breach(folder: Path) -> None:
    assert verify(Dataset(folder)) == []


def test_a_changed_a_missing_and_a_foreign_file_are_told(folder: Path) -> None:
    data = bytearray((folder / schema.ENTITIES).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / schema.ENTITIES).write_bytes(data)
    (folder / schema.TRIPLETS).unlink()
    (folder / "stray.parquet").write_bytes(b"x")
    with (folder / schema.RELATIONS).open("ab") as stream:
        stream.write(b"more")
    assert [breach.split(":")[0] for breach in verify(Dataset(folder))] == [
        "entities.parquet",
        "relations.parquet",
        "triplets.parquet",
        "stray.parquet",
    ]
    result = CliRunner().invoke(main, ["verify", str(folder)])
    assert result.exit_code == 1
    assert "SHA-256 differs" in result.stdout


def test_a_triplet_in_two_parts_is_told(folder: Path) -> None:
    train = Dataset(folder).triplets("transductive", "train")
    rewrite(folder, "transductive", "test", lambda test: np.concatenate([test, train[:1]]))
    assert verify(Dataset(folder)) == [
        "transductive_test_repeated: 1 triplets that stand here or in an earlier part already"
    ]


def test_a_test_entity_seen_in_inductive_training_is_told(folder: Path) -> None:
    test = Dataset(folder).triplets("inductive", "test")
    rewrite(folder, "inductive", "train", lambda train: np.concatenate([train, test[:1]]))
    breaches = " ".join(verify(Dataset(folder)))
    assert "inductive_test_shared_entity: 2 entities that an earlier part has too" in breaches
    assert "inductive_test_repeated: 1 triplets" in breaches


def test_a_relation_that_train_lacks_is_told(folder: Path) -> None:
    relation = Dataset(folder).triplets("inductive", "test")[0, 1]
    rewrite(folder, "inductive", "train", lambda train: train[train[:, 1] != relation])
    told = " ".join(verify(Dataset(folder)))
    assert "inductive_test_unseen_relation: 2 triplets of a relation that train lacks" in told


def test_unsorted_and_repeated_triplets_are_told(folder: Path) -> None:
    triplets = Dataset(folder).triplets()
    triplets[0] = triplets[1]
    write_parquet(as_table(triplets), schema.TRIPLET_SCHEMA, folder / schema.TRIPLETS)
    agree(folder, schema.TRIPLETS, len(triplets))
    assert "not sorted" in " ".join(verify(Dataset(folder)))


def test_wrong_counts_and_indices_are_told(folder: Path) -> None:
    rewrite(folder, "inductive", "test", lambda test: test + 10_000)
    manifest = load_manifest(folder)
    counts = manifest.counts | {"descriptions": 1, "inductive_test": 2}
    files = dict(manifest.files)
    files[schema.CLASSES] = dataclasses.replace(files[schema.CLASSES], rows=99)
    dataclasses.replace(manifest, counts=counts, files=files).save(folder)
    assert [breach.split(":")[0] for breach in verify(Dataset(folder))] == [
        "classes.parquet",
        "descriptions",
        "inductive_test",
        "inductive/test.parquet",
    ]


def test_a_part_that_lacks_a_triplet_among_its_entities_is_told(folder: Path) -> None:
    rewrite(folder, "inductive", "test", lambda test: test[:-1])
    assert verify(Dataset(folder)) == [
        "inductive: no part holds 5 triplets, the manifest says 4",
        "inductive_test_left_out: 1 triplets among the part's own entities that it does not hold",
    ]


def test_a_departure_that_the_manifest_declares_is_none_but_must_be_exact(folder: Path) -> None:
    train = Dataset(folder).triplets("transductive", "train")
    rewrite(folder, "transductive", "test", lambda test: np.concatenate([test, train[:1]]))
    manifest = load_manifest(folder)
    for declared, breaches in ((1, 0), (2, 1), (0, 1)):
        departures = {"transductive_test_repeated": declared}
        dataclasses.replace(manifest, departures=departures).save(folder)
        assert len(verify(Dataset(folder))) == breaches


def test_a_text_lost_repeated_or_emptied_is_told(folder: Path) -> None:
    name = f"{schema.DESCRIPTIONS}/00000.parquet"
    texts = pl.read_parquet(folder / name)
    changed = texts.with_columns(
        index=texts["index"].replace({3: 4}), text=texts["text"].replace({texts["text"][7]: ""})
    )
    write_parquet(changed, schema.DESCRIPTION_SCHEMA, folder / name)
    agree(folder, name, texts.height)
    assert verify(Dataset(folder)) == [
        "descriptions: 1 are empty",
        "descriptions: 1 entities have more than one",
        "entity_without_text: 1 entities without a description",
    ]


def label(folder: Path, rows: list[tuple[list[int], bool]]) -> None:
    """Give the dataset a classification set of its test part."""
    name = schema.classification_file("test")
    columns = np.array([triplet for triplet, _ in rows], dtype=np.int32)
    labels = pa.array([true for _, true in rows])
    (folder / name).parent.mkdir(exist_ok=True)
    table = as_table(columns).append_column(schema.CLASSIFICATION_SCHEMA.field("label"), labels)
    write_parquet(table, schema.CLASSIFICATION_SCHEMA, folder / name)
    agree(folder, name, len(rows))


def test_labels_that_the_split_belies_are_told(folder: Path) -> None:
    dataset = Dataset(folder)
    train, valid, test = (
        dataset.triplets("transductive", part)[:2].tolist() for part in schema.PARTS
    )
    nowhere = [test[0][2], test[0][1], test[0][0]]
    assert nowhere not in dataset.triplets().tolist()
    label(folder, [(test[0], True), (nowhere, False)])
    assert verify(Dataset(folder)) == []
    label(folder, [(test[0], True), (test[1], False), (train[0], False), (valid[0], False)])
    assert verify(Dataset(folder)) == [
        "classification_test_false_in_graph: 3 triplets labelled false that a part holds"
    ]
    label(folder, [(test[0], True), (train[0], True), (valid[0], True), (nowhere, True)])
    assert verify(Dataset(folder)) == [
        "classification_test_not_held_out: 3 triplets labelled true that their part does not hold"
    ]
