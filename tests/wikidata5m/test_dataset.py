"""The dataset object: its documented examples, texts read in pieces, and the search for names."""

from __future__ import annotations

import doctest
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wikidata5m.dataset
from tests.conftest import REPOSITORY
from tests.datasets import make_dataset
from wikidata5m import schema, search, texts
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError
from wikidata5m.files import write_parquet
from wikidata5m.search import Match, NameIndex, build_names, clean
from wikidata5m.show import show_entity
from wikidata5m.texts import Texts

PUBLIC = {"Dataset": Dataset} | {n: each for n, each in vars(Dataset).items() if n[0] != "_"}
EXAMPLES = [
    doctest.DocTestParser().get_doctest(each.__doc__ or "", {}, name, "dataset.py", 0)
    for name, each in PUBLIC.items()
    if ">>> " in (each.__doc__ or "")
]
"""Read by hand: doctest itself does not look into cached properties."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("api") / "small")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_documented_examples_hold(
    example: doctest.DocTest, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dataset.path.parent)
    example.globs = {"dataset": Dataset("small"), "pl": pl}
    told: list[str] = []
    doctest.DocTestRunner().run(example, out=told.append)
    assert not told, "".join(told)


def test_every_public_name_of_the_dataset_has_an_example_or_needs_none() -> None:
    shown = " ".join(example.source for each in EXAMPLES for example in each.examples)
    silent = {name for name in PUBLIC if f"dataset.{name}" not in shown} - {"Dataset"}
    assert silent == {
        "has_split",
        "num_entities",
        "num_relations",
        "entity_ids",
        "read_triplets",
        "read_column",
    }


def _shards(folder: Path, shards: Sequence[dict[int, str]]) -> None:
    for number, shard in enumerate(shards):
        frame = pl.DataFrame(
            {"index": list(shard), "text": list(shard.values())},
            schema={"index": pl.Int32, "text": pl.String},
        )
        write_parquet(frame, schema.DESCRIPTION_SCHEMA, folder / _shard(number))


def _shard(number: int) -> str:
    return f"descriptions/{number:05}.parquet"


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_texts_are_those_that_were_written_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("wikidata5m.files.TEXT_ROW_GROUP", rows)
    monkeypatch.setattr(texts, "KEPT", 2)
    monkeypatch.setattr(texts, "STEP", 5)
    rng = np.random.default_rng(0)
    order = rng.permutation(40)[:33]  # seven entities have none
    told = {int(index): f"text of {index} é" for index in order}
    items = list(told.items())
    _shards(tmp_path, [dict(items[:11]), {}, dict(items[11:])])
    read = Texts(tmp_path, map(_shard, range(3)), 40)
    expected = [told.get(index, "") for index in range(40)]
    assert list(read) == expected
    assert read[:] == expected
    assert [read[i] for i in range(40)] == expected
    assert read[-1] == expected[-1]
    wanted = rng.integers(0, 40, 60)
    assert read.take(wanted) == [expected[i] for i in wanted]
    assert read.take([]) == []
    with pytest.raises(IndexError):
        read[40]


def test_damaged_and_missing_texts_are_told_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no descriptions"):
        Texts(tmp_path, ["entities.parquet"], 3)
    (tmp_path / "descriptions").mkdir()
    (tmp_path / "descriptions/00000.parquet").write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match=r"00000\.parquet: cannot be read"):
        Texts(tmp_path, [_shard(0)], 3)


def test_texts_are_those_of_the_manifest_whatever_the_folder_holds(tmp_path: Path) -> None:
    _shards(tmp_path, [{0: "zero"}, {2: "two"}, {7: "of no dataset"}])
    assert list(Texts(tmp_path, [_shard(0), _shard(1)], 3)) == ["zero", "", "two"]
    (tmp_path / _shard(1)).unlink()
    with pytest.raises(DatasetError, match=r"00001\.parquet: cannot be read \(.*verify"):
        Texts(tmp_path, [_shard(0), _shard(1)], 3)


@pytest.mark.parametrize("column", ["index", "text"])
def test_texts_that_do_not_decompress_are_told_with_the_file(tmp_path: Path, column: str) -> None:
    dataset = make_dataset(tmp_path / "data")
    (shard,) = (dataset.path / "descriptions").glob("*.parquet")
    place = schema.DESCRIPTION_SCHEMA.names.index(column)
    found = pq.ParquetFile(shard).metadata.row_group(0).column(place)
    content = bytearray(shard.read_bytes())
    end = found.data_page_offset + found.total_compressed_size
    content[end - 20 : end] = bytes(20)
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match=r"00000\.parquet: cannot be read \(.*verify"):
        list(Dataset(dataset.path).texts)
    if column == "text":  # Polars reads the damaged indices for others
        with pytest.raises(DatasetError, match=r"descriptions: cannot be read \(.*verify"):
            dataset.collect_texts(dataset.scan_texts())


def test_a_split_whose_file_is_gone_is_not_taken_for_none(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    (dataset.path / "transductive" / "train.parquet").unlink()
    with pytest.raises(DatasetError, match=r"train.parquet: cannot be read"):
        dataset.triplets("transductive", "train")


def test_many_ids_at_once_and_an_unknown_one(dataset: Dataset) -> None:
    ids = dataset.entity_ids.to_list()
    asked = [ids[7], ids[0], ids[7]]
    assert dataset.entity_indices(asked).tolist() == [7, 0, 7]
    assert dataset.entity_indices([]).tolist() == []
    with pytest.raises(DatasetError, match="no entity 'Q100'; close: Q1100"):
        dataset.entity_indices([ids[0], "Q100"])


def test_facts_neighbours_degrees_and_frames_by_hand(dataset: Dataset) -> None:
    triplets = dataset.triplets().tolist()
    for index in (0, 1, 40):
        out = [t for t in triplets if t[0] == index]
        into = [t for t in triplets if t[2] == index and t[0] != index]
        assert dataset.facts(index).tolist() == out + into
        around = {e for h, _, t in out + into for e in (h, t)} - {index}
        assert dataset.neighbours(index).tolist() == sorted(around)
        assert dataset.degrees[index] == sum((h == index) + (t == index) for h, _, t in triplets)
    entities, relations = dataset.entities, dataset.relations
    for column, ids in (("entity", True), ("label", False)):
        kind = "relation" if ids else "label"
        assert dataset.to_frame(ids=ids).rows() == [
            (entities[column][h], relations[kind][r], entities[column][t]) for h, r, t in triplets
        ]


def test_unseen_triplets_are_those_with_an_entity_train_lacks(dataset: Dataset) -> None:
    for setting in dataset.settings:
        known = set(dataset.triplets(setting, "train")[:, [0, 2]].ravel().tolist())
        expected = [
            h not in known or t not in known for h, _, t in dataset.triplets(setting, "test")
        ]
        assert dataset.unseen(setting, "test").tolist() == expected


# The search, against a plain reading of its rule


def _expected(
    names: list[list[str]], degree: Sequence[int], query: str, limit: int
) -> list[tuple[int, Match]]:
    text = clean(query)

    def kind(name: str) -> Match | None:
        if name == text:
            return "exact"
        if name.startswith(text):
            return "prefix"
        if all(f" {word}" in f" {name}" for word in text.split()):
            return "words"
        held = (
            word in name.split() or any(_holds(own, word) for own in name.split())
            for word in text.split()
        )
        return "pieces" if all(held) else None

    def _holds(own: str, word: str) -> bool:
        return word in own if len(word.encode()) >= search.LEAST_PIECE else own.startswith(word)

    found = []
    for index, told in enumerate(names):
        kinds = [kind(clean(name)) for name in told if clean(name)]
        ranks = [search.MATCHES.index(each) for each in kinds if each]
        if text and ranks:
            found.append((min(ranks), -degree[index], index))
    return [(index, search.MATCHES[rank]) for rank, _, index in sorted(found)[:limit]]


WORDS = st.sampled_from(["Ada", "ÁDA", "adam", "dam", "a", "o'Neill", "!!!", "東京", "", "ab-cd"])
NAMES = st.lists(WORDS, max_size=3).map(" ".join)


@given(
    names=st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=6),
    query=NAMES | st.sampled_from(["d", "dam", "京", "eil o", "cd ab", "nei", "dam 東", "dam m"]),
    limit=st.integers(1, 4),
    data=st.data(),
)
def test_search_finds_what_a_plain_reading_finds(
    names: list[list[str]], query: str, limit: int, data: st.DataObject
) -> None:
    degree = data.draw(st.lists(st.integers(0, 3), min_size=len(names), max_size=len(names)))
    index = build_names(
        pl.Series([given[0] for given in names], dtype=pl.String),
        pl.Series([given[1:] for given in names], dtype=pl.List(pl.String)),
        np.array(degree, dtype=np.int64),
    )
    found = [(hit.index, hit.match) for hit in index.search(query, limit)]
    assert found == _expected(names, degree, query, limit)


# Letters of later Unicode versions are known to one side alone.
@given(st.text(st.characters(max_codepoint=0x24F, exclude_categories=["Cc"]), max_size=12))
def test_names_are_cleaned_alike_in_bulk_and_alone(name: str) -> None:
    index = build_names(
        pl.Series([name]), pl.Series([[]], dtype=pl.List(pl.String)), np.zeros(1, dtype=np.int64)
    )
    alone = clean(name)
    assert index.names[0].decode() == alone if alone else len(index) == 0


def test_an_entity_with_very_many_names_alike_hides_no_other() -> None:
    index = build_names(
        pl.Series(["ada", "ada"]),
        pl.Series([[f"ada {i}" for i in range(200)], ["ada x"]]),
        np.array([9, 1], dtype=np.int64),
    )
    found = [(hit.index, hit.match) for hit in index.search("ad", 2)]
    assert found == [(0, "prefix"), (1, "prefix")]


def test_an_index_made_in_small_blocks_finds_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels = pl.Series([f"name {i} of {i % 7}" for i in range(300)])
    none = pl.Series([[]] * 300, dtype=pl.List(pl.String))
    degree = np.arange(300) % 11
    whole = build_names(labels, none, degree)
    expected = [whole.search(query, 20) for query in ("ame 1", "of name 3", "9")]
    monkeypatch.setattr(search, "BUILD_ROWS", 7)
    pieces = build_names(labels, none, degree)
    (tmp_path / "kept").mkdir()
    pieces.save(tmp_path / "kept")
    for index in (pieces, NameIndex.open(tmp_path / "kept")):
        assert [index.search(query, 20) for query in ("ame 1", "of name 3", "9")] == expected


def test_a_large_index_tells_its_progress_and_a_small_one_nothing(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WIKIDATA5M_PROGRESS")
    names = (dataset.entity_labels, dataset.read_column(schema.ENTITIES, "aliases"))
    build_names(*names, dataset.degrees)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(search, "KEEP_FROM", 1)
    build_names(*names, dataset.degrees)
    told = capsys.readouterr().err
    assert told.startswith(f"names, indexed: {dataset.num_entities:,} entities")


@pytest.mark.parametrize("asked", [("transductive", None), (None, "test"), ("inductive", "tset")])
def test_half_a_name_of_a_part_gives_no_other_triplets(dataset: Dataset, asked: Any) -> None:
    with pytest.raises(DatasetError, match="name both, the part as one of train, valid, test"):
        dataset.triplets(*asked)


def test_a_split_that_is_not_there_is_told_with_those_that_are(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"has no temporal split \(has: transductive, inductive"):
        dataset.triplets("temporal", "test")


@pytest.mark.parametrize("query", ["", "  "])
def test_to_show_nothing_asks_for_a_name(dataset: Dataset, query: str) -> None:
    with pytest.raises(DatasetError, match="give an id or a name"):
        show_entity(dataset, query, 5)


def test_a_large_index_is_kept_and_read_again(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(search, "KEEP_FROM", 1)
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "cache"))
    first = Dataset(dataset.path).search("person")
    assert len(list((tmp_path / "cache").glob("names-*"))) == 1
    monkeypatch.setattr(wikidata5m.dataset, "build_names", None)
    assert Dataset(dataset.path).search("person") == first
    assert len(first) == 10


def test_the_examples_of_the_docs_hold(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dataset.path.parent)
    page = REPOSITORY / "docs" / "reference" / "dataset.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    told: list[str] = []
    example = doctest.DocTestParser().get_doctest("".join(blocks), {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(example, out=told.append).attempted > 10
    assert not told, "".join(told)
