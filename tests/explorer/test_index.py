"""The index on disk, against a plain reading of the dataset, and after a kill."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets import make_dataset
from tests.explorer.conftest import HOSTILE, client, home_of
from wikidata5m import kept
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError
from wikidata5m.explorer import index as of_index
from wikidata5m.explorer.index import open_index
from wikidata5m.explorer.library import PAGE, Library, NotFoundError
from wikidata5m.kept import KeptError


def test_facts_and_parts_are_those_of_a_plain_reading(dataset: Dataset) -> None:
    index = open_index(dataset)
    whole = [tuple(row) for row in dataset.triplets().tolist()]
    stated = {
        setting: {
            part: {tuple(r) for r in t.tolist()} for part, t in dataset.parts(setting).items()
        }
        for setting in dataset.settings
    }
    for entity in range(dataset.num_entities):
        out = [tuple(row) for row in index.triplets_N3[index.rows(entity, "out")].tolist()]
        into = [tuple(row) for row in index.triplets_N3[index.rows(entity, "in")].tolist()]
        assert out == [row for row in whole if row[0] == entity]
        assert into == sorted((r for r in whole if r[2] == entity), key=lambda r: (r[1], r[0]))
        assert index.degree(entity) == len(out) + len(into) == dataset.degrees[entity]
        assert index.record(entity) == dataset.entities.row(entity, named=True)
        for relation in range(dataset.num_relations):
            some = index.triplets_N3[index.rows(entity, "in", relation)].tolist()
            assert [tuple(row) for row in some] == [row for row in into if row[1] == relation]
        for setting, parts in stated.items():
            found = index.parts(setting, index.rows(entity, "out"))
            assert found == [tuple(p for p, held in parts.items() if row in held) for row in out]
    best = np.argsort(-dataset.degrees, kind="stable")[: of_index.BEST]
    assert index.best == best.tolist()


def test_facts_that_are_stated_no_more_are_in_no_row(tmp_path: Path) -> None:
    earlier = make_dataset(tmp_path / "earlier", countries=20, seed=4)
    later = make_dataset(tmp_path / "later", countries=30)
    split = ["split", later.path, "--earlier", earlier.path, "--out", tmp_path / "both"]
    assert CliRunner().invoke(main, [str(each) for each in split]).exit_code == 0
    dataset = Dataset(tmp_path / "both")
    assert dataset.manifest.counts["temporal_removed"]
    index = open_index(dataset)
    found = index.parts("temporal", np.arange(len(index.triplets_N3), dtype=np.int32))
    stated = {
        part: {tuple(row) for row in triplets_N3.tolist()}
        for part, triplets_N3 in dataset.parts("temporal").items()
    }
    rows = [tuple(row) for row in index.triplets_N3.tolist()]
    assert found == [tuple(p for p, held in stated.items() if row in held) for row in rows]


def test_a_part_that_holds_a_foreign_triplet_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(tmp_path / "small", countries=4)
    foreign_N3 = np.array([[0, 0, 0]], dtype=np.int32)
    monkeypatch.setattr(Dataset, "parts", lambda *_: {"test": foreign_N3})
    with pytest.raises(DatasetError, match=r"transductive test holds 1 triplets .*verify"):
        open_index(dataset)


def test_every_id_is_found_and_no_other(hostile: Dataset) -> None:
    index = open_index(hostile)
    for number, identity in enumerate(hostile.entity_ids):
        assert index.find(identity) == number
    for identity, _ in HOSTILE.values():
        assert index.find(identity + "x") is None
    assert index.find("") is None


@settings(max_examples=50)
@given(st.text(max_size=8))
def test_no_string_is_too_odd_to_be_looked_up(hostile_library: Library, text: str) -> None:
    known = text in set(hostile_library.dataset.entity_ids)
    if known:
        assert hostile_library.find(text).id == text
    else:
        with pytest.raises(NotFoundError):
            hostile_library.find(text)


def test_pages_of_facts_hold_each_once(library: Library) -> None:
    busiest = library.best_connected()[0]
    for direction in ("out", "in"):
        first = library.facts(busiest, direction, 1, None)
        pages = [library.facts(busiest, direction, n + 1, None) for n in range(first.pages)]
        listed = [(f.relation.index, f.other.index) for page in pages for f in page.listed]
        ends = library.dataset.facts(busiest.index)
        own, other = (0, 2) if direction == "out" else (2, 0)
        assert listed == sorted(listed)
        assert sorted(listed) == sorted(
            (int(r[1]), int(r[other])) for r in ends if r[own] == busiest.index
        )
        assert all(len(page.listed) == PAGE for page in pages[:-1])
        assert library.facts(busiest, direction, 10**9, None) == pages[-1]


def test_a_neighbourhood_shows_the_best_connected_of_each_relation(library: Library) -> None:
    busiest = library.best_connected()[0]
    degree_E = library.dataset.degrees
    shown = library.neighbours(busiest, "in", 3)
    ends = [row for row in library.dataset.facts(busiest.index).tolist() if row[2] == busiest.index]
    for relation in {row[1] for row in ends}:
        others = [int(degree_E[row[0]]) for row in ends if row[1] == relation]
        mine = [int(degree_E[f.other.index]) for f in shown if f.relation.index == relation]
        assert sorted(mine) == sorted(others)[len(others) - len(mine) :]
    assert len(shown) == 3


def test_the_index_is_made_once_and_anew_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "home"))
    dataset = make_dataset(tmp_path / "small", countries=4)
    whole = of_index._write_parts

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(of_index, "_write_parts", killed)
    with pytest.raises(KeyboardInterrupt):
        open_index(dataset)
    assert home_of(tmp_path / "home") == []
    # What a process leaves that had no time to clean up.
    name = f"explore-{of_index.FORMAT}-{dataset.manifest.dataset_hash}"
    (tmp_path / "home" / f".{name}.tmp").mkdir()
    monkeypatch.setattr(of_index, "_write_parts", whole)
    first = open_index(dataset)
    assert home_of(tmp_path / "home") == [name]
    assert not list((tmp_path / "home").glob(".*.tmp"))
    monkeypatch.setattr(of_index, "_write", killed)
    assert np.array_equal(open_index(dataset).triplets_N3, first.triplets_N3)


def test_without_a_cache_the_index_is_whole_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: Dataset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "passing").mkdir()
    kept_index = open_index(dataset)
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "passing"))
    index = open_index(dataset)
    assert "WIKIDATA5M_HOME" in capsys.readouterr().err
    assert list((tmp_path / "passing").iterdir()) == []
    assert np.array_equal(index.triplets_N3, kept_index.triplets_N3)
    for entity in range(dataset.num_entities):
        assert index.find(dataset.entity_ids[entity]) == entity


def test_a_disk_that_is_full_everywhere_is_told(
    monkeypatch: pytest.MonkeyPatch, dataset: Dataset
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(KeptError, match="No space left"):
        open_index(dataset)


def test_a_dataset_that_cannot_be_read_is_not_blamed_on_the_cache(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "small", countries=4)
    assert len(dataset.entity_ids)
    for content in (b"", b"PAR1 no Parquet PAR1"):
        (dataset.path / "entities.parquet").write_bytes(content)
        with pytest.raises(DatasetError, match=r"entities\.parquet.*verify"):
            of_index._write_entities(dataset, tmp_path)
    (dataset.path / "entities.parquet").unlink()
    with pytest.raises(DatasetError, match=r"entities\.parquet.*verify"):
        of_index._write_entities(dataset, tmp_path)


def test_an_empty_array_is_kept_too(tmp_path: Path) -> None:
    kept.save_arrays(tmp_path, {"none": np.zeros((0, 3), dtype=np.int32)})
    assert kept.map_array(tmp_path, "none").shape == (0, 3)


@pytest.mark.parametrize("file", ["triplets.npy", "by_id.npy", "entities.arrow"])
@pytest.mark.parametrize("kind", ["gone", "empty", "cut"])
def test_a_damaged_index_is_told_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, file: str, kind: str
) -> None:
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path))
    open_index(dataset)
    (path,) = tmp_path.glob(f"explore-*/{file}")
    whole = path.read_bytes()
    path.unlink() if kind == "gone" else path.write_bytes(
        whole[: len(whole) // 3 * (kind == "cut")]
    )
    with pytest.raises(KeptError, match="delete it, and it is made again"):
        open_index(dataset)


def test_a_dataset_without_texts_names_or_splits_is_shown(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "train.txt").write_text("a\tr\tb\nb\tr\t \u00a0c\n", encoding="utf-8")
    made = ["import", str(tmp_path / "graph"), "--out", str(tmp_path / "plain")]
    assert CliRunner().invoke(main, made).exit_code == 0
    browser = client(Library(Dataset(tmp_path / "plain")))
    for address in ("/", "/search?q=a", "/entity?id=a", "/ask?entity=A&relation=r"):
        assert browser.get(address).status_code == 200
    assert "has no description" in browser.get("/entity?id=b").text
    odd = browser.get("/ask", params={"entity": " \u00a0c", "relation": "r"})
    assert "Which one" not in odd.text
