"""What is told before training: memory, disk, time, and the commands that show it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import ujson
from click.testing import CliRunner, Result

from benchmarks import run
from benchmarks.estimate import Clock, estimate
from benchmarks.optim import OPTIMIZERS
from tests.benchmarks.conftest import QUICK, quick_config
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset

SETTINGS = [word for setting in QUICK for word in ("--set", setting)]


def invoke(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", ["transe", "rotate", "simple"])
def test_tables_state_and_checkpoint_are_counted_to_the_byte(
    small: Dataset, tmp_path: Path, model: str, optimizer: str
) -> None:
    reciprocal = f"model.reciprocal={'true' if model == 'simple' else 'false'}"
    names = (f"model.name={model}", f"train.optimizer={optimizer}", reciprocal)
    config = quick_config(small, *names)
    engine = run.engine_for(config, small)
    found = estimate(config, small, tmp_path).memory
    state = engine.state()
    tables = sum(state[name].nbytes for name in ("entities", "relations"))
    assert found["tables"] == tables
    assert found["optimizer"] == sum(x.nbytes for x in state.values()) - tables


@pytest.mark.parametrize("here", [1, 2])
def test_processes_hold_slices_and_the_first_one_whole_tables(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: int
) -> None:
    config = quick_config(small, "model.name=complex", "train.optimizer=adagrad")
    alone = estimate(config, small, tmp_path).memory
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
    told = estimate(config, small, tmp_path)
    for name in ("tables", "optimizer"):
        assert told.memory[name] == alone[name] * here // 4
    assert told.memory["software"] == here * alone["software"]
    assert told.memory["filter"] == alone["filter"]
    assert told.memory["whole tables"] == alone["tables"] + alone["optimizer"]
    assert "whole tables" not in alone
    assert "4 processes, each with a slice" in told.device


@pytest.mark.parametrize("free", [10**9, 10_000])
def test_a_gpu_holds_batches_and_tables_or_the_tables_lie_in_host_memory(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    config = quick_config(small)
    alone = estimate(config, small, tmp_path).memory
    monkeypatch.setattr("benchmarks.estimate.pick_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10**10))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    told = estimate(config, small, tmp_path)
    fits = free == 10**9
    assert (told.gpu.keys() & alone.keys() == {"triplets", "batch"}) != fits
    assert ("whole tables" in told.memory) == fits
    assert ("tables" in told.memory) != fits
    assert ("in host memory" in told.lines()[0]) != fits
    assert told.lines()[2].startswith("GPU memory: about ")
    assert told.fits == fits
    assert any("train.tables=host" in line for line in told.lines()) != fits


def test_disk_is_what_a_run_leaves_and_never_passes(small: Dataset, tmp_path: Path) -> None:
    config = quick_config(small, "model.dim=256", "train.epochs=2")
    told = estimate(config, small, tmp_path / "not" / "there")
    run.train(config, tmp_path / "run")
    left = sum(path.stat().st_size for path in (tmp_path / "run").rglob("*.safetensors"))
    assert left == pytest.approx(told.disk_after, rel=0.02)
    assert told.disk > told.disk_after


def test_what_does_not_fit_is_said_and_not_tried(small: Dataset, tmp_path: Path) -> None:
    told = estimate(quick_config(small), small, tmp_path)
    assert told.fits
    assert not [line for line in told.lines() if "warning" in line]
    tight = replace(told, memory_free=told.total - 1, disk_free=0)
    assert not tight.fits
    assert [line for line in tight.lines() if "warning: more" in line] == tight.lines()[-2:]
    assert replace(told, memory_free=None).fits


def test_a_clock_leaves_the_first_batch_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    clock = Clock()
    told = []
    for second, seen in ((60, 100), (61, 200), (64, 500), (66, 700), (67, 800)):
        now = float(second)
        told.append(clock.is_enough(seen))
    assert told == [False, False, False, True, False]
    assert clock.rate == 100
    alone = Clock()
    now += 2
    alone.is_enough(50)
    assert alone.rate == 25


def test_a_dry_run_shows_settings_and_cost_and_writes_nothing(
    small: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["bench", "train", small.path, "--model", "complex", "--out", out, *SETTINGS]
    shown = invoke(*words, "--dry-run").stdout
    for part in ("device: cpu", "memory: about ", "disk: up to ", "time: about ", "name: complex"):
        assert part in shown
    record = ujson.loads(invoke(*words, "--dry-run", "--json").stdout)
    assert record["estimate"]["seconds"].keys() == {"training", "validation"}
    assert record["config"]["train"]["batch"] == 128
    assert not out.exists()
    seeded = invoke(*words, "--dry-run", "--seeds", "0,1,2").stdout
    assert seeded.startswith("each of 3 runs:\n")


def test_seeds_make_a_run_each_that_evaluate_takes_together(small: Dataset, tmp_path: Path) -> None:
    words = ["bench", "train", small.path, "--model", "transe", *SETTINGS]
    done = invoke(*words, "--set", "train.epochs=1", "--seeds", "3,1", "--out", tmp_path, "--json")
    runs = [Path(each["run"]) for each in ujson.loads(done.stdout)["runs"]]
    assert runs == [tmp_path / "seed-3", tmp_path / "seed-1"]
    assert [run.load_run_config(folder).seed for folder in runs] == [3, 1]
    alone = tmp_path / "alone"
    invoke(*words, "--set", "train.epochs=1", "--seed", 1, "--out", alone)
    name = "embeddings/embeddings.safetensors"
    assert (alone / name).read_bytes() == (runs[1] / name).read_bytes()
    table = invoke("bench", "evaluate", *runs).stdout
    assert "±" in table
    assert (runs[0] / "results" / "test.json").is_file()
    assert len(ujson.loads(invoke("bench", "evaluate", *runs, "--json").stdout)["results"]) == 2


def test_seeds_resume_by_themselves_also_where_one_had_not_begun(
    small: Dataset, tmp_path: Path
) -> None:
    words = ["bench", "train", small.path, *SETTINGS, "--set", "train.epochs=1"]
    words += ["--model", "transe"]
    invoke(*words, "--seeds", "0,1", "--out", tmp_path)
    vectors = [tmp_path / f"seed-{n}" / "embeddings/embeddings.safetensors" for n in (0, 1)]
    before = [path.read_bytes() for path in vectors]
    shutil.rmtree(tmp_path / "seed-1")
    invoke("bench", "train", small.path, "--seeds", "0,1", "--out", tmp_path, "--resume")
    assert [path.read_bytes() for path in vectors] == before
    told = ujson.loads(invoke("bench", "evaluate", tmp_path / "seed-0", "--json").stdout)
    assert told["run"] == f"{tmp_path.name}/seed-0"


@pytest.mark.parametrize("seeds", ["1,1", "-1", "a", "1,"])
def test_seeds_that_are_none_are_a_usage_error(small: Dataset, tmp_path: Path, seeds: str) -> None:
    words = ["bench", "train", small.path, "--model", "transe", "--out", tmp_path / "run"]
    assert "--seeds" in invoke(*words, "--seeds", seeds, code=2).stderr
    assert "exclude" in invoke(*words, "--seeds", "1", "--seed", 1, code=2).stderr


def test_resume_alone_takes_the_settings_of_the_run(small: Dataset, tmp_path: Path) -> None:
    words = ["bench", "train", small.path, "--out", tmp_path / "run"]
    invoke(*words, "--model", "distmult", *SETTINGS)
    shutil.rmtree(tmp_path / "run" / "embeddings")
    refused = invoke(*words, "--resume", code=1).stderr
    assert "the vectors of epoch 6, the best, are gone" in refused
    assert "neither --model nor --config" in invoke(*words, "--overwrite", code=1).stderr
