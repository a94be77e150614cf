"""Timing engines: what is counted, what is shown, and a whole run with PyKEEN at a tiny size."""

from __future__ import annotations

import sys
from dataclasses import replace
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
from benchmarks.speed.run import ENGINES, Measured, Report, Settings, find_engines, require_models
from benchmarks.speed.worker import Outcome
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
        assert "transe-l2" in adapter.MODELS


def test_engines_that_train_none_of_the_models_are_refused() -> None:
    with pytest.raises(ConfigError, match="none of these engines trains rotate"):
        require_models(["rotate"], ["pbg"])
    require_models(["rotate", "transe"], ["pbg", "wikidata5m"])


def test_transe_is_compared_by_one_norm() -> None:
    models = {engine: worker.load_adapter(engine).MODELS for engine in ENGINES}
    assert (models["wikidata5m"]["transe"], models["wikidata5m"]["transe-l2"]) == (
        {"p": 1},
        {"p": 2},
    )
    norms = [models["pykeen"][name]["scoring_fct_norm"] for name in ("transe", "transe-l2")]
    assert norms == [1, 2]
    assert models["pbg"]["transe-l2"]["comparator"] == "l2"
    assert "transe" not in models["pbg"]


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
    engines = {"wikidata5m": sys.executable}
    kept: list[Report] = []
    run.run(graph, run.begin(graph, settings, engines, {}), engines, kept.append)
    assert "not done after" in kept[-1].measured[0].error


RATES = Outcome("1.0", 100.0, 10.0)


def stand_in(
    monkeypatch: pytest.MonkeyPatch, *, stops_at: int = -1, fails_at: int = -1
) -> list[Any]:
    """No processes but rates that are known; returns the works asked for."""
    works: list[worker.Work] = []

    def measure(work: worker.Work, _python: str, _limit: float) -> run.Process:
        if len(works) == stops_at:
            raise KeyboardInterrupt
        works.append(work)
        if len(works) - 1 == fails_at:
            return None, "no memory", 0
        return replace(RATES, trained_per_second=100.0 + work.batch + len(works)), "", 1000

    monkeypatch.setattr(run, "_measure", measure)
    monkeypatch.setattr(
        run, "measure_machine", lambda threads: Machine("a cpu", threads, 60.0, 12.0)
    )
    return works


@pytest.mark.parametrize("stops_at", [0, 1, 5, 7])
def test_a_run_that_is_stopped_goes_on_with_what_is_missing(
    stops_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*TINY, "--batch", 32, "--engine", "wikidata5m", "--model", "transe"]
    words += ["--model", "rotate", "--repeats", 2, "--out", tmp_path / "speed"]
    whole = stand_in(monkeypatch)
    invoke(*words)
    assert len(whole) == 8
    before = stand_in(monkeypatch, stops_at=stops_at)
    stopped = invoke(*words, "--overwrite", code=1)
    assert f"not finished: {8 - stops_at} processes are left" in stopped.stdout
    assert "| transe" in stopped.stdout
    assert "<svg" in (tmp_path / "speed" / "speed.svg").read_text()
    after = stand_in(monkeypatch)
    done = invoke(*words, "--resume", "--json")
    asked = [(work.model, work.batch, work.seconds) for work in before + after]
    assert asked == [(work.model, work.batch, work.seconds) for work in whole]
    report = ujson.loads(done.stdout)
    assert [len(m["all_trained"]) for m in report["measured"]] == [2, 2]
    assert [set(m["trials"]) for m in report["measured"]] == [{"32", "64"}] * 2
    assert ujson.loads((tmp_path / "speed" / "speed.json").read_text()) == report


def test_what_failed_is_tried_again_by_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*TINY, "--batch", 32, "--engine", "wikidata5m", "--model", "transe"]
    words += ["--repeats", 2, "--out", tmp_path / "speed"]
    for fails_at in (0, 2):
        stand_in(monkeypatch, fails_at=fails_at)
        invoke(*words, "--overwrite")
        again = stand_in(monkeypatch)
        measured = ujson.loads(invoke(*words, "--resume", "--json").stdout)["measured"][0]
        assert measured["error"] == ""
        assert len(measured["all_trained"]) == 2
        assert len(again) == (1 if fails_at == 0 else 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--dim", 16], "measured with dim 8, not 16"),
        (["--seed", 5], "measured with seed 0, not 5"),
        (["--entities", 41], "measured with entities 40, not 41"),
        (["--model", "rotate"], "measured with models"),
        (["--engine", "pykeen"], "measured with engines wikidata5m, not wikidata5m, pykeen"),
    ],
)
def test_another_run_is_not_gone_on_with(
    change: list[object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    words = [*TINY, "--engine", "wikidata5m", "--model", "transe", "--out", tmp_path / "speed"]
    invoke(*words)
    kept = (tmp_path / "speed" / "speed.json").read_bytes()
    assert message in invoke(*words, *change, "--resume", code=1).stderr
    assert (tmp_path / "speed" / "speed.json").read_bytes() == kept
    (tmp_path / "speed" / "speed.json").write_text("{}")
    assert "no report of this command" in invoke(*words, "--resume", code=1).stderr
    assert "--resume needs --out" in invoke(*TINY, "--resume", code=2).stderr


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
