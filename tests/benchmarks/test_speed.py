"""Timing engines: what is counted, what is shown, and a whole run with PyKEEN at a tiny size."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ujson
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speed import run, worker
from benchmarks.speed.graph import dataset_graph, random_graph
from benchmarks.speed.machine import Machine, bytes_per_triplet, operations_per_triplet
from benchmarks.speed.report import bars, markdown
from benchmarks.speed.run import ENGINES, Measured, Report, Settings, find_engines
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError

TINY = ["--entities", "40", "--relations", "3", "--triplets", "300", "--dim", "8"]
TINY += ["--negatives", "4", "--chunk", "4", "--batch", "64", "--threads", "1", "--seconds", "0"]


def invoke(*words: object, code: int = 0) -> Any:
    result = CliRunner().invoke(main, ["bench", "speed", *(str(word) for word in words)])
    assert result.exit_code == code, result.output
    return result


def test_every_adapter_is_known_and_says_what_it_is() -> None:
    assert set(ENGINES) == {path.stem for path in worker.ADAPTERS.glob("*.py")}
    for engine in ENGINES:
        adapter = worker.load_adapter(engine)
        assert adapter.TITLE
        assert adapter.NOTE
        assert "transe" in adapter.MODELS


@given(speed=st.floats(1, 1e7), fixed=st.floats(0.02, 1), most=st.integers(1, 10**6))
def test_a_rate_is_of_passes_long_enough_and_the_warm_up_is_not_in_it(
    speed: float, fixed: float, most: int
) -> None:
    passes: list[int] = []

    def job(count: int) -> float:
        passes.append(count)
        return 1e9 if len(passes) == 1 else fixed + count / speed

    rate = worker._rate(job, 16, most, seconds=2.0)
    took = [fixed + count / speed for count in passes]
    last = next(n for n in range(1, len(passes)) if passes[n] == most or took[n] >= 2.0)
    assert all(count == passes[last] for count in passes[last:])
    assert passes[-1] <= most
    assert sum(took[last:]) >= 2.0
    assert rate == pytest.approx(sum(passes[last:]) / sum(took[last:]))


def test_a_graph_ranks_triplets_that_it_trains_on(tmp_path: Path, small: Dataset) -> None:
    graph = random_graph(tmp_path / "r.npz", entities=9, relations=2, triplets=50, seed=1)
    assert (graph.num_entities, graph.num_relations, graph.num_triplets) == (9, 2, 50)
    of_data = dataset_graph(tmp_path / "d.npz", small.path, seed=1)
    for made in (graph, of_data):
        with np.load(made.path) as arrays:
            known = {tuple(triplet) for triplet in arrays["train"].tolist()}
            assert {tuple(triplet) for triplet in arrays["ranked"].tolist()} <= known
    expected = {tuple(triplet) for triplet in small.triplets("transductive", "train").tolist()}
    assert known == expected


@given(st.data())
def test_pbg_is_handed_every_known_answer(data: st.DataObject) -> None:
    import runpy

    answers = runpy.run_path(str(worker.ADAPTERS / "pbg.py"))["_answers"]
    triplet = st.tuples(*(st.integers(0, size) for size in (4, 2, 4)))
    known = np.array(data.draw(st.lists(triplet, min_size=1, max_size=30)), dtype=np.int64)
    asked = known[: data.draw(st.integers(1, len(known)))]
    expected = [
        (h, r, t)
        for h, r, t in known.tolist()
        if any((h, r) == (a, b) or (r, t) == (b, c) for a, b, c in asked.tolist())
    ]
    assert [tuple(row) for row in answers(known, asked).tolist()] == expected


def test_engines_that_are_not_there_are_told_or_refused() -> None:
    found, missing = find_engines((), {})
    assert found["wikidata5m"] == found["pykeen"] == sys.executable
    assert "torchbiggraph" in missing["pbg"]
    for wanted, pythons, message in (
        (("pbg",), {}, "--engine-python pbg="),
        ((), {"pbg": "/nowhere/python"}, "No such file"),
        (("dglke",), {}, "unknown engine dglke"),
        ((), {"dglke": sys.executable}, "unknown engine dglke"),
    ):
        with pytest.raises(ConfigError, match=message):
            find_engines(wanted, pythons)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch", 100], "no multiple of --chunk"),
        (["--model", "transh"], "unknown model transh"),
        (["--engine-python", "pbg"], "expected ENGINE=PYTHON"),
        (["NOWHERE", "--engine", "wikidata5m"], "manifest.json"),
    ],
)
def test_a_wrong_setting_is_one_line(words: list[object], message: str, tmp_path: Path) -> None:
    told = [tmp_path / "nowhere" if word == "NOWHERE" else word for word in words]
    assert message in invoke(*told, code=1).stderr


def test_ours_and_pykeen_are_measured_in_one_run(tmp_path: Path) -> None:
    words = ["--engine", "wikidata5m", "--engine", "pykeen", "--model", "complex"]
    done = invoke(*TINY, *words, "--repeats", 1, "--out", tmp_path / "speed", "--json")
    report = ujson.loads(done.stdout)
    assert [m["engine"] for m in report["measured"]] == ["wikidata5m", "pykeen"]
    for measured in report["measured"]:
        assert measured["error"] == ""
        assert measured["trained_per_second"] > 0
        assert measured["ranked_per_second"] > 0
        assert measured["peak_bytes"] > 1e7
    assert report["machine"]["product_gflops"] > 0
    assert ujson.loads((tmp_path / "speed" / "speed.json").read_text()) == report
    assert "PyKEEN" in (tmp_path / "speed" / "speed.md").read_text()
    assert "<svg" in (tmp_path / "speed" / "speed.svg").read_text()


def test_an_engine_that_fails_is_told_and_the_run_goes_on() -> None:
    words = ["--engine", "wikidata5m", "--model", "complex", "--repeats", 2, "--dim", 7]
    done = invoke(*TINY, *words)
    assert "failed" in done.stdout
    assert "ConfigError" in done.stdout


def test_an_engine_that_hangs_is_stopped(tmp_path: Path) -> None:
    graph = random_graph(tmp_path / "g.npz", entities=9, relations=2, triplets=50, seed=1)
    settings = Settings(models=("complex",), batches=(64,), threads=1, limit=0.0, repeats=1)
    report = run.run(graph, settings, {"wikidata5m": sys.executable}, {})
    assert "not done after" in report.measured[0].error


def report_of(*measured: Measured) -> Report:
    return Report(
        graph="random graph",
        num_entities=10,
        num_relations=2,
        num_triplets=20,
        settings=Settings(dim=100, negatives=10, chunk=5, batches=(100,)),
        machine=Machine(cpu="a cpu", threads=2, product_gflops=60.0, memory_gbytes=12.0),
        measured=measured,
        missing={"pbg": "no torchbiggraph"},
    )


def test_the_table_holds_ratios_and_shares_of_the_machine() -> None:
    ours: dict[str, Any] = {"engine": "wikidata5m", "title": "wikidata5m"}
    theirs: dict[str, Any] = {"engine": "pykeen", "title": "PyKEEN", "version": "1.11"}
    report = report_of(
        Measured(**ours, model="transe", trained_per_second=1e6, ranked_per_second=50.0),
        Measured(**theirs, model="transe", trained_per_second=2e4, ranked_per_second=20.0),
        Measured(**theirs, model="rotate", error="exit code 1: no memory"),
    )
    text = markdown(report)
    assert "50.0x" in text
    assert "2.5x" in text
    # 6 x 10 x 100 operations and 3 x 4 x (3 + 2) x 100 bytes a triplet, a million times a second
    assert operations_per_triplet(100, 10) == 6000
    assert bytes_per_triplet(100, 10, 5) == 6000
    assert "10.0%" in text
    assert "50.0%" in text
    assert "exit code 1: no memory" in text
    assert "not measured: pbg (no torchbiggraph)" in text
    assert len(bars(report).axes) == 2
