"""diff() finds what was added, removed, changed and moved, by string ids."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import ujson
from click.testing import CliRunner

from tests.datasets import make_dataset
from wikidata5m import schema
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.diff import diff, render
from wikidata5m.schema import PARTS
from wikidata5m.splits import Split
from wikidata5m.writer import Provenance, Tables, write_dataset


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "a")


def test_a_dataset_does_not_differ_from_its_copy(small: Dataset, tmp_path: Path) -> None:
    shutil.copytree(small.path, tmp_path / "b")
    result = diff(small, Dataset(tmp_path / "b"))
    assert result["equal"]
    assert "The two hold the same files." in render(result)
    for kind in ("entities", "relations", "texts", "triplets"):
        assert (result[kind]["added"], result[kind]["removed"]) == (0, 0)
    for moves in result["splits"].values():
        assert all(move["from"] == move["to"] for move in moves)


def _changed(a: Dataset, folder: Path) -> Dataset:
    """`a` renumbered in reverse, without its entity 3, with a new one, other names and parts."""
    n = a.num_entities
    order = [i for i in reversed(range(n)) if i != 3]
    place = np.full(n, -1)
    place[order] = np.arange(len(order))
    new = pl.DataFrame(a.entities[0]).with_columns(entity=pl.lit("Q7"), label=pl.lit("New"))
    entities = pl.concat([a.entities[order], new]).with_columns(
        label=pl.when(pl.col("entity") == "Q1000").then(pl.lit("Renamed")).otherwise("label")
    )
    texts = [a.texts[i] for i in order] + ["The text of a new entity."]
    texts[int(place[5])] = "Another text."
    relations = a.relations.with_columns(
        relation=pl.when(pl.col("relation") == "P57").then(pl.lit("P99")).otherwise("relation")
    )

    def renumbered(triplets_N3: Triplets) -> Triplets:
        kept = triplets_N3[np.all(triplets_N3[:, [0, 2]] != 3, axis=1)].copy()
        kept[:, [0, 2]] = place[kept[:, [0, 2]]]
        return np.unique(kept, axis=0)

    split = {part: renumbered(a.triplets("transductive", part)) for part in PARTS}
    split["train"] = np.concatenate([split["train"], split["test"][:2]])
    split["test"] = split["test"][2:]
    split["train"] = np.concatenate([split["train"], [[len(order), 0, 0]]]).astype(np.int32)
    whole = np.unique(np.concatenate(list(split.values())), axis=0)
    folder.mkdir()
    frame = pl.DataFrame(
        {"index": range(len(texts)), "text": texts}, schema_overrides={"index": pl.Int32}
    )
    tables = Tables(
        entities=entities,
        relations=relations,
        classes=a.classes,
        triplets=whole,
        descriptions=[frame[:50], frame[50:]],
    )
    parts: Split = {part: split[part] for part in PARTS}
    source = {"role": "wikidata", "path": "b.json", "bytes": 2, "sha256": "bb"}
    provenance = Provenance(
        name="changed", sources=(source,), config={"countries": 12, "seed": 1}, drops={}
    )
    write_dataset(folder, tables, {"transductive": parts}, provenance)
    return Dataset(folder)


def _plain(dataset: Dataset, triplets: Triplets) -> set[tuple[str, str, str]]:
    e, r = dataset.entities["entity"], dataset.relations["relation"]
    return {(e[h], r[k], e[t]) for h, k, t in triplets.tolist()}


def _plain_moves(a: Dataset, b: Dataset) -> dict[tuple[str, str], int]:
    where: list[dict[Any, str]] = [
        {t: part for part in PARTS for t in _plain(d, d.triplets("transductive", part))}
        for d in (a, b)
    ]
    moves: dict[tuple[str, str], int] = {}
    for triplet in where[0].keys() | where[1].keys():
        way = (where[0].get(triplet, "absent"), where[1].get(triplet, "absent"))
        moves[way] = moves.get(way, 0) + 1
    return moves


def test_every_kind_of_change_is_found(small: Dataset, tmp_path: Path) -> None:
    other = _changed(small, tmp_path / "b")
    result = diff(small, other)
    entities, relations = result["entities"], result["relations"]
    assert (entities["added_examples"], entities["removed_examples"]) == (["Q7"], ["Q1003"])
    assert entities["changed"] == {
        "label": {"count": 1, "examples": [("Q1000", "Land 0", "Renamed")]}
    }
    assert (relations["added_examples"], relations["removed_examples"]) == (["P99"], ["P57"])
    texts = result["texts"]
    assert texts["changed"] == {"count": 1, "examples": ["Q1005"]}
    assert (texts["added"], texts["removed"]) == (1, 1)
    one, two = _plain(small, small.triplets()), _plain(other, other.triplets())
    triplets = result["triplets"]
    assert (triplets["added"], triplets["removed"]) == (len(two - one), len(one - two))
    assert {tuple(each) for each in triplets["added_examples"]} <= two - one
    assert {tuple(each) for each in triplets["removed_examples"]} <= one - two
    moves = {(m["from"], m["to"]): m["triplets"] for m in result["splits"]["transductive"]}
    assert moves == _plain_moves(small, other)
    assert moves["test", "train"] == 2
    inductive = {m["to"] for m in result["splits"]["inductive"]}
    assert inductive == {"absent"}
    assert result["config"] == {"seed": {"a": 0, "b": 1}}
    assert result["sources"]["wikidata"]["b"]["sha256"] == "bb"
    back = diff(other, small)["triplets"]
    assert (back["added"], back["removed"]) == (triplets["removed"], triplets["added"])


def test_each_of_several_sources_of_one_role_is_compared(small: Dataset, tmp_path: Path) -> None:
    def told(*files: tuple[str, str]) -> Dataset:
        sources = tuple(
            {"role": "release", "path": path, "sha256": hashed} for path, hashed in files
        )
        folder = tmp_path / f"with {len(list(tmp_path.iterdir()))}"
        shutil.copytree(small.path, folder)
        dataclasses.replace(small.manifest, sources=sources).save(folder)
        return Dataset(folder)

    one = told(("a/text.gz", "1"), ("a/alias.gz", "2"), ("a/alias.gz", "3"))
    same = told(("b/text.gz", "1"), ("b/alias.gz", "2"), ("b/alias.gz", "3"))
    other = told(("b/text.gz", "9"), ("b/alias.gz", "4"), ("b/alias.gz", "3"))
    single = told(("c/text.gz", "1"))
    assert diff(one, same)["sources"] == {}
    assert diff(one, other)["sources"] == {
        "release text.gz.sha256": {"a": "1", "b": "9"},
        "release alias.gz": {
            "a": [{"sha256": "2"}, {"sha256": "3"}],
            "b": [{"sha256": "4"}, {"sha256": "3"}],
        },
    }
    assert list(diff(one, single)["sources"]) == ["release alias.gz"]
    assert diff(single, told(("d/new.gz", "5")))["sources"] == {
        "release.sha256": {"a": "1", "b": "5"}
    }


def test_what_no_table_tells_is_told_by_its_file(small: Dataset, tmp_path: Path) -> None:
    shutil.copytree(small.path, tmp_path / "b")
    other = Dataset(tmp_path / "b")
    record = other.manifest.files[schema.CLASSES]
    files = other.manifest.files | {schema.CLASSES: dataclasses.replace(record, sha256="0" * 64)}
    dataclasses.replace(other.manifest, files=files).save(other.path)
    result = diff(small, Dataset(other.path))
    assert not result["equal"]
    assert result["files"] == [schema.CLASSES]
    assert f"Files of other content: {schema.CLASSES}." in render(result)


def test_the_command_tells_the_differences(small: Dataset, tmp_path: Path) -> None:
    other = _changed(small, tmp_path / "b")
    words = ["diff", str(small.path), str(other.path)]
    run = CliRunner().invoke
    text = run(main, words, catch_exceptions=False).stdout
    assert "Q1000: Land 0 -> Renamed" in text
    assert "Where the triplets of the transductive split went" in text
    result = ujson.loads(run(main, [*words, "--json", "--examples", "0"]).stdout)
    assert result["entities"]["added"] == 1
    assert result["entities"]["added_examples"] == []
    assert schema.MANIFEST not in text
