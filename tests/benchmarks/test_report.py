"""The report: whole, loading nothing, true to the results, and safe with hostile names."""

from __future__ import annotations

import csv
import itertools
import re
import shutil
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import ujson
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.datasets import Datasets
from benchmarks.formats import latex
from benchmarks.plots import clean, short
from benchmarks.report.blocks import Note, Table, all_tables
from benchmarks.report.funnel import ITEMS, STATEMENTS, _ways, funnel_section
from benchmarks.report.names import run_labels
from benchmarks.report.scores import curves_section
from benchmarks.report.sizes import _at_least
from benchmarks.report.write import make_sections, write_report
from benchmarks.results import Result, load_result
from benchmarks.speed.machine import Machine
from benchmarks.speed.run import Measured, Report, Settings
from tests.benchmarks.hostile import NASTY, hostile_dataset, hostile_result
from tests.benchmarks.test_cli import invoke
from wikidata5m.dataset import Dataset
from wikidata5m.manifest import Manifest


@pytest.fixture(scope="module")
def one(trained: dict[str, Path]) -> Result:
    return load_result(trained["transe"] / "results" / "test.json")


@pytest.fixture(scope="module")
def other(trained: dict[str, Path]) -> Result:
    return load_result(trained["complex"] / "results" / "test.json")


def speed_report(*errors: str) -> Report:
    measured = [
        Measured(
            engine=f"engine{n}",
            title=f"Engine {n}",
            model="transe",
            trained_per_second=0.0 if error else 1000.0 * (n + 1),
            ranked_per_second=0.0 if error else 10.0,
            peak_bytes=10**9,
            error=error,
        )
        for n, error in enumerate(errors)
    ]
    return Report(
        graph="a graph",
        num_entities=10,
        num_relations=2,
        num_triplets=30,
        settings=Settings(),
        machine=Machine(cpu="a CPU", threads=1, product_gflops=1.0, memory_gbytes=1.0),
        measured=measured,  # type: ignore[arg-type]
        missing={"pbg": "not installed"},
    )


class _Page(HTMLParser):
    """What a page would load, its headings, its pictures' alt texts, and whether tags balance."""

    VOID = ("meta", "link", "br", "img", "!doctype")

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.headings: list[tuple[str, str]] = []
        self.labels: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values: dict[str, Any] = dict(attrs)
        self.open += [] if tag in self.VOID else [tag]
        if tag in ("link", "img", "iframe", "object", "embed"):
            self.loads.append(tag)
        for name in ("src", "href", "xlink:href"):
            if name in values and not str(values[name]).startswith("#"):
                self.loads.append(str(values[name]))
        assert not [name for name in values if name.startswith("on")]
        if tag == "svg":
            self.labels.append(values.get("aria-label", ""))
        self.ids += [values["id"]] if "id" in values else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2", "h3", "h4"):
            self.headings.append((self.open[-1], data))


def read(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert page.loads == []
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"@import|url\((?!#)", text)
    return page


def test_the_report_is_whole_and_loads_nothing(
    small: Dataset, trained: dict[str, Path], tmp_path: Path
) -> None:
    out, speed = tmp_path / "report", tmp_path / "speed.json"
    speed.write_text(ujson.dumps(asdict(speed_report("", "out of memory"))))
    invoke("report", *trained.values(), "--dataset", small.path, "--speed", speed, "--out", out)
    text = (out / "index.html").read_text()
    page = read(text)
    assert [name for level, name in page.headings if level == "h2"] == [
        "Dataset: small",
        "What was left out, and why",
        "Beside the paper",
        "Results",
        "Learning curves",
        "By kind of query",
        "Best and worst predictions",
        "Speed and memory",
        "Provenance",
    ]
    levels = [int(level[1]) for level, _ in page.headings]
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    figures = sorted(path.stem for path in (out / "figures").iterdir())
    assert len(page.labels) == len(figures)
    assert all(re.search(r"\d", label) for label in page.labels)
    assert len(text) < 600_000
    for word in ("place of birth", "triplet between two parts of the inductive split"):
        assert word in text
    assert "out of memory" in text
    assert "not installed" in text
    rows = list(csv.DictReader((out / "results.csv").read_text().splitlines()))
    assert len(rows) == 2 * 3
    assert {row["run"] for row in rows} == {"transe", "complex"}
    assert all(row["triplets"] == row["of"] != "" for row in rows)
    groups = list(csv.DictReader((out / "groups.csv").read_text().splitlines()))
    keys = ("run", "grouping", "group", "predicting")
    assert len({tuple(row[key] for key in keys) for row in groups}) == len(groups)
    assert "place of birth" in {row["label"] for row in groups if row["group"] == "P19"}
    assert {row["label"] for row in groups if row["grouping"] != "relation"} == {""}
    assert {"relation", "mapping", "given_degree", "ties"} <= {row["grouping"] for row in groups}
    assert "| complex" in (out / "results.md").read_text()
    tex = (out / "results.tex").read_text()
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") >= 3


def test_a_dataset_or_speeds_alone_can_be_reported(small: Dataset, tmp_path: Path) -> None:
    write_report([], tmp_path / "data", small)
    page = read((tmp_path / "data" / "index.html").read_text())
    assert ("h1", "The dataset small") in page.headings
    assert not (tmp_path / "data" / "results.csv").exists()
    write_report([], tmp_path / "speed", None, speed_report(""))
    assert ("h2", "Speed and memory") in read(
        (tmp_path / "speed" / "index.html").read_text()
    ).headings
    write_report([], tmp_path / "failed", None, speed_report("out of memory"))
    assert not (tmp_path / "failed" / "figures").exists()
    assert "name a RUN" in invoke("report", "--out", tmp_path / "none", code=2).stderr


def test_what_is_no_speed_file_is_told_in_one_line(tmp_path: Path) -> None:
    for text in ("{}", '{"graph": 3}', "not JSON"):
        (tmp_path / "speed.json").write_text(text)
        out = tmp_path / "out"
        failed = invoke("report", "--speed", tmp_path / "speed.json", "--out", out, code=1)
        assert "speed.json" in failed.stderr
        assert failed.stderr.strip().count("\n") == 0
        assert not out.exists()


def test_hostile_names_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    dataset = hostile_dataset(tmp_path)
    result = hostile_result(dataset, tmp_path)
    out = tmp_path / "report"
    write_report([result], out, dataset)
    text = (out / "index.html").read_text()
    read(text)
    assert text.count("<script>") == text.count("</script>") == 1
    assert "<img" not in text
    assert "<b>&evil" not in text
    assert "&lt;script&gt;window.pwned" in text
    assert "49" not in re.findall(r">(\d+)<", text) or "7 * 7" in text
    for path in (out / "figures").iterdir():
        ET.parse(path)
    tex = (out / "results.tex").read_text()
    assert all(line[0] in "\\%" or line.endswith(r"\\") for line in tex.splitlines() if line)


def test_relations_and_entities_go_by_their_names_while_the_dataset_is_there(
    one: Result, small: Dataset
) -> None:
    assert Datasets().relations(one)["P19"] == "place of birth"
    gone = replace(one, dataset=replace(one.dataset, path="/nowhere"))
    assert Datasets().relations(gone) == {}
    assert Datasets(small).relations(gone)["P19"] == "place of birth"
    changed = replace(one, dataset=replace(one.dataset, hash="0" * 32))
    assert Datasets(small).of(changed) is None
    assert Datasets(small).entities(one, ["Q1000"])["Q1000"][0] == "Land 0"


@pytest.mark.parametrize(
    ("column", "right"),
    [
        ([1, ""], True),
        ([0.5, "-"], True),
        (["25.3", "-", "1,024.0", "3%", "25.1 ± 0.2", "25.1 [24.0, 26.2]"], True),
        (["3.11.7", "AMD"], False),
        (["2026-11-25"], False),
        (["0d2e3f"], False),
        ([""], False),
        ([], False),
    ],
)
def test_columns_of_numbers_are_set_right(column: list[object], right: bool) -> None:
    rows = [[cell] for cell in column]
    assert Table(caption="", header=["x"], rows=rows).numeric == [right]


# The funnel


@given(
    drops=st.dictionaries(
        st.sampled_from([*ITEMS, *STATEMENTS, "inductive_border", "other_namespace", "novel"]),
        st.integers(0, 10**9),
    ),
    counts=st.fixed_dictionaries(
        {name: st.integers(0, 10**9) for name in ("entities", "triplets", "inductive_train")},
        optional={
            "wikidata_entities": st.integers(0, 10**10),
            "wikidata_properties": st.integers(0, 10**4),
        },
    ),
)
def test_every_way_adds_up(drops: dict[str, int], counts: dict[str, int]) -> None:
    manifest = Manifest(name="x", created="", sources=(), config={}, counts=counts, drops=drops)
    ways = {way.title: way for way in _ways(manifest)}
    for way in ways.values():
        assert way.total - sum(step.dropped for step in way.steps) == way.kept
    if "wikidata_entities" in counts:
        assert ways["Entities"].kept == counts["entities"]
        assert ways["Triplets"].kept == counts["triplets"]
    if "inductive_border" in drops:
        assert ways["Inductive split"].kept == counts["inductive_train"]
    told = {step.reason for way in ways.values() for step in way.steps}
    rest = {reason for reason, count in drops.items() if count} - told
    assert rest <= set(drops)


def test_every_drop_of_a_manifest_is_shown(small: Dataset) -> None:
    drops = small.manifest.drops | {"other_namespace": 7, "unheard_of": 9}
    section = funnel_section(replace(small.manifest, drops=drops))
    cells = {
        str(cell) for table in all_tables(section.blocks) for row in table.rows for cell in row
    }
    assert {"7", "9"} <= cells
    assert any("unheard_of" in cell for cell in cells)


def test_entities_are_counted_by_the_triplets_that_they_have_at_least() -> None:
    degree_P, more_P = _at_least(np.array([0, 1, 1, 3]))
    assert (degree_P.tolist(), more_P.tolist()) == ([1, 2, 3], [3, 1, 1])
    assert [len(each) for each in _at_least(np.zeros(4, dtype=np.int64))] == [0, 0]


# Names and forms


def test_pictures_tell_runs_and_samples_apart(one: Result) -> None:
    sample = replace(one, protocol=replace(one.protocol, triplets=5, sample_seed=0))
    name = "transe, seed 0 (small, transductive)"
    assert run_labels([one, sample]) == [f"{name}, test", f"{name}, test, sample of 5"]
    twin = replace(one, run="b")
    assert run_labels([one, twin]) == [f"{name}, test, run transe", f"{name}, test, run b"]
    alone, both = (curves_section(runs).blocks[0] for runs in ([one, sample], [one, twin]))
    assert alone.picture.alt.count(name) == 1  # type: ignore[union-attr]
    assert both.picture.alt.count(name) == 2  # type: ignore[union-attr]


def test_results_of_earlier_versions_are_read_and_asked_for_anew(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained["transe"], run)
    path = run / "results" / "test.json"
    values = ujson.loads(path.read_text())
    del values["examples"], values["train"]["peak_bytes"]
    path.write_text(ujson.dumps(values))
    sections = make_sections([load_result(path)], None, None, Datasets())
    text = " ".join(b.text for s in sections for b in s.blocks if isinstance(b, Note))
    assert "1 results hold no examples" in text


def test_a_sample_of_candidates_is_reported_without_groups(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(trained["transe"], run)
    shutil.rmtree(run / "results")
    invoke("bench", "evaluate", run, "--candidates", 100)
    invoke("report", run, "--out", out)
    text = (out / "index.html").read_text()
    read(text)
    assert "No run was ranked among all candidates." in text


@given(st.lists(st.tuples(st.text(), st.integers(), st.floats(allow_nan=False)), max_size=4))
def test_latex_of_any_cells_keeps_its_lines(rows: list[tuple[str, int, float]]) -> None:
    text = latex("a\nb", ["name & x", "n", "f"], rows, "c\rd")
    lines = [line for line in text.split("\n") if line.endswith(r"\\")]
    assert len(lines) == 1 + len(rows)
    assert {line.replace(r"\&", "").count("&") for line in lines} == {2}
    assert text.startswith("% a b: c d\n")


@given(st.text())
def test_names_in_pictures_are_one_line_that_xml_can_hold(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= 60
    ET.fromstring(f"<a><![CDATA[{cleaned.replace(']]>', '')}]]></a>")


@pytest.mark.parametrize("text", NASTY)
def test_nasty_names_are_cleaned(text: str) -> None:
    assert "\n" not in clean(text)


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.12345, "0.1235"), (12.345, "12.35"), (1234.5, "1,234"), (1.2345e7, "12.35M"), (2e9, "2G")],
)
def test_numbers_on_axes_are_short(value: float, told: str) -> None:
    assert short(value) in {told, told.replace("35", "34")}
