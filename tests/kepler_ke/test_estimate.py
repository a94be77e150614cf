"""What is told before training: plausible, and without a trace in the training."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from kepler_ke.estimate import Estimate, estimate
from kepler_ke.evaluate import validation
from kepler_ke.prepare import prepare, start
from kepler_ke.runs import RunInfo, read_config, read_log
from kepler_ke.train import train
from kepler_ke.world import World
from tests.kepler_ke.conftest import SHORT
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, Wikidata5MError


def test_an_estimate_grows_with_the_updates_and_leaves_nothing_behind(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    config = dataclasses.replace(
        SHORT, objective="contrastive", memory=50, inverse=True, accumulate=2
    )
    info = RunInfo(
        dataset="d", dataset_hash=dataset.manifest.dataset_hash, encoder=str(encoder),
        setting="inductive", seed=3, preset="p",
    )  # fmt: skip
    start([dataset], tmp_path / "run", info, config, overwrite=False, resume=False)
    job = prepare([dataset], tmp_path / "run", info, config, World())
    before = {name: x.clone() for name, x in job.model.named_parameters()}
    check = validation(dataset, job.tokenizer, info, job.graphs[0].texts, 5)
    found = estimate(job, check, updates=100, validations=3)
    assert found.seconds > 0
    assert found.validations == 3
    assert found.validation_seconds > 0
    empty = dataclasses.replace(check, triplets=check.triplets[:0], entities=check.entities[:0])
    assert estimate(job, empty, updates=100, validations=3).validations == 0
    assert found.memory_bytes > sum(x.numel() * 4 for x in before.values())
    assert all(torch.equal(before[name], x) for name, x in job.model.named_parameters())
    assert all(x.grad is None for x in job.model.parameters())
    assert len(job.memory.entities_L) == 0


def test_a_run_worth_it_is_estimated_before_it_starts(
    dataset: Dataset,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("kepler_ke.train.WORTH_ESTIMATING", 2)
    short = dataclasses.replace(SHORT, epochs=1, mlm_batch=0, validate_steps=2)
    last = train(dataset, str(encoder), tmp_path / "run", short)
    told = capsys.readouterr().err
    assert f"{last['step']} updates; estimated: " in told
    validated = sum("valid_mrr" in line for line in read_log(tmp_path / "run"))
    assert validated > 1
    assert f", {validated} validations of " in told


def test_an_estimate_reads_as_a_sentence() -> None:
    once = Estimate(seconds=5400, memory_bytes=10**9, validations=1, validation_seconds=120)
    assert "1.5 hours of training, validation of 2.0 minutes, 1.0 GB" in str(once)
    more = dataclasses.replace(once, validations=3)
    assert ", 3 validations of 2.0 minutes each, " in str(more)
    short = dataclasses.replace(more, validation_seconds=2.46)
    assert ", 3 validations of 2.5 seconds each, " in str(short)
    assert "validation" not in str(Estimate(seconds=120, memory_bytes=10**9))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError("Unable to allocate 2 GiB for an array"),
        MemoryError(),
    ],
)
def test_out_of_memory_says_which_knob_to_turn_and_turning_it_goes_on(
    error: Exception,
    dataset: Dataset,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("kepler_ke.train.update", fail)
        with pytest.raises(Wikidata5MError, match="out of memory") as caught:
            train(dataset, str(encoder), run, SHORT)
    told = re.findall(r"--set (\w+)=(\d+)", str(caught.value))
    assert "--resume" in str(caught.value)
    sizes: dict[str, Any] = {name: int(value) for name, value in told}
    smaller = dataclasses.replace(SHORT, **sizes)
    assert (smaller.batch, smaller.accumulate, smaller.mlm_batch) == (16, 2, 2)
    last = train(dataset, str(encoder), run, smaller, resume=True)
    assert last["epoch"] == SHORT.epochs
    assert read_config(run) == smaller
    with pytest.raises(ConfigError, match="other values of accumulate"):
        train(dataset, str(encoder), run, dataclasses.replace(smaller, accumulate=3), resume=True)


def test_what_cannot_be_cut_smaller_is_begun_anew(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("kepler_ke.train.update", fail)
    config = dataclasses.replace(SHORT, objective="contrastive")
    with pytest.raises(Wikidata5MError, match="start anew with --overwrite and a smaller batch"):
        train(dataset, str(encoder), tmp_path / "run", config)


def test_another_error_is_not_taken_for_a_lack_of_memory(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr("kepler_ke.train.update", fail)
    with pytest.raises(RuntimeError, match="something else"):
        train(dataset, str(encoder), tmp_path / "run", SHORT)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_near_full(
    precision: str, dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    short = dataclasses.replace(SHORT, epochs=1, batch=48, tokens=16, mlm_batch=1)
    config = dataclasses.replace(short, precision=precision, checkpoint_steps=2)  # type: ignore[arg-type]
    last = train(dataset, str(encoder), tmp_path / "run", config)
    full = train(dataset, str(encoder), tmp_path / "full", short)
    assert last["loss"] == pytest.approx(full["loss"], rel=0.25)
    place = next((tmp_path / "run" / "checkpoint").glob("step-*/place.json")).read_text()
    assert ('"_growth_tracker"' in place) == (precision == "fp16")
