"""Graphs of odd shapes, as they are imported: loops, namesakes, ids that hold anything."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import polars as pl
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from benchmarks.report.write import write_report
from tests.explorer.conftest import Ranker, client
from wikidata5m import schema
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError
from wikidata5m.explorer.index import open_index
from wikidata5m.explorer.library import Library
from wikidata5m.explorer.neighbourhood import draw
from wikidata5m.files import write_parquet

GRAPHS = {
    "one entity": {"train.txt": "a\tr\ta\n"},
    "ids like paths": {
        "train.txt": "a/b/../c\tr/x\t//evil\n//evil\tr/x\t..\n..\tr/x\ta/b/../c\n",
        "valid.txt": "..\tr/x\t//evil\n",
        "test.txt": "a/b/../c\tr/x\t..\n",
    },
    "other scripts, no valid part": {
        "train.txt": "日本\t関係\t\u202eabc\n\u202eabc\t関係\t𝔘\n𝔘\té\t日本\n",
        "test.txt": "日本\té\t𝔘\n",
    },
    "signs": {"train.txt": "!!!\t<b>\t???\n???\t<b>\t'\"\n"},
}


def imported(folder: Path, files: dict[str, str]) -> Dataset:
    (folder / "graph").mkdir()
    for name, text in files.items():
        (folder / "graph" / name).write_text(text, encoding="utf-8")
    made = ["import", str(folder / "graph"), "--out", str(folder / "dataset")]
    assert CliRunner().invoke(main, made, catch_exceptions=False).exit_code == 0
    return Dataset(folder / "dataset")


@pytest.mark.parametrize("files", GRAPHS.values(), ids=GRAPHS)
def test_every_page_and_the_report_of_an_odd_graph(tmp_path: Path, files: dict[str, str]) -> None:
    dataset = imported(tmp_path, files)
    pages: TestClient = client(Library(dataset))
    relation = dataset.relations["relation"][0]
    for entity in dataset.entity_ids:
        question = {"entity": entity, "relation": relation, "role": "tail", "known": "hide"}
        for path, arguments in (
            ("/", {}),
            ("/entity", {"id": entity}),
            ("/search", {"q": entity}),
            ("/ask", question),
        ):
            assert pages.get(f"{path}?{urlencode(arguments)}").status_code == 200
        assert pages.get("/suggest", params={"q": entity}).json()[0]["id"] == entity
    written = write_report([], tmp_path / "report", dataset)
    assert tmp_path / "report" / "index.html" in written


def test_no_entity_is_its_own_neighbour(tmp_path: Path) -> None:
    library = Library(imported(tmp_path, {"train.txt": "a\tr\ta\na\tr\tb\nc\tr\ta\n"}))
    drawing = draw(library, library.find("a"))
    assert drawing is not None
    assert [box.entity.id for box in drawing.boxes] == ["c", "a", "b"]


def test_a_loop_alone_is_not_drawn(tmp_path: Path) -> None:
    library = Library(imported(tmp_path, GRAPHS["one entity"]))
    assert draw(library, library.find("a")) is None


def test_an_entity_that_points_back_is_drawn_once(tmp_path: Path) -> None:
    library = Library(imported(tmp_path, {"train.txt": "a\tr\tb\nb\tr\ta\nc\tr\ta\n"}))
    drawing = draw(library, library.find("a"))
    assert drawing is not None
    assert [(box.entity.id, box.role) for box in drawing.boxes] == [
        ("c", "in"),
        ("a", "centre"),
        ("b", "out"),
    ]


def test_namesakes_are_asked_back(tmp_path: Path) -> None:
    files = {"train.txt": "a\tr\tb\nb\tr\tc\n", "entities.txt": "a\tTwin\nb\tTwin\nc\tOther\n"}
    pages = client(Library(imported(tmp_path, files)))
    page = pages.get("/ask?entity=twin&relation=r").text
    assert "Which one is meant?" in page
    assert "(<a" in pages.get("/ask?entity=other&relation=r").text.partition("<h2")[2]


def test_an_id_comes_before_names_and_no_search_gives_more_than_asked(tmp_path: Path) -> None:
    names = "a\tOther\nb\tA road\nc\tA town\n"
    files = {"train.txt": "a\tr\tb\nb\tr\tc\n", "entities.txt": names}
    library = Library(imported(tmp_path, files))
    for wanted in ("a", " a "):
        assert [hit.id for hit in library.search(wanted, 2)] == ["a", "b"]
    assert [hit.exact for hit in library.search("a", 9)] == [True, False, False]


def test_a_fact_of_no_part_is_known_from_the_dataset(library: Library) -> None:
    dataset = library.dataset
    within = {tuple(r) for part in dataset.parts("inductive").values() for r in part.tolist()}
    border = next(r for r in dataset.triplets().tolist() if tuple(r) not in within)
    model = Ranker(entities=dataset.num_entities, setting="inductive")
    given, relation = library.named(border[0]), library.relations[border[1]]
    found = library.ask(model, given, relation, "head", top=dataset.num_entities, hide_known=False)
    assert found.listed[border[2]].known == "dataset"


def test_splits_and_triplets_that_contradict_are_told(tmp_path: Path) -> None:
    dataset = imported(tmp_path, GRAPHS["ids like paths"])
    path = dataset.path / schema.TRIPLETS
    whole = pl.read_parquet(path)
    for changed, told in ((whole.head(-1), "lacks"), (whole.reverse(), "not sorted")):
        write_parquet(changed, schema.TRIPLET_SCHEMA, path)
        with pytest.raises(DatasetError, match=f"{told}.*verify"):
            open_index(dataset)
